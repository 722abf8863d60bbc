"""Who may do what: roles, users, sessions, the guard before every route."""
