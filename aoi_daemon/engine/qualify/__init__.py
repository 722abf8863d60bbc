"""Judge labelled boards with a bundle and say what that shows, with its interval."""
