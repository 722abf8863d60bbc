"""Measurements on a complete line: latency over its floor, memory, the page's doors, the machine's own stalls."""
