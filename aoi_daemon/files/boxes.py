"""Label files: a line `x1 y1 x2 y2 class` for each defect, an empty one for a good part."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from aoi_daemon.files.text import TextError, behind, read_text

FIELDS: Final = "x1 y1 x2 y2 class"
_FIELD: Final = re.compile(r"[^ \t]+")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


class LabelError(ValueError):
    """What is wrong with a label file. Names it, with line and column where they are known."""


class Box(NamedTuple):
    """One line: its number from 1, the columns of its fields, and the fields."""

    line: int
    columns: tuple[int, ...]
    x1: int
    y1: int
    x2: int
    y2: int
    kind: int


def read_boxes(file: Path) -> list[Box]:
    """The boxes in `file`. Raises LabelError: it cannot be read, or a line is no box."""
    try:
        return parse_boxes(read_text(file))
    except OSError as error:
        raise LabelError(f"{file}: cannot be read: {error.strerror}") from error
    except TextError as error:
        raise LabelError(behind(file, error.problem)) from None


def parse_boxes(text: str) -> list[Box]:
    """The boxes in `text`; lines end as on any system, and blanks at their ends do not count.

    Raises:
        TextError: naming line and column of the field that is wrong.
    """
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        fields = list(_FIELD.finditer(line.rstrip()))
        for field in fields[:5]:
            if not _NUMBER.fullmatch(field[0]):
                raise TextError(
                    f"{field[0][:40]!r} is no whole number from 0 up; a line is {FIELDS}", number, field.start() + 1
                )
        if fields and len(fields) != 5:
            column = fields[5].start() + 1 if len(fields) > 5 else fields[-1].end() + 1
            raise TextError(f"the line has {len(fields)} numbers, not the five {FIELDS}", number, column)
        if fields:
            columns = tuple(field.start() + 1 for field in fields)
            found.append(Box(number, columns, *(int(field[0]) for field in fields)))
    return found
