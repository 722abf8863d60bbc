"""Oriented boxes (obb): the upright box around each becomes a candidate of the task yolo. Pure.

The angle goes no further: no limit, region or record asks for one. Decision 54.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.described import Described, Tensor
from aoi_daemon.engine.exports.names import classes_of
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.told import NOTHING, Told
from aoi_daemon.engine.exports.yolo.heads import PLACES, count_of, finished, only_output
from aoi_daemon.engine.exports.yolo.rows import BEYOND, heads_of

_COLUMNS: Final = 7
"""Of rows: centre x and y, width and height, score, class, angle."""


def adapt_turned(sewn: Sewn, described: Described, told: Told = NOTHING) -> Adapted:
    """The task yolo of [1, 4 + classes + 1, n], angles in the last row; or of rows [1, n, 7], angles last, too.

    Angles are in radians, boxes centre x and y, width and height in px.

    Args:
        sewn: the file's graph behind the frame.
        described: what it is.
        told: classes in the model's order, and the good ones.

    Raises:
        ModelError: it has another number of classes than are named, or leaves open how many.
    """
    output = only_output(sewn, described)
    if output.shape[2] == _COLUMNS and output.shape[1] is not None:
        return _of_rows(sewn, described, told, output)
    rows, candidates = output.shape[1:]
    count = count_of(sewn, output, rows, PLACES + 1)
    sizes = sewn.constant(np.array([2, 2, count, 1], np.int64))
    centre, size, scores, angle = sewn.put_several("Split", sewn.output(output.name), sizes, count=4, axis=1)
    heads = sewn.put("Concat", centre, _upright(sewn, size, angle), scores, axis=1)
    return finished(sewn, described, told, heads, (count, candidates))


def _of_rows(sewn: Sewn, described: Described, told: Told, output: Tensor) -> Adapted:
    count = len(classes_of(told.classes, described.classes, None, sewn.source))
    across = sewn.put("Transpose", sewn.output(output.name), perm=[0, 2, 1])
    sizes = sewn.constant(np.array([2, 2, 1, 1, 1], np.int64))
    centre, size, score, label, angle = sewn.put_several("Split", across, sizes, count=5, axis=1)
    heads = heads_of(sewn, (centre, _upright(sewn, size, angle)), score, label, count)
    return finished(sewn, described, told, heads, (count, output.shape[1] + 1 if output.shape[1] else None))


def _upright(sewn: Sewn, size: str, angle: str) -> str:
    """Width and height (1, 2, n) of the upright boxes around those of `size`, turned by `angle` (1, 1, n).

    A side below 0 becomes far below 0, as boxes are refused whose corners are swapped: turned, it might look sound.
    """
    cosine, sine = (sewn.put("Abs", sewn.put(kind, angle)) for kind in ("Cos", "Sin"))
    order = sewn.constant(np.array([1, 0], np.int64))
    swapped = sewn.put("Gather", size, order, axis=1)
    upright = sewn.put("Add", sewn.put("Mul", size, cosine), sewn.put("Mul", swapped, sine))
    zero, beyond = (sewn.constant(np.array(value, np.float32)) for value in (0, BEYOND))
    below = sewn.put("Min", sewn.along("ReduceMin", size, 1), zero)
    return sewn.put("Add", upright, sewn.put("Mul", below, beyond))
