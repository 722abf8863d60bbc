"""The printed target in a picture: what was printed, where its corners are seen, and how far they have moved."""
