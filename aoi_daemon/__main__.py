"""`python -m aoi_daemon` is `aoi-daemon`."""

import sys

from aoi_daemon.cli import main

if __name__ == "__main__":
    sys.exit(main())
