"""Notices to people, by mail and webhook."""
