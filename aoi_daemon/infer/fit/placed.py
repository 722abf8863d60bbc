"""Rows of one piece become rows in pixels of the frame. Pure.

What a box reaches into the gray beside the frame, or beyond the piece where a neighbour sees on, is cut off. A row that
lies in the gray alone is none of the part's. Everything else is handed on: what counts, says the judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.executor import Detections
from aoi_daemon.infer.fit.geometry import Piece, Plan

_REACH: Final = 0.5
"""So far outside of what the model saw a box may reach, in shares of its side: what the judgement allows of a frame."""


class Placing:
    """Of one piece: its place, ready for arithmetic."""

    def __init__(self, plan: Plan, piece: Piece) -> None:
        """Take what is needed of the plan."""
        self._picture = np.array((plan.model[1], plan.model[0]) * 2, np.float32)
        across, down = piece.scale
        self._scale = np.array((across, down) * 2, np.float32)
        self._offset = np.array((piece.x - piece.left * across, piece.y - piece.top * down) * 2, np.float32)
        self._shown = np.array(
            (piece.left, piece.top, piece.left + piece.shown_width, piece.top + piece.shown_height), np.float32
        )
        self._is_scaled = piece.is_scaled
        self._low, self._high = _limits(plan, piece)

    def place(self, found: Detections, least_score: float) -> Detections:
        """The rows in pixels of the frame, copied.

        Args:
            found: as the decoder read them, boxes in px of the model's picture.
            least_score: rows below are handed on and not looked at.

        Raises:
            InferenceError: a box lies far outside of what the model saw. Of all else the judgement does: NaN stays NaN.
        """
        boxes, scores, classes = found
        counting = scores >= least_score
        placed = boxes * self._scale + self._offset
        if not counting.any():
            return Detections(placed, scores.copy(), classes.copy())
        self._check(boxes[counting])
        gray = self._is_gray(boxes)
        if self._is_scaled and (specks := _are_specks(boxes)).any():
            # Larger than a speck in the frame, it would be asked for its size; as a point it is what it was.
            centres = (placed[specks, :2] + placed[specks, 2:]) / 2
            placed[specks] = np.concatenate((centres, centres), axis=1)
        # One whose corners are swapped stays so, and the judgement refuses it.
        ordered = ((boxes[:, 2:] >= boxes[:, :2]).all(axis=1) & ~gray)[:, None]
        placed = np.where(ordered, np.clip(placed, self._low, self._high), placed)
        kept = ~gray
        return Detections(placed[kept].astype(np.float32), scores[kept], classes[kept])

    def _check(self, boxes: NDArray[np.float32]) -> None:
        far = (boxes < -_REACH * self._picture) | (boxes > (1 + _REACH) * self._picture)
        (wrong,) = far.any(axis=1).nonzero()
        if wrong.size:
            width, height = self._picture[:2]
            raise InferenceError(
                f"the model gave the box {boxes[wrong[0]].tolist()} on a picture of {width:g} x {height:g} px: it lies "
                "far outside; expected x1 y1 x2 y2 in px"
            )

    def _is_gray(self, boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether each box lies in the picture and beside what is the frame's in it.

        A speck does not: the judgement rejects for it wherever it is, and it may stand for all that a model left out.
        """
        ordered = (boxes[:, 2:] >= boxes[:, :2]).all(axis=1) & ~_are_specks(boxes)
        beside = (boxes[:, :2] >= self._shown[2:]).any(axis=1) | (boxes[:, 2:] <= self._shown[:2]).any(axis=1)
        # Outside of the picture there is no gray: a box there has left the frame, as one may.
        inside = ((boxes[:, :2] < self._picture[:2]) & (boxes[:, 2:] > 0)).all(axis=1)
        return np.asarray(ordered & beside & inside)


def _are_specks(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each box is below 1 px in both sides, in px of the picture."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(((sizes >= 0) & (sizes < 1)).all(axis=1))


def worst(pieces: Sequence[Detections]) -> Detections:
    """Task classify: for each class its greatest score in any piece; its box is that piece."""
    boxes, scores, classes = (np.concatenate([piece[column] for piece in pieces]) for column in range(3))
    order = np.lexsort((-scores, classes))
    first = np.ones(len(order), np.bool_)
    first[1:] = classes[order][1:] != classes[order][:-1]
    rows = order[first]
    return Detections(boxes[rows], scores[rows], classes[rows])


def _limits(plan: Plan, piece: Piece) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The lowest and the greatest x1, y1, x2, y2 of a box: where something is beside the piece, its border.

    At the frame's own border, where nothing is, a box may stick out, as it may where frames are not fitted.
    """
    height, width = plan.frame[:2]
    low, high = [], []
    for start, size, length, before, shown, picture in (
        (piece.x, piece.width, width, piece.left, piece.shown_width, plan.model[1]),
        (piece.y, piece.height, height, piece.top, piece.shown_height, plan.model[0]),
    ):
        is_first, is_last = start == 0 and before == 0, start + size == length and before + shown == picture
        low.append(-np.inf if is_first else float(start))
        high.append(np.inf if is_last else float(start + size))
    return np.array(low * 2, np.float32), np.array(high * 2, np.float32)


