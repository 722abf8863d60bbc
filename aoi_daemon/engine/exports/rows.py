"""Rows of a box, a score and a class, however many, become the 100 of the task top100. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from onnx import TensorProto

from aoi_daemon.config.tasks import ModelOutput
from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.described import Described
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.infer.executor import MAX_DETECTIONS

_ROWS: Final = np.array([MAX_DETECTIONS], np.int64)


def top100(
    sewn: Sewn, described: Described, found: tuple[str, str, str], *, rows: int | None, classes: tuple[str, ...]
) -> Adapted:
    """The task top100 of rows in any order.

    A number that is not finite, of whatever row, makes every score so, and the part is rejected: sorting would lose it.

    Args:
        sewn: the graph so far.
        described: what the file is.
        found: boxes float32 (rows, 4), x1 y1 x2 y2 in px of the frame; scores float32 (rows,); labels int64 (rows,),
            indices into `classes`.
        rows: None where their number varies from frame to frame.
        classes: of the model.
    """
    boxes, scores, labels = found
    nothing = sewn.constant(np.array(0.0, np.float32))
    for values in (boxes, scores):
        lost = sewn.put("Mul", sewn.put("ReduceSum", values, keepdims=0), nothing)
        scores = sewn.put("Add", scores, lost)
    if rows is None or rows < MAX_DETECTIONS:
        # As many as are missing at most; real rows come first where scores are equal.
        boxes = sewn.put("Concat", boxes, sewn.constant(np.zeros((MAX_DETECTIONS, 4), np.float32)), axis=0)
        scores = sewn.put("Concat", scores, sewn.constant(np.zeros(MAX_DETECTIONS, np.float32)), axis=0)
        labels = sewn.put("Concat", labels, sewn.constant(np.zeros(MAX_DETECTIONS, np.int64)), axis=0)
    best, places = sewn.put_several("TopK", scores, sewn.constant(_ROWS), count=2, axis=0, largest=1, sorted=1)
    one = sewn.constant(np.array([1, MAX_DETECTIONS], np.int64))
    four = sewn.constant(np.array([1, MAX_DETECTIONS, 4], np.int64))
    kept = sewn.put("Cast", sewn.put("Gather", labels, places, axis=0), to=TensorProto.INT32)
    outputs = {
        "boxes": (sewn.put("Reshape", sewn.put("Gather", boxes, places, axis=0), four), (1, MAX_DETECTIONS, 4)),
        "scores": (sewn.put("Reshape", best, one), (1, MAX_DETECTIONS)),
        "classes": (sewn.put("Reshape", kept, one), (1, MAX_DETECTIONS)),
    }
    model = sewn.finished(
        {
            name: (tensor, TensorProto.INT32 if name == "classes" else TensorProto.FLOAT, sizes)
            for name, (tensor, sizes) in outputs.items()
        }
    )
    return Adapted(model, ModelOutput(task="top100", classes=classes), described.stride_px)
