"""`python -m tools.models`: draw boards, train models of other programs on them, compare."""

from __future__ import annotations

import sys

from tools.models.cli import main

if __name__ == "__main__":
    sys.exit(main())
