"""The recorder: a row for each part, and pictures; off the critical path."""
