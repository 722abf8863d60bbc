"""The operator's page, metrics and health; beside the path."""
