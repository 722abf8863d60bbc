"""`aoi-daemon golden`: the parts by which a product proves itself, added and shown."""
