"""Labelled boxes of golden parts: where a bad part is bad, as a person or an independent measurement says.

In JSON a box is `[x1, y1, x2, y2]` in px of the picture, or `[x1, y1, x2, y2, "class"]` where its class is known too.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, NamedTuple

from pydantic import Field, PlainSerializer, PlainValidator, Strict

MAX_BOXES: Final = 200
"""Boxes that one golden part may have."""
_LARGEST_PX: Final = 16_384
_LONGEST_CLASS: Final = 64


class Box(NamedTuple):
    """Corners in px of the picture, and the class of the defect, "" for any."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str = ""

    def __str__(self) -> str:
        """As the command line has it: `x1,y1,x2,y2` or with `,class`."""
        corners = ",".join(f"{value:g}" for value in self[:4])
        return f"{corners},{self.label}" if self.label else corners


def read_box(value: Any) -> Box:
    """A box from a list of four numbers and perhaps a class. Raises ValueError saying what it must be."""
    if isinstance(value, Box):
        value = list(value) if value.label else list(value[:4])
    wanted = f"box {value!r}: must be x1, y1, x2, y2 in px and, where it is known, the class"
    if not isinstance(value, (list, tuple)) or len(value) not in (4, 5):
        raise ValueError(wanted)
    corners, label = value[:4], value[4] if len(value) == 5 else ""
    if not all(type(corner) in (int, float) and math.isfinite(corner) for corner in corners):
        raise ValueError(wanted)
    if len(value) == 5 and not (isinstance(label, str) and 0 < len(label) <= _LONGEST_CLASS):
        raise ValueError(f"box {value!r}: the class must be a name of 1 to {_LONGEST_CLASS} characters")
    x1, y1, x2, y2 = map(float, corners)
    if not (0 <= x1 < x2 <= _LARGEST_PX and 0 <= y1 < y2 <= _LARGEST_PX):
        raise ValueError(f"box {value!r}: x1 must be below x2 and y1 below y2, all of them 0 to {_LARGEST_PX}")
    return Box(x1, y1, x2, y2, label)


def _as_list(box: Box) -> Any:
    corners: list[float | str] = [int(value) if value.is_integer() else value for value in box[:4]]
    return [*corners, box.label] if box.label else corners


Boxes = Annotated[
    tuple[Annotated[Box, PlainValidator(read_box), PlainSerializer(_as_list)], ...],
    Strict(False),
    Field(max_length=MAX_BOXES),
]
