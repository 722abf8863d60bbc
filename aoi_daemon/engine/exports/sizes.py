"""Fix what an exported graph leaves open of its sizes: one frame at a time, and the frame's size where it is told.

Process: offline. Needs the package `onnx`. Pure.

A dimension that varies has a name in ONNX, and the same name wherever it is the same: fixed at the input, it is fixed
everywhere. What was inferred inside is thrown away and inferred anew, for it may contradict what is fixed now.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import shape_inference

from aoi_daemon.engine.exports.described import Layout
from aoi_daemon.engine.precision.graph import Model


def batch_of(model: Model, picture: str) -> int | None:
    """How many pictures the file takes at once: 1 where it has no batch, None where that varies."""
    dims = _input(model, picture).type.tensor_type.shape.dim
    if len(dims) < 4:
        return 1
    return int(dims[0].dim_value) if dims[0].HasField("dim_value") else None


def fix_sizes(model: Model, picture: str, layout: Layout, frame: tuple[int, int] | None = None) -> Model:
    """A copy of `model` that takes one picture at a time where it leaves open how many, of `frame` where it is told.

    Args:
        model: its input `picture` has four dimensions, or three: one picture, without a batch.
        picture: name of the input.
        layout: of the picture.
        frame: height and width in px; None: what varies may go on varying.

    Raises:
        ValueError: the file takes another size alone, or its inside contradicts the size; says what to do.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    dims = _input(made, picture).type.tensor_type.shape.dim
    rows = (1 if layout == "NHWC" else 2) - (4 - len(dims))
    fixed = {}
    if len(dims) == 4 and not dims[0].HasField("dim_value"):
        fixed[0] = 1
    told = "" if frame is None else f" of {frame[1]} x {frame[0]} px"
    for place, size in () if frame is None else ((rows, frame[0]), (rows + 1, frame[1])):
        if not dims[place].HasField("dim_value"):
            fixed[place] = size
        elif dims[place].dim_value != size:
            takes = " x ".join(str(dims[at].dim_value or "any") for at in (rows + 1, rows))
            raise ValueError(f"takes pictures of {takes} px alone, none{told}; export it for that size")
    if not fixed:
        return made
    named = {dims[place].dim_param: size for place, size in fixed.items() if dims[place].dim_param}
    for place, size in fixed.items():
        dims[place].dim_value = size
    for value in (*made.graph.input, *made.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in named:
                dim.dim_value = named[dim.dim_param]
    for graph in _graphs(made.graph):
        del graph.value_info[:]
    try:
        return shape_inference.infer_shapes(made, check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:  # ONNX's errors have no common base
        raise ValueError(
            f"its graph does not take one picture{told} ({' '.join(str(error).split())[:200]}); export it for one "
            "picture of that size"
        ) from error


def _input(model: Model, name: str) -> Any:
    return next(value for value in model.graph.input if value.name == name)


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)
