"""A complete line on one machine: the daemon, the simulated PLC, and what both say of each part."""
