"""The parts of the README that are generated from the code."""
