"""Searches by an address: what it asks for, and what is read from the records for it."""
