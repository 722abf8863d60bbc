"""Real-time automated optical inspection: camera to PLC coil inside the takt."""

import os
from pathlib import Path
from typing import Final

# ONNX Runtime 1.29 and newer otherwise open a database and a thread in the inspection process and send facts of
# the model to their maker. Said before it is imported, and to every process: later it is not looked at any more.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.2.0"
PROGRAM: Final = Path(__file__).with_name("__main__.py")
"""What our processes are started as. By its path: `-m` would look for modules in the current folder first."""
