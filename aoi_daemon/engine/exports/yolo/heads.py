"""Raw heads, a column or row for each candidate: YOLOv8 to 26, v5u, and YOLOv5 with its objectness. Pure.

They are the task yolo nearly as they are. Every class of every candidate goes on to the judgement; nothing is cut.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from aoi_daemon.config.tasks import ModelOutput
from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.described import Described, Tensor
from aoi_daemon.engine.exports.names import classes_of, good_of
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.told import NOTHING, Told
from aoi_daemon.errors import ModelError

PLACES = 4
"""Centre x and y, width and height."""


def adapt_heads(sewn: Sewn, described: Described, told: Told = NOTHING) -> Adapted:
    """The task yolo of [1, 4 + classes, n].

    Args:
        sewn: the file's graph behind the frame.
        described: what it is.
        told: classes in the model's order, and the good ones.

    Raises:
        ModelError: it has another number of classes than are named, or leaves open how many.
    """
    output = only_output(sewn, described)
    rows, candidates = output.shape[1:]
    count = count_of(sewn, output, rows, PLACES)
    return finished(sewn, described, told, sewn.output(output.name), (count, candidates))


def adapt_with_objectness(sewn: Sewn, described: Described, told: Told = NOTHING) -> Adapted:
    """The task yolo of YOLOv5's [1, n, 5 + classes]: a class scores its probability times that of any thing at all.

    Args:
        sewn: the file's graph behind the frame.
        described: what it is.
        told: classes in the model's order, and the good ones.

    Raises:
        ModelError: it has another number of classes than are named, or leaves open how many.
    """
    output = only_output(sewn, described)
    candidates, columns = output.shape[1:]
    count = count_of(sewn, output, columns, PLACES + 1)
    across = sewn.put("Transpose", sewn.output(output.name), perm=[0, 2, 1])
    sizes = sewn.constant(np.array([PLACES, 1, count], np.int64))
    places, thing, classes = sewn.put_several("Split", across, sizes, count=3, axis=1)
    heads = sewn.put("Concat", places, sewn.put("Mul", classes, thing), axis=1)
    return finished(sewn, described, told, heads, (count, candidates))


def finished(sewn: Sewn, described: Described, told: Told, heads: str, sizes: tuple[int | None, int | None]) -> Adapted:
    """The model whose output is the tensor `heads`, (1, 4 + classes, n); `sizes`: classes and n, None where open."""
    count, candidates = sizes
    names = classes_of(told.classes, described.classes, count, sewn.source)
    task = ModelOutput(task="yolo", classes=names, good_classes=good_of(names, told.good))
    model = sewn.finished({"heads": (heads, TensorProto.FLOAT, (1, PLACES + len(names), candidates))})
    return Adapted(model, task, described.stride_px)


def only_output(sewn: Sewn, described: Described) -> Tensor:
    """The first of the file's outputs, of three dimensions; what stands behind it (YOLOv5's levels) repeats it.

    Raises:
        ModelError: it has other dimensions.
    """
    output = described.outputs[0]
    if len(output.shape) != 3:
        raise ModelError(f"{sewn.source}: output {output.name} has {len(output.shape)} dimensions; expected 3")
    return output


def count_of(sewn: Sewn, output: Tensor, size: int | None, others: int) -> int:
    """How many classes lie in a dimension of `size`, of which `others` are none.

    Raises:
        ModelError: none, or it is left open.
    """
    if size is None or size <= others:
        sizes = ", ".join("any" if each is None else str(each) for each in output.shape)
        raise ModelError(
            f"{sewn.source}: output {output.name} is [{sizes}], which leaves no classes beside the {others} values of "
            "a place; export it for one size of pictures (Ultralytics: dynamic=False)"
        )
    return size - others
