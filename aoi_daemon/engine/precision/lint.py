"""Hold a quantised model against the rules by which TensorRT builds it, 8.6 to 11 and RTX alike.

Process: offline. Needs the package `onnx`. The rules are TensorRT's for explicit Q/DQ: signed 8-bit,
zero points 0, weights by channel with their own Q and DQ, bias in float, FP32 scales, opset 17 at most,
both inputs of a residual Add quantised; and ours: first and last convolutions stay in float.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np

from aoi_daemon.engine.precision.graph import Graph, Model, Node, opset
from aoi_daemon.engine.precision.prepare import MAX_OPSET

_PAIR: Final = ("QuantizeLinear", "DequantizeLinear")


def lint_quantised(model: Model, kept_float: Collection[str] = ()) -> list[str]:
    """What of an INT8 model breaks a rule, one line each, naming the node; empty: nothing does.

    `kept_float`: names of the layers that are in float on purpose; of a residual Add of them no input is quantised.
    """
    graph = Graph(model)
    found = []
    if opset(model) > MAX_OPSET:
        found.append(f"model: opset {opset(model)}; at most {MAX_OPSET}")
    if not any(node.op_type == _PAIR[0] for node in graph.nodes):
        found.append("model: has no QuantizeLinear, nothing is quantised")
    for node in graph.nodes:
        if node.op_type in _PAIR:
            found += [f"{node.op_type} {node.name}: {what}" for what in _pair_problems(graph, node)]
    for node in graph.convolutions:
        if node.name in kept_float and _dequantised(graph, node.input[1]):
            found.append(f"{node.op_type} {node.name}: is to stay in float, and is quantised")
        found += [f"{node.op_type} {node.name}: {what}" for what in _convolution_problems(graph, node)]
    for node in graph.residual_adds():
        quantised = [_dequantised(graph, name) for name in graph.activations(node)]
        if node.name in kept_float:
            if any(quantised):
                found.append(f"Add {node.name}: is to stay in float, and an input is quantised; both or none")
        elif not all(quantised):
            bare = [name for name, q in zip(graph.activations(node), quantised, strict=True) if not q]
            found.append(f"Add {node.name}: input {', '.join(bare)} is not quantised; both inputs must be")
    return found


def _pair_problems(graph: Graph, node: Node) -> list[str]:
    problems = []
    scale = graph.constant(node.input[1])
    zero = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if scale is None:
        problems.append("its scale is not a constant")
    elif scale.dtype != np.float32:
        problems.append(f"its scale is {scale.dtype}; must be float32")
    elif not (np.isfinite(scale).all() and (scale > 0).all()):
        problems.append(f"its scale is {scale.min():g}; must be above 0")
    # ONNX: without a zero point the type is uint8.
    if zero is None:
        problems.append("has no zero point, and so is uint8; must be int8")
    elif zero.dtype != np.int8:
        problems.append(f"is {zero.dtype}; must be int8")
    elif zero.any():
        problems.append(f"has zero point {int(zero[zero != 0].flat[0])}; must be 0")
    if node.op_type == _PAIR[1] and graph.constant(node.input[0]) is not None:
        problems.append("has no QuantizeLinear before it; TensorRT 8 wants float weights with Q and DQ")
    return problems


def _convolution_problems(graph: Graph, node: Node) -> list[str]:
    data, weight = (_dequantised(graph, name) for name in node.input[:2])
    problems = []
    if len(node.input) > 2 and node.input[2] and _dequantised(graph, node.input[2]):
        problems.append(f"its bias {node.input[2]} is quantised; must be float")
    if node.name in {other.name for other in graph.first} and (data or weight):
        problems.append("is a first convolution (the stem) and quantised; must be float")
    elif node.name in {other.name for other in graph.last} and (data or weight):
        problems.append("is a last convolution (the head) and quantised; must be float")
    elif data != weight:
        problems.append(f"only its {'data' if data else 'weight'} is quantised; both or none")
    elif weight:
        scale = graph.constant(graph.makers[node.input[1]].input[1])
        outputs = _output_channels(graph, node)
        if scale is not None and outputs is not None and scale.size != outputs:
            problems.append(f"its weight has {scale.size} scales for {outputs} channels; must be one a channel")
    return problems


def _dequantised(graph: Graph, name: str) -> bool:
    maker = graph.makers.get(name)
    return maker is not None and maker.op_type == _PAIR[1]


def _output_channels(graph: Graph, node: Node) -> int | None:
    """How many filters the weight behind Q and DQ has."""
    name: str = node.input[1]
    while name in graph.makers and graph.makers[name].op_type in _PAIR:
        name = graph.makers[name].input[0]
    weight = graph.constant(name)
    return None if weight is None else int(weight.shape[0])
