"""Boxes that overlap are one defect: greedy suppression, class by class.

Pure. It belongs to the judgement and not to the decoding of the outputs: a box
may only be taken for a duplicate of one that counts. Suppressed before sizes
and regions are looked at, a defect could vanish behind a higher-scored box
that is then left out itself, and its part would pass.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def suppress_overlaps(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int32], overlap: float
) -> NDArray[np.intp]:
    """The rows that stay, best score first; rows of equal score keep their order.

    A row is left out when a better row of its class that stays overlaps it by
    more than `overlap` (intersection over union, 0..1). A box whose corners are
    swapped has no area and overlaps nothing: it stays and leaves none out.
    Whether a model may give it is for the caller to say.

    Args:
        boxes: (n, 4) float32, x1 y1 x2 y2, finite, n at most some hundreds: n x n is held.
        scores: (n,) float32, finite.
        classes: (n,) int32.
        overlap: 0: boxes that share any area are one; 1: all stay.
    """
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order
    boxes, classes = boxes[order], classes[order]
    x1, y1, x2, y2 = boxes.T
    width = np.minimum(x2[:, None], x2) - np.maximum(x1[:, None], x1)
    height = np.minimum(y2[:, None], y2) - np.maximum(y1[:, None], y1)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    # What each shares with itself: x2 - x1 times y2 - y1 would be negative where corners are swapped, and what
    # is shared with any smaller box, 0, more than that.
    area = shared.diagonal().copy()
    # Multiplied out, not divided: two boxes without area have no ratio.
    same = shared > overlap * (area[:, None] + area - shared)
    same &= classes[:, None] == classes
    # One integer a row, bit i for row i: the greedy pass costs n operations on integers, not on arrays.
    rows = np.packbits(same, axis=1, bitorder="little")
    left_out = 0
    kept = []
    for i, row in enumerate(rows):
        if not left_out >> i & 1:
            kept.append(i)
            left_out |= int.from_bytes(row.tobytes(), "little")
    return order[kept]
