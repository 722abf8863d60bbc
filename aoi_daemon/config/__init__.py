"""Configuration: frozen, bounded models of the line and its recipes."""
