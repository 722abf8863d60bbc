"""`aoi-daemon backup` and `restore`: a line with its records, from one PC to another."""
