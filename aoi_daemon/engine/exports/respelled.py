"""Write what exporters write so that back ends and precisions do well by it; the numbers stay the same. Pure.

Process: offline. Needs the package `onnx`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from aoi_daemon.engine.exports.constants import constant_value
from aoi_daemon.engine.precision.graph import Model, Node

_OURS: Final = "respelled"
_DISTRIBUTED: Final = ("Softmax", "Transpose")
"""What stands before the sum that makes one distance of a distribution (YOLOv8 to 12)."""


def respelled(model: Model) -> Model:
    """A copy of `model` that computes the same.

    - A sum over channels that is written as a convolution becomes a product of matrices: as the last convolution of a
      path it would be the one that stays in float32, and the layers before it be quantised as if more came.
    - A leading Slice before a GatherElements becomes a Gather: OpenVINO (2026.4) takes such a Slice away, and then
      refuses the sizes.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    sizes = _sizes(made)
    makers = {name: node for node in made.graph.node for name in node.output}
    gathered = {node.input[0] for node in made.graph.node if node.op_type == "GatherElements"}
    nodes: list[Node] = []
    for node in made.graph.node:
        if node.op_type == "Conv" and _sums_channels(made.graph, node, makers):
            nodes += _as_product(made.graph, node, sizes)
        elif node.op_type == "Slice" and node.output[0] in gathered:
            nodes.append(_as_gather(made.graph, node, sizes))
        else:
            nodes.append(node)
    # Copies: clearing the list frees the messages that `nodes` may point at.
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del made.graph.node[:]
    made.graph.node.extend(copies)
    return made


def _sizes(model: Model) -> dict[str, list[int]]:
    """By tensor; 0 where a size is open."""
    graph = shape_inference.infer_shapes(model).graph
    return {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input, *graph.output)
    }


def _sums_channels(graph: Any, node: Node, makers: dict[str, Node]) -> bool:
    """Whether a convolution is a distribution's mean: 0, 1, 2 ... times its channels, in one."""
    before = makers.get(node.input[0])
    if before is None or before.op_type not in _DISTRIBUTED or len(node.input) != 2:
        return False
    weight = constant_value(graph, node.input[1])
    if weight is None or weight.ndim != 4 or weight.shape[0] != 1 or weight.shape[2:] != (1, 1):
        return False
    plain = all(set(a.ints) <= {0, 1} for a in node.attribute if a.name in ("strides", "pads", "dilations"))
    return plain and bool(np.array_equal(weight.reshape(-1), np.arange(weight.size)))


def _as_product(graph: Any, node: Node, sizes: dict[str, list[int]]) -> list[Node]:
    """The same of (1, channels, a, n): (1, 1, a, n)."""
    given = sizes.get(node.input[0], [])
    weight = constant_value(graph, node.input[1])
    if len(given) != 4 or given[2] < 1 or weight is None:
        return [node]
    name = f"{node.name or node.output[0]}/{_OURS}"
    constants = {
        "flat": np.array([1, weight.size, -1], np.int64),
        "by": weight.reshape(1, 1, -1),
        "back": np.array([1, 1, given[2], -1], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(values, f"{name}/{key}") for key, values in constants.items())
    return [
        helper.make_node("Reshape", [node.input[0], f"{name}/flat"], [f"{name}/in"], f"{name}/reshape"),
        helper.make_node("MatMul", [f"{name}/by", f"{name}/in"], [f"{name}/out"], f"{name}/matmul"),
        helper.make_node("Reshape", [f"{name}/out", f"{name}/back"], [node.output[0]], f"{name}/reshape_back"),
    ]


def _as_gather(graph: Any, node: Node, sizes: dict[str, list[int]]) -> Node:
    """The same of one axis, from its first place on; else the node as it is."""
    starts, ends, axes, steps = (
        constant_value(graph, node.input[place]) if len(node.input) > place else None for place in range(1, 5)
    )
    if starts is None or ends is None or axes is None or [starts.size, ends.size, axes.size] != [1, 1, 1]:
        return node
    axis, last, made = int(axes.item()), int(ends.item()), sizes.get(node.output[0], [])
    leads = starts.item() == 0 and (steps is None or steps.item() == 1)
    if not leads or not -len(made) <= axis < len(made) or made[axis] != last:
        return node
    name = f"{node.name or node.output[0]}/{_OURS}"
    graph.initializer.append(numpy_helper.from_array(np.arange(last, dtype=np.int64), f"{name}/places"))
    return helper.make_node("Gather", [node.input[0], f"{name}/places"], [node.output[0]], name, axis=axis)
