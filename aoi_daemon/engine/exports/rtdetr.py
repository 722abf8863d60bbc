"""RT-DETR and its kin, by the layouts in which Ultralytics, transformers and the authors' own code export them.

Process: offline. Pure.

Boxes come as shares of the frame. All layouts become the task yolo: no row is cut off before limits, regions and counts
have seen it, and a number that is not finite is refused. Where each query has a score for each class, each counts by
itself; where the file has chosen rows of one class, they are read as those of YOLO are (yolo/rows.py).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from onnx import TensorProto

from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.described import Described, Tensor, logits_and_boxes
from aoi_daemon.engine.exports.names import classes_of
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.told import NOTHING, Told
from aoi_daemon.engine.exports.yolo.heads import finished
from aoi_daemon.engine.exports.yolo.rows import between, heads_of
from aoi_daemon.errors import ModelError

_SIZES: Final = "orig_target_sizes"
"""The second input of exports that bring boxes to px themselves: width and height of the picture."""


def adapt_rtdetr(sewn: Sewn, described: Described, told: Told = NOTHING) -> Adapted:
    """The task yolo.

    Args:
        sewn: the file's graph behind the frame.
        described: its outputs are [1, n, 4 + classes] or [1, n, 6] (Ultralytics), logits and pred_boxes
            (transformers), or labels, boxes and scores (the authors' code, with a second input orig_target_sizes).
        told: classes in the model's order; the good ones; what logits need, else a sigmoid where the attention is
            deformable.

    Raises:
        ModelError: the outputs are others, or classes do not fit.
    """
    named = {tensor.name: tensor for tensor in described.outputs}
    pair = logits_and_boxes(described.outputs)
    if pair is not None:
        return _logits(sewn, described, pair, told)
    if {"labels", "boxes", "scores"} <= set(named):
        return _chosen(sewn, described, named["scores"].shape[-1], told)
    output = described.outputs[0]
    if len(described.outputs) == 1 and len(output.shape) == 3 and (output.shape[2] or 0) > 4:
        return _ultralytics(sewn, described, output, told)
    there = ", ".join(f"{tensor.name} {list(tensor.shape)}" for tensor in described.outputs)
    raise ModelError(
        f"{sewn.source}: outputs are {there}; expected [1, queries, 4 + classes], logits and pred_boxes, or labels, "
        "boxes and scores; export it by Ultralytics, transformers or the authors' export_onnx.py"
    )


def _logits(sewn: Sewn, described: Described, pair: tuple[Tensor, Tensor], told: Told) -> Adapted:
    logits, boxes = pair
    asked = told.activation or described.activation
    if asked == "none" and told.activation is None:
        if not sewn.has("GridSample"):
            raise ModelError(
                f"{sewn.source}: nothing in it says whether its logits need a sigmoid (RT-DETR, Deformable DETR) or a "
                "softmax with a last class for nothing (DETR, YOLOS); say it with --activation"
            )
        asked = "sigmoid"
    count = logits.shape[2]
    if count is None:
        raise ModelError(f"{sewn.source}: output logits leaves open how many classes it has; export it anew")
    scores = sewn.output(logits.name)
    if asked == "softmax":
        count -= 1  # the last class is `nothing here`
        ends = [sewn.constant(np.array([value], np.int64)) for value in (0, count, 2)]
        scores = sewn.put("Slice", sewn.put("Softmax", scores, axis=2), *ends)
    elif asked == "sigmoid":
        scores = sewn.put("Sigmoid", scores)
    return _heads(sewn, described, (sewn.output(boxes.name), scores), count, told)


def _ultralytics(sewn: Sewn, described: Described, output: Tensor, told: Told) -> Adapted:
    """[1, n, 4 + classes], or since 8.4 [1, n, 6]: score and class of each row. Of two classes both are six wide."""
    rows, width = sewn.output(output.name), output.shape[2] or 0
    if width == 6 and (len(told.classes or described.classes) != 2 or sewn.joins_numbers(output.name)):
        parts = sewn.constant(np.array([4, 1, 1], np.int64))
        boxes, scores, labels = sewn.put_several("Split", rows, parts, count=3, axis=2)
        centre, size = _halves(sewn, sewn.put("Mul", boxes, sewn.frame_px()))
        return _rows(sewn, described, ((centre, size), scores, labels), output.shape[1], told)
    parts = sewn.constant(np.array([4, width - 4], np.int64))
    boxes, scores = sewn.put_several("Split", rows, parts, count=2, axis=2)
    return _heads(sewn, described, (boxes, scores), width - 4, told)


def _chosen(sewn: Sewn, described: Described, rows: int | None, told: Told) -> Adapted:
    """Labels, boxes and scores of rows. Told that the picture is 1 px wide and high, the file gives shares."""
    boxes = sewn.output("boxes")
    if _SIZES in sewn.others:
        sewn.bind(_SIZES, np.ones((1, 2), np.int64))
        boxes = sewn.put("Mul", boxes, sewn.frame_px())
    places = between(sewn, *_halves(sewn, boxes))
    return _rows(sewn, described, (places, sewn.output("scores"), sewn.output("labels")), rows, told)


def _heads(sewn: Sewn, described: Described, parts: tuple[str, str], count: int, told: Told) -> Adapted:
    """Task yolo of boxes (1, n, 4), shares of centre and size, and scores (1, n, `count`)."""
    boxes = sewn.put("Mul", parts[0], sewn.frame_px())
    heads = sewn.put("Transpose", sewn.put("Concat", boxes, parts[1], axis=2), perm=[0, 2, 1])
    return finished(sewn, described, told, heads, (count, described.outputs[0].shape[1]))


def _rows(
    sewn: Sewn, described: Described, found: tuple[tuple[str, str], str, str], rows: int | None, told: Told
) -> Adapted:
    """Task yolo of rows of one class each: centres and sizes (1, 2, n) in px, scores and labels of n numbers."""
    places, scores, labels = found
    count = len(classes_of(told.classes, described.classes, None, sewn.source))
    line = sewn.constant(np.array([1, 1, -1], np.int64))
    labels = sewn.put("Cast", sewn.put("Reshape", labels, line), to=TensorProto.FLOAT)
    heads = heads_of(sewn, places, sewn.put("Reshape", scores, line), labels, count)
    return finished(sewn, described, told, heads, (count, None if rows is None else rows + 1))


def _halves(sewn: Sewn, boxes: str) -> list[str]:
    """The first two and the last two values of boxes (1, n, 4), as (1, 2, n) each."""
    across = sewn.put("Transpose", boxes, perm=[0, 2, 1])
    return sewn.put_several("Split", across, sewn.constant(np.array([2, 2], np.int64)), count=2, axis=1)
