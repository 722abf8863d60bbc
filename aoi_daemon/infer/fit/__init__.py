"""A frame becomes what the model takes, and what the model says becomes the frame's: pad, resize, crop, tiles."""
