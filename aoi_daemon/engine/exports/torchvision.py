"""torchvision's detectors: Faster R-CNN, RetinaNet, SSD, FCOS; as many rows as they find become the task yolo.

Process: offline. Pure.

Their graph resizes, normalises and suppresses overlaps itself. In those with a softmax class 0 is the background and
no row has it, so that labels begin at 1; in those with a sigmoid (RetinaNet, FCOS) it is up to whoever trained them.
What scores below the thresholds that they were built with (0.001 to 0.05, 0.2 of FCOS) is in no row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from onnx import TensorProto

from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.described import Described, Tensor
from aoi_daemon.engine.exports.names import classes_of
from aoi_daemon.engine.exports.rows import CANDIDATES, fixed
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.told import NOTHING, Told
from aoi_daemon.engine.exports.yolo.heads import finished
from aoi_daemon.errors import ModelError

_BACKGROUND: Final = ("background", "__background__")


def adapt_torchvision(sewn: Sewn, described: Described, told: Told = NOTHING) -> Adapted:
    """The task yolo.

    Args:
        sewn: the file's graph behind the frame.
        described: its outputs are boxes float32 [n, 4], scores float32 [n] and labels int64 [n], in any order.
        told: classes are the defects in the order of their labels, a `background` at first is taken off; where it has
            no softmax, a `first_label` too.

    Raises:
        ModelError: an output is missing, classes are not named, or nobody says which label is the first.
    """
    boxes, scores, labels = _outputs(sewn, described)
    names, first_label = classes_of(told.classes, described.classes, None, sewn.source), told.first_label
    if names[0].lower() in _BACKGROUND and len(names) > 1:
        names = names[1:]
        first_label = 1 if first_label is None else first_label
    if first_label is None:
        if not sewn.tells_classes_apart():
            raise ModelError(
                f"{sewn.source}: nothing in it says whether its labels begin at 0 or, behind a background, at 1 "
                "(RetinaNet, FCOS); say it with --first-label, or name background as the first class"
            )
        first_label = 1
    if first_label not in (0, 1):
        raise ModelError(f"{sewn.source}: --first-label is 0 or 1, not {first_label}")
    shift = sewn.constant(np.array(first_label, np.int64))
    whole = sewn.put("Cast", sewn.output(labels.name), to=TensorProto.INT64)
    heads = fixed(sewn, sewn.output(boxes.name), sewn.output(scores.name), sewn.put("Sub", whole, shift), len(names))
    return finished(sewn, described, replace(told, classes=names), heads, (len(names), CANDIDATES + 1))


def _outputs(sewn: Sewn, described: Described) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, scores and labels: exporters name them as they like, and order them by the alphabet or not."""
    boxes = [tensor for tensor in described.outputs if len(tensor.shape) == 2 and tensor.shape[1] == 4]
    scores = [tensor for tensor in described.outputs if len(tensor.shape) == 1 and tensor.dtype == "float32"]
    labels = [tensor for tensor in described.outputs if len(tensor.shape) == 1 and tensor.dtype.startswith("int")]
    if not (len(boxes) == len(scores) == len(labels) == 1):
        there = ", ".join(f"{tensor.name} {tensor.dtype} {list(tensor.shape)}" for tensor in described.outputs)
        raise ModelError(f"{sewn.source}: outputs are {there}; expected boxes [n, 4], scores [n] and labels [n]")
    return boxes[0], scores[0], labels[0]
