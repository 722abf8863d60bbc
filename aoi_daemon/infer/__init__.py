"""Executors behind one protocol, and the decoding of their outputs."""
