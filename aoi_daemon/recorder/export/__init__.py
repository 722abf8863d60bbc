"""Recorded parts as files and data sets."""
