"""The records database: what the recorder writes, and the page, the publisher and the export read."""
