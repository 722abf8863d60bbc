"""What pages are made of: the frame of a page, live cells, charts, signs, texts."""
