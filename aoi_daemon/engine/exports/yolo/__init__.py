"""Ultralytics' layouts, and those of others that have taken them over."""
