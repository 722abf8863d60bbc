"""A whole line on one machine: the daemon, the PLC simulator, and what both say of each part."""
