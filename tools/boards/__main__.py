"""`python -m tools.boards`: what `tools/make_boards` starts."""

import sys

from tools.boards.cli import main

if __name__ == "__main__":
    sys.exit(main())
