"""`aoi-daemon model inspect`: what an exported model is, whether it can be taken, and what to do next."""
