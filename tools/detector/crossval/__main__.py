"""`python -m tools.detector.crossval`."""

import sys

from tools.detector.crossval.cli import main

if __name__ == "__main__":
    sys.exit(main())
