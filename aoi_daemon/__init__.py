"""Real-time automated optical inspection: camera to PLC coil inside the takt."""

__version__ = "0.1.0"
