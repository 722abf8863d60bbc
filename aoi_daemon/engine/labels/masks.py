"""From a mask, NAME_mask.png, to the boxes of what it marks.

A mask has its picture's size; 0 is no defect. What is marked is of the one class that its folder names, or, where the
model has several and the folder names none, of the class whose number it is, in the model's order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.labels.collected import Collected
from aoi_daemon.engine.labels.files import refuse_turned
from aoi_daemon.engine.labels.names import Names
from aoi_daemon.engine.labels.part import BoardsError
from aoi_daemon.errors import PictureError
from aoi_daemon.pictures import picture_is_indexed, read_picture

MOST_AREAS: Final = 1000
_LOSSY: Final = (".jpg", ".jpeg")


def read_mask(file: Path, picture: Path, names: Names, kind: int | None, size: tuple[int, int]) -> Collected:
    """The box around each connected area of a mask.

    Args:
        file: the mask.
        picture: what it is of.
        names: the model's classes.
        kind: what it marks; None: its values are class numbers.
        size: (width_px, height_px) of the picture.

    Raises:
        BoardsError: it is of another size, marks nothing, or its values say nothing that is known.
    """
    values = _values(file, picture, size, numbers=kind is None)
    if not values.any():
        raise BoardsError(f"{file}: marks nothing, and its part is among the bad: draw the defect, or move the part")
    into = Collected(*size)
    if kind is not None:
        return _add(into, file, values > 0, kind)
    for value in np.unique(values[values > 0]).tolist():
        into = _add(into, file, values == value, _numbered(file, value, names))
    return into


def refuse_marked(file: Path, picture: Path, size: tuple[int, int]) -> None:
    """Raises BoardsError where the mask of a good part marks something."""
    if _values(file, picture, size, numbers=False).any():
        raise BoardsError(f"{file}: marks a defect on a part that lies among the good ones: which is right?")


def _values(file: Path, picture: Path, size: tuple[int, int], *, numbers: bool) -> NDArray[np.uint8]:
    if file.suffix.lower() in _LOSSY:
        raise BoardsError(f"{file}: is a JPEG, which changes values: save the mask as PNG")
    try:
        if numbers and picture_is_indexed(file):
            raise BoardsError(f"{file}: has a palette, and its values are to be class numbers: save it as gray")
        values = read_picture(file, 1)[:, :, 0]
    except PictureError as error:
        raise BoardsError(str(error)) from error
    refuse_turned(picture)
    refuse_turned(file)
    if values.shape != (size[1], size[0]):
        raise BoardsError(f"{file}: is {values.shape[1]}x{values.shape[0]} px, {picture.name} is {size[0]}x{size[1]}")
    return values


def _numbered(file: Path, value: int, names: Names) -> int | None:
    if value >= len(names.classes) or names.classes[0] not in names.good:
        there = ", ".join(f"{number} {name}" for number, name in enumerate(names.classes[:20]))
        raise BoardsError(
            f"{file}: the value {value} is no class number of a defect (there: {there}; 0 must be a good class, it is "
            "where nothing is): put the part into a folder that is named after its class"
        )
    return None if names.classes[value] in names.good else value


def _add(into: Collected, file: Path, marked: NDArray[np.bool_], kind: int | None) -> Collected:
    count, _, stats, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8), connectivity=8)
    if count - 1 > MOST_AREAS:
        raise BoardsError(f"{file}: marks {count - 1} areas, at most {MOST_AREAS}: is it a mask?")
    for number, (x, y, width, height, _) in enumerate(stats[1:].tolist(), 1):
        into.add(f"{file}: area {number} of class {kind}", (x, y, x + width, y + height), kind)
    return into
