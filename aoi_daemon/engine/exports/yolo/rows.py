"""Rows of a box, a score and one class: end to end (v10, 26), or with overlaps suppressed by the graph (nms). Pure.

They become the task yolo, a candidate for each row, and none is cut: the task top100 would drop what the limits,
regions and counts of a recipe have not seen. The export itself has dropped what did not fit into its number of rows,
though. So one more candidate is put behind them: a speck in the middle of the boxes, that scores in every class what
the lowest row does. It counts only where all rows do, and then the judgement rejects the part for it, whatever the
recipe says of sizes, places and counts: what was dropped may count, too. Decision 53.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from onnx import TensorProto

from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.described import Described
from aoi_daemon.engine.exports.names import classes_of
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.told import NOTHING, Told
from aoi_daemon.engine.exports.yolo.heads import finished, only_output
from aoi_daemon.errors import ModelError

_COLUMNS: Final = 6
BEYOND: Final = 1e6
"""A score of a class that the model does not have becomes so many times as high: no probability, and refused."""


def adapt_rows(sewn: Sewn, described: Described, told: Told = NOTHING) -> Adapted:
    """The task yolo of [1, n, 6]: x1 y1 x2 y2 in px, score, class.

    Args:
        sewn: the file's graph behind the frame.
        described: what it is.
        told: classes in the model's order, and the good ones.

    Raises:
        ModelError: classes are not named, or the output is another.
    """
    output = only_output(sewn, described)
    rows, columns = output.shape[1:]
    if rows is None or columns != _COLUMNS:
        raise ModelError(
            f"{sewn.source}: output {output.name} has {rows or 'any number of'} rows of {columns}; expected a fixed "
            f"number of {_COLUMNS}: where it is open, nobody could tell whether some were dropped. Export it by "
            "Ultralytics 8.3 or later"
        )
    count = len(classes_of(told.classes, described.classes, None, sewn.source))
    across = sewn.put("Transpose", sewn.output(output.name), perm=[0, 2, 1])
    sizes = sewn.constant(np.array([2, 2, 1, 1], np.int64))
    first, last, score, label = sewn.put_several("Split", across, sizes, count=4, axis=1)
    heads = heads_of(sewn, between(sewn, first, last), score, label, count)
    return finished(sewn, described, told, heads, (count, rows + 1))


def between(sewn: Sewn, first: str, last: str) -> tuple[str, str]:
    """Centre x and y, and width and height, of boxes by their first and last corners: all float32 (1, 2, n)."""
    half = sewn.constant(np.array(0.5, np.float32))
    return sewn.put("Mul", sewn.put("Add", first, last), half), sewn.put("Sub", last, first)


def heads_of(
    sewn: Sewn, places: tuple[str, str], score: str, label: str, count: int, *, lowest: str | None = None
) -> str:
    """Heads (1, 4 + `count`, n + 1) of n rows of one class each, and of what may have been dropped below them.

    Args:
        sewn: the graph so far.
        places: centre x and y, and width and height in px, (1, 2, n) each.
        score: (1, 1, n).
        label: float32 (1, 1, n), whole numbers; where a score is above 0, of a class there is.
        count: of classes.
        lowest: (1, 1, 1), what scores below which may have been dropped; None: the lowest of the rows.
    """
    centre, size = places
    scores = scores_of(sewn, score, label, count)
    middle = sewn.along("ReduceMean", centre, 2)
    lowest = sewn.along("ReduceMin", score, 2) if lowest is None else lowest
    every = sewn.put("Mul", lowest, sewn.constant(np.ones((1, count, 1), np.float32)))
    dropped = sewn.put("Concat", middle, sewn.constant(np.zeros((1, 2, 1), np.float32)), every, axis=1)
    return sewn.put("Concat", sewn.put("Concat", centre, size, scores, axis=1), dropped, axis=2)


def scores_of(sewn: Sewn, score: str, label: str, count: int) -> str:
    """A score for each class, (1, `count`, n): that of its own, and 0 for the others.

    A row of a class that is none would be lost; its score is brought beyond 1 instead, which every reader refuses.
    """
    numbers = sewn.constant(np.arange(count, dtype=np.float32).reshape(1, count, 1))
    own = sewn.put("Cast", sewn.put("Equal", label, numbers), to=TensorProto.FLOAT)
    one, beyond = (sewn.constant(np.array(value, np.float32)) for value in (1.0, BEYOND))
    none = sewn.put("Sub", one, sewn.along("ReduceSum", own, 1))
    lost = sewn.put("Mul", sewn.put("Mul", none, beyond), score)
    return sewn.put("Add", sewn.put("Mul", own, score), lost)
