"""`python -m aoi_daemon.kit.boards`: what `tools/make_boards` starts."""

import sys

from aoi_daemon.kit.boards.cli import main

if __name__ == "__main__":
    sys.exit(main())
