"""Where the board lies in the frame: phase correlation or fiducials."""
