"""Numbers of a command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def bounded(least: int, most: int) -> Callable[[str], int]:
    """A whole number from `least` to `most`, as argparse asks for it."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: {least} to {most}")
        return int(text)

    return number
