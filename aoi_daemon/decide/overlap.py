"""Boxes that overlap are one defect: greedy suppression, class by class.

Pure. It belongs to the judgement and not to the decoding of the outputs: a box
may only be taken for a duplicate of one that counts. Suppressed before sizes
and regions are looked at, a defect could vanish behind a higher-scored box
that is then left out itself, and its part would pass.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_BLOCK: Final = 64
"""Rows that are compared with each other at once; what they leave out is compared with nothing any more."""
_PIECE: Final = 1024
"""Of the other rows, so many at once."""


def suppress_overlaps(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int32], overlap: float
) -> NDArray[np.intp]:
    """The rows that stay, best score first; rows of equal score keep their order.

    A row is left out when a better row of its class that stays overlaps it by
    more than `overlap` (intersection over union, 0..1). A box whose corners are
    swapped has no area and overlaps nothing: it stays and leaves none out.
    Whether a model may give it is for the caller to say.

    Time: by the rows times those that stay. Memory: some arrays of 64 times 1024.

    Args:
        boxes: (n, 4) float32, x1 y1 x2 y2, finite.
        scores: (n,) float32, finite.
        classes: (n,) int32.
        overlap: 0: boxes that share any area are one; 1: all stay.
    """
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order
    boxes, classes = boxes[order], classes[order]
    rest = np.arange(len(order))
    areas = _areas(boxes)
    kept = []
    while rest.size:
        block, rest = rest[:_BLOCK], rest[_BLOCK:]
        block = block[_stays(_same(boxes, areas, classes, block, block, overlap=overlap))]
        kept.append(block)
        if rest.size:
            # Piece by piece: what does not fit the processor's cache takes twice the time.
            pieces = [rest[start : start + _PIECE] for start in range(0, rest.size, _PIECE)]
            left_out = [_same(boxes, areas, classes, block, piece, overlap=overlap).any(axis=0) for piece in pieces]
            rest = rest[~np.concatenate(left_out)]
    return order[np.concatenate(kept)]


def _stays(same: NDArray[np.bool_]) -> list[int]:
    """Of rows, best first, those that no better one leaves out; `same` (n, n): whether two are one."""
    # One integer a row, bit i for row i: the greedy pass costs n operations on integers, not on arrays.
    left_out = 0
    stays = []
    for i, row in enumerate(np.packbits(same, axis=1, bitorder="little")):
        if not left_out >> i & 1:
            stays.append(i)
            left_out |= int.from_bytes(row.tobytes(), "little")
    return stays


def _same(
    boxes: NDArray[np.float32],
    areas: NDArray[np.float32],
    classes: NDArray[np.int32],
    these: NDArray[np.intp],
    those: NDArray[np.intp],
    *,
    overlap: float,
) -> NDArray[np.bool_]:
    """(these, those): whether two rows are of one class and overlap by more than `overlap`."""
    x1, y1, x2, y2 = boxes[these].T[:, :, None]
    left, top, right, bottom = boxes[those].T
    width = np.minimum(x2, right) - np.maximum(x1, left)
    height = np.minimum(y2, bottom) - np.maximum(y1, top)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    # Multiplied out, not divided: two boxes without area have no ratio.
    same: NDArray[np.bool_] = shared > overlap * (areas[these][:, None] + areas[those] - shared)
    same &= classes[these][:, None] == classes[those]
    return same


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    # What each shares with itself: x2 - x1 times y2 - y1 would be negative where corners are swapped, and what
    # is shared with any smaller box, 0, more than that.
    sides: NDArray[np.float32] = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]
