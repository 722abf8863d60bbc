"""Maps of the pieces become one map of the frame, for the decoder to read as it reads any.

So an area that a seam runs through is one area, with its complete size; cut in two before it is measured, both halves
could be too small to count. Where tiles overlap, the greater value counts: what one of them sees is seen. The gray
beside the frame is left out.

Memory: the map of a frame, taken when the size of the model's maps is known: with the first run, which is before READY.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.executor import Decoder, Detections, FrameShape, TensorInfo, check_outputs
from aoi_daemon.infer.fit.geometry import Piece, Plan

_NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
_Map = NDArray[np.float32]


class _Place(NamedTuple):
    """Of a piece's map: what of it is the frame's, where that lies in the frame's map, what others wrote of it."""

    taken: tuple[slice, slice]
    x: int
    y: int
    width: int
    height: int
    written_x: int
    written_y: int


class Stitching:
    """Stands in for the decoder while the pieces run; `read` hands all of them to the real one."""

    def __init__(self, plan: Plan, expected: Sequence[TensorInfo], *, best_only: bool = False) -> None:
        """Begin without memory.

        Args:
            plan: what the pieces are.
            expected: `outputs_of` the model.
            best_only: as the manifest says: what one piece left out holds the map of the frame up everywhere.
        """
        self._left_out: list[NDArray[np.float32]] | None = [] if best_only else None
        self._plan = plan
        self._expected = expected[:1]
        self._of: tuple[int, ...] = ()
        self._map = np.empty((0, 0, 0), np.float32)
        self._places: list[_Place] = []
        self._next = 0

    def begin(self) -> None:
        """The next output is that of the first piece."""
        self._next = 0
        if self._left_out is not None:
            self._left_out.clear()

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """Take in the map of one piece; see `Decoder`. Nothing is found yet.

        Raises:
            InferenceError: it is no map, or not as large as those before.
        """
        check_outputs(outputs[:1], self._expected)
        maps = outputs[0][0]
        if maps.shape != self._of:
            if self._next:
                raise InferenceError(f"the model gave maps of {maps.shape}, and {self._of} for the piece before")
            self._lay_out(maps.shape, shape)
        place = self._places[self._next]
        self._next += 1
        seen = maps[:, place.taken[0], place.taken[1]]
        if self._left_out is not None:
            self._left_out.append(maps.min(axis=(1, 2)))
        target = self._map[:, place.y : place.y + place.height, place.x : place.x + place.width]
        x, y = place.written_x, place.written_y
        # NaN is handed on by maximum as by a copy: the decoder refuses it.
        target[:, y:, x:] = seen[:, y:, x:]
        if x:
            np.maximum(target[:, :, :x], seen[:, :, :x], out=target[:, :, :x])
        if y:
            np.maximum(target[:, :y, x:], seen[:, :y, x:], out=target[:, :y, x:])
        return _NOTHING

    def read(self, decoder: Decoder) -> Detections:
        """What `decoder` finds in the map of the frame, in px of the frame. Raises InferenceError as it does."""
        if self._next != len(self._plan.pieces):
            raise InferenceError(f"{self._next} of {len(self._plan.pieces)} pieces were seen")
        if self._left_out is not None:
            np.maximum(self._map, np.max(self._left_out, axis=0)[:, None, None], out=self._map)
        return self.placed(decoder.decode([self._map[None]], self._covered))

    def placed(self, found: Detections) -> Detections:
        """What a decoder has found in the map of the frame, in px of the frame."""
        boxes, scores, classes = found
        height, width = self._plan.frame[:2]
        # A place of a coarse map may lie half beside the frame.
        placed = np.clip(boxes + self._origin, 0.0, (width, height, width, height))
        return Detections(placed.astype(np.float32), scores, classes)

    def _lay_out(self, shape: tuple[int, ...], picture: FrameShape) -> None:
        """Where the map of each piece goes; `shape` (classes, h, w) of one of `picture`."""
        classes, rows, columns = shape
        if not (0 < rows <= picture[0] and 0 < columns <= picture[1]):
            size = f"{picture[1]} x {picture[0]} px"
            raise InferenceError(f"the model gave maps of {columns} x {rows} for a picture of {size}")
        plan = self._plan
        step_x, step_y = picture[1] / columns, picture[0] / rows
        first = plan.pieces[0]
        left, right = math.floor(first.left / step_x), math.ceil((first.left + first.shown_width) / step_x)
        top, bottom = math.floor(first.top / step_y), math.ceil((first.top + first.shown_height) / step_y)
        taken = (slice(top, bottom), slice(left, right))
        width, height = right - left, bottom - top
        places: list[_Place] = []
        for number, piece in enumerate(plan.pieces):
            x, y = round((piece.x - first.x) / step_x), round((piece.y - first.y) / step_y)
            beside = places[number - 1] if number % plan.columns else None
            above = places[number - plan.columns] if number >= plan.columns else None
            # Rounded to the places of a coarse map, neighbours must not leave a gap.
            x = 0 if beside is None else min(x, beside.x + width)
            y = 0 if above is None else min(y, above.y + height)
            written_x = 0 if beside is None else beside.x + width - x
            written_y = 0 if above is None else above.y + height - y
            places.append(_Place(taken, x, y, width, height, written_x, written_y))
        last = places[-1]
        self._map = np.zeros((classes, last.y + height, last.x + width), np.float32)
        across, down = first.scale
        self._covered: FrameShape = (
            round(self._map.shape[1] * step_y * down), round(self._map.shape[2] * step_x * across), plan.frame[2],
        )  # fmt: skip
        self._origin = np.array(
            (
                first.x + (left * step_x - first.left) * across,
                first.y + (top * step_y - first.top) * down,
            ) * 2, np.float32,
        )  # fmt: skip
        self._places, self._of = places, shape


def enlarging_problem(plan: Plan, piece: Piece) -> str:
    """Why maps cannot be read with this plan; "" where they can."""
    if piece.shown_width <= piece.width and piece.shown_height <= piece.height:
        return ""
    return (
        f"fit 'resize': frames of {plan.frame[1]} x {plan.frame[0]} px would be enlarged to {piece.shown_width} x "
        f"{piece.shown_height}, and maps finer than the frame cannot be measured in it; fit = 'pad' would do"
    )
