"""Classifications: torchvision, timm, Keras and others; one vector of logits or probabilities becomes `scores`.

Process: offline. Pure.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from aoi_daemon.config.tasks import ModelOutput
from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.described import Described
from aoi_daemon.engine.exports.names import classes_of, good_of
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.told import NOTHING, Told
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.exports import is_probability


def adapt_classify(sewn: Sewn, described: Described, told: Told = NOTHING) -> Adapted:
    """The task classify.

    A model of one output is taken as one of two classes: its answer says how likely the second is. Where a person
    names one class alone, the other is called good.

    Args:
        sewn: the file's graph behind the frame.
        described: its first output is [1, classes], or [1, classes, 1, 1].
        told: classes in the model's order, the good ones, the activation.

    Raises:
        ModelError: classes or good ones are not named, or do not fit.
    """
    output = described.outputs[0]
    count = output.shape[1] if len(output.shape) > 1 else None
    if count is None:
        raise ModelError(f"{sewn.source}: output {output.name} has sizes {output.shape}; expected [1, classes]")
    asked = told.activation or described.activation
    maker = sewn.maker_of(output.name)
    if is_probability(maker) and told.activation not in (None, "none"):
        raise ModelError(f"{sewn.source}: its output comes out of a {maker} already; leave the activation at none")
    scores = sewn.output(output.name)
    if maker == "Sigmoid" and count > 1:
        # Each class by itself is read from logits alone: of probabilities one must be true.
        scores, asked = sewn.before(output.name), "sigmoid"
    elif maker == "LogSoftmax":
        asked = "softmax"  # of logarithms of probabilities, a softmax gives these probabilities
    elif is_probability(maker):
        asked = "none"
    scores = sewn.put("Reshape", scores, sewn.constant(np.array([1, count], np.int64)))
    if count == 1:
        scores = _of_two(sewn, scores, is_logit=asked != "none")
        asked, count = "none", 2
    names = told.classes or described.classes
    if output.shape[1] == 1 and len(names) == 1:
        names = ("good", *names)
    names = classes_of(names, (), count, sewn.source)
    chosen = good_of(names, told.good)
    if not chosen and asked != "sigmoid":
        raise ModelError(
            f"{sewn.source}: one of its classes ({', '.join(names[:5])}) is always true, and none is known to be good; "
            "say with --good-classes which are no defect"
        )
    task = ModelOutput(task="classify", classes=names, good_classes=chosen, activation=asked)
    model = sewn.finished({"scores": (scores, TensorProto.FLOAT, (1, count))})
    return Adapted(model, task, described.stride_px)


def _of_two(sewn: Sewn, score: str, *, is_logit: bool) -> str:
    """Probabilities of two classes, of the second's (1, 1)."""
    second = sewn.put("Sigmoid", score) if is_logit else score
    first = sewn.put("Sub", sewn.constant(np.ones((1, 1), np.float32)), second)
    return sewn.put("Concat", first, second, axis=1)
