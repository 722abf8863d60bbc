"""How much one address may ask of the page: connections, requests, bodies, and who stands behind a proxy."""
