"""Models as other programs export them: what one is, and how it becomes a bundle's model."""
