"""Boxes of one part while they are read: each checked with the picture, then rounded to whole pixels. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.labels.part import BoardsError

SLACK_PX: Final = 1.0
"""So far beyond the picture a box may reach: labelling tools round, and count the last pixel one way or the other."""


class Collected:
    """What one part's label file says."""

    def __init__(self, width_px: int, height_px: int) -> None:
        """Take boxes of a picture of this size."""
        self._size = width_px, height_px
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._first: dict[tuple[float | int, ...], str] = {}

    def add(self, where: str, corners: Sequence[float], kind: int | None) -> None:
        """One label.

        Args:
            where: file and line or key, for the errors.
            corners: x1 y1 x2 y2 in px.
            kind: of the model's classes; None: it is no defect, and only checked.

        Raises:
            BoardsError: it has no area, is not inside the picture, or is there already.
        """
        x1, y1, x2, y2 = corners
        width, height = self._size
        said = f"box {x1:g} {y1:g} {x2:g} {y2:g} px"
        if not all(map(math.isfinite, corners)):
            raise BoardsError(f"{where}: {said}: is not finite")
        if not (x1 < x2 and y1 < y2):
            raise BoardsError(f"{where}: {said} has no area: draw it again, or take it out")
        if min(x1, y1) < -SLACK_PX or x2 > width + SLACK_PX or y2 > height + SLACK_PX:
            raise BoardsError(
                f"{where}: {said} is not inside the picture of {width}x{height} px: is it of another picture, or of "
                "this one in another size?"
            )
        before = self._first.setdefault((x1, y1, x2, y2, -1 if kind is None else kind), where)
        if before != where:
            raise BoardsError(f"{where}: {said} is there already ({before.rpartition('/')[2]}): take one of them out")
        if kind is not None:
            self._rows.append((*_whole(x1, x2, width), *_whole(y1, y2, height), kind))

    def arrays(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Boxes int32 [N, 4], x1 y1 x2 y2, and their classes int32 [N]."""
        table = np.array(self._rows, np.int32).reshape(-1, 5)
        return np.ascontiguousarray(table[:, [0, 2, 1, 3]]), np.ascontiguousarray(table[:, 4])


def _whole(low: float, high: float, size: int) -> tuple[int, int]:
    """The nearest whole pixels inside the picture, at least one of them."""
    first = min(max(0, round(low)), size - 1)
    return first, max(first + 1, min(size, round(high)))
