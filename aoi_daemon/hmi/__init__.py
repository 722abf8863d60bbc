"""The operator's page, metrics and health; off the critical path."""
