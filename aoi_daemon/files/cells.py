"""Tables as CSV that a spreadsheet shows and does not compute. Pure.

A class name of a bundle, a note, a line's name: each may begin with what makes a formula of it (`=`, `+`, `-`, `@`, a
tab, a line's end, and the wide forms). Such a text gets an apostrophe before it, as spreadsheets themselves mark a
text; so does what stands behind a semicolon, a tab or a line's end in it, which begins a new cell where the PC's list
separator is another one. A number is written as it is, a negative one too: give numbers as numbers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Any, Final, TextIO

_FORMULA: Final = re.compile(r'(^|[;\t\r\n])([" ]*)(?=[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])')


def text_cell(text: str) -> str:
    """`text`, which nobody's spreadsheet takes for a formula."""
    return _FORMULA.sub(r"\1\2'", text)


class Table:
    """Writes rows to `out`: texts as `text_cell` gives them, None as nothing, all else as it is."""

    def __init__(self, out: TextIO) -> None:
        self._write = csv.writer(out).writerow

    def row(self, values: Iterable[Any]) -> None:
        """Write one row."""
        self._write([text_cell(value) if isinstance(value, str) else value for value in values])

    def rows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Write them all."""
        for values in rows:
            self.row(values)
