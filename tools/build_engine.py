#!/usr/bin/env python3
"""Build a TensorRT engine, also where aoi-daemon is not installed (the NGC container): see --help."""

import sys
from pathlib import Path

checkout = Path(__file__).resolve().parents[1]
if (checkout / "aoi_daemon").is_dir():
    sys.path.insert(0, str(checkout))

from aoi_daemon.engine.build.command import main  # noqa: E402  # found through the lines above

sys.exit(main())
