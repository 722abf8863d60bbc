"""`python -m tools.detector`: what `tools/train_detector` starts."""

import sys

from tools.detector.cli import main

if __name__ == "__main__":
    sys.exit(main())
