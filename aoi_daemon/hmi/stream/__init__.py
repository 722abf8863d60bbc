"""What goes between an open page and its browser: server-sent events one way, taps by POST the other."""
