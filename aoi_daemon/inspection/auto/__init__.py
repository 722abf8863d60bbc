"""`inspection.backend = "auto"`: what can run the bundle here, measured; the fastest that holds the golden parts."""
