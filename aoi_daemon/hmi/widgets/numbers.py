"""Numbers that come from outside: in an address, a form, a tap. Pure."""

from __future__ import annotations

from typing import Final

MOST: Final = (1 << 63) - 1
"""What SQLite and the board's cells hold."""
_DIGITS: Final = 19


def whole(text: str) -> int | None:
    """The number that `text` writes in ASCII digits, 0 to MOST; None for anything else.

    `str.isdecimal` and `int` take digits of every script, and `int` refuses more than 4300 of them with an exception.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        return None
    number = int(text)
    return number if number <= MOST else None
