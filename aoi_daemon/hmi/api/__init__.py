"""The routes that are no page: what the page sends and reads, login, actions."""
