"""The recorder: a row for each part, and pictures; beside the path."""
