"""Rows of a box, a score and a class, as many as a graph finds, become a fixed number of candidates. Pure.

They become the task yolo, as rows of a fixed number do (yolo/rows.py): of what was dropped a speck is left, that
rejects the part where it may count. Of how many rows an export drops the rest, nothing in the file says. So a hundred
rows, the least that any of these programs keeps, count as all that it has room for.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from onnx import TensorProto

from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.yolo.rows import between, heads_of

CANDIDATES: Final = 300
"""Rows that are kept, the highest scores first: as many as torchvision's detectors keep, unless told otherwise."""
_FULL: Final = 100
"""From so many rows on an export may have dropped some."""


def fixed(sewn: Sewn, boxes: str, scores: str, labels: str, count: int) -> str:
    """Heads (1, 4 + `count`, CANDIDATES + 1) of rows in any order.

    A number that is not finite, of whatever row, makes every score so, and the part is rejected: sorting would lose it.

    Args:
        sewn: the graph so far.
        boxes: float32 (rows, 4), x1 y1 x2 y2 in px of the frame.
        scores: float32 (rows,).
        labels: int64 (rows,), indices of classes.
        count: of classes.
    """
    nothing = sewn.constant(np.array(0.0, np.float32))
    for values in (boxes, scores):
        lost = sewn.put("Mul", sewn.put("ReduceSum", values, keepdims=0), nothing)
        scores = sewn.put("Add", scores, lost)
    one = sewn.constant(np.ones(1, np.float32))
    least = sewn.put("ReduceMin", sewn.put("Concat", scores, one, axis=0), keepdims=1)
    few = sewn.put("Less", sewn.put("Shape", scores), sewn.constant(np.array([_FULL], np.int64)))
    dropped = sewn.put("Where", few, sewn.constant(np.zeros(1, np.float32)), least)
    # As many as are missing at most; real rows come first where scores are equal.
    boxes = sewn.put("Concat", boxes, sewn.constant(np.zeros((CANDIDATES, 4), np.float32)), axis=0)
    scores = sewn.put("Concat", scores, sewn.constant(np.zeros(CANDIDATES, np.float32)), axis=0)
    labels = sewn.put("Concat", labels, sewn.constant(np.zeros(CANDIDATES, np.int64)), axis=0)
    rows = sewn.constant(np.array([CANDIDATES], np.int64))
    best, places = sewn.put_several("TopK", scores, rows, count=2, axis=0, largest=1, sorted=1)
    lowest = sewn.put("Slice", best, *(sewn.constant(np.array([at], np.int64)) for at in (CANDIDATES - 1, CANDIDATES)))
    line = sewn.constant(np.array([1, 1, -1], np.int64))
    kept = sewn.put("Cast", sewn.put("Gather", labels, places, axis=0), to=TensorProto.FLOAT)
    across = sewn.put("Transpose", sewn.put("Gather", boxes, places, axis=0), perm=[1, 0])
    across = sewn.put("Reshape", across, sewn.constant(np.array([1, 4, CANDIDATES], np.int64)))
    first, last = sewn.put_several("Split", across, sewn.constant(np.array([2, 2], np.int64)), count=2, axis=1)
    return heads_of(
        sewn,
        between(sewn, first, last),
        sewn.put("Reshape", best, line),
        sewn.put("Reshape", kept, line),
        count,
        lowest=sewn.put("Reshape", sewn.put("Max", lowest, dropped), line),
    )
