"""Segmentations: torchvision's, Keras' and others; logits or probabilities for each place become `maps`.

Process: offline. Pure.
"""

from __future__ import annotations

from typing import Final

from onnx import TensorProto

from aoi_daemon.config.tasks import ModelOutput
from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.described import Described
from aoi_daemon.engine.exports.names import classes_of, good_of
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.told import NOTHING, Told
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.exports import is_probability

_ONE_TRUE: Final = ("Softmax", "LogSoftmax")


def adapt_segment(sewn: Sewn, described: Described, told: Told = NOTHING) -> Adapted:
    """The task segment.

    Args:
        sewn: the file's graph behind the frame.
        described: its first output of four dimensions is [1, classes, h, w], or [1, h, w, classes] where its
            pictures are so; what else it has (torchvision's `aux`) is left out.
        told: classes in the model's order, `background` among them; the good ones, the activation.

    Raises:
        ModelError: classes are not named, or do not fit; or an activation would be put behind one.
    """
    output = next((tensor for tensor in described.outputs if len(tensor.shape) == 4), None)
    if output is None:
        raise ModelError(f"{sewn.source}: has no output of four dimensions; expected [1, classes, h, w]")
    is_last = described.layout == "NHWC"
    count = output.shape[3 if is_last else 1]
    if count is None:
        raise ModelError(f"{sewn.source}: output {output.name} leaves open how many classes it has; export it anew")
    maker = sewn.maker_of(output.name)
    if is_probability(maker) and told.activation not in (None, "none"):
        raise ModelError(f"{sewn.source}: its output comes out of a {maker} already; leave the activation at none")
    maps = sewn.output(output.name)
    if is_last:
        maps = sewn.put("Transpose", maps, perm=[0, 3, 1, 2])
    asked = told.activation or described.activation
    one_true = maker in _ONE_TRUE or (asked == "softmax" and not is_probability(maker))
    if count == 1 and one_true:
        # Of one class a softmax is always 1: every place would be a defect.
        raise ModelError(f"{sewn.source}: has one class; its activation is a sigmoid")
    if maker == "LogSoftmax":
        maps = sewn.put("Exp", maps)
    elif not is_probability(maker) and asked != "none":
        maps = sewn.put("Softmax", maps, axis=1) if one_true else sewn.put("Sigmoid", maps)
    names = classes_of(told.classes, described.classes, count, sewn.source)
    chosen = good_of(names, told.good)
    if one_true and not chosen:
        raise ModelError(
            f"{sewn.source}: one of its classes ({', '.join(names[:5])}) is true at each place, and none is known "
            "to be good; say with --good-classes which are no defect"
        )
    if len(chosen) == len(names):
        raise ModelError(f"{sewn.source}: all of its classes ({', '.join(names)}) are good ones; name a defect")
    task = ModelOutput(task="segment", classes=names, good_classes=chosen)
    height, width = (output.shape[1:3] if is_last else output.shape[2:]) if sewn.height_px else (None, None)
    model = sewn.finished({"maps": (maps, TensorProto.FLOAT, (1, count, height, width))})
    return Adapted(model, task, described.stride_px)
