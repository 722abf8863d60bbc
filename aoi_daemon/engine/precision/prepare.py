"""From one exported FP32 ONNX to the model that a bundle ships, and its half-precision sibling.

Process: offline. Needs the package `onnx`.

The half-precision conversion is our own: onnxconverter-common 1.16, told to leave the tail alone and to
keep input and output types, still turns the outputs into float16, which has no odd pixel above 2048.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

from aoi_daemon.engine.precision.graph import Graph, Model, Node, load_model, name_nodes, opset
from aoi_daemon.errors import ModelError

MAX_OPSET: Final = 17
"""The last that TensorRT 8.6 reads."""
NEWEST_OPSET: Final = 22
"""Of what another program exports, where it cannot be brought to MAX_OPSET."""
MIN_OPSET: Final = 13
"""The first whose QuantizeLinear knows an axis, and with that weights by channel."""
IR_VERSION: Final = 8
"""What goes with opset 17; a higher one is refused by older runtimes for no reason."""
HALF_MAX: Final = 65504.0

_FLOAT_OPERANDS: Final = {"Resize": (1, 2)}
"""Inputs that stay float32 whatever the data is: ONNX's Resize takes no other roi and scales."""


def prepare_fp32(file: Path) -> Model:
    """Read an exported model, check it, and bring it into the form that the other steps build on.

    Constants become initializers, each node has a name, types and shapes are inferred, nothing is
    left that no output needs. What it computes is not changed.

    Raises:
        ModelError: the file is missing, damaged, of an opset outside MIN_OPSET..MAX_OPSET, or has
            operators outside ONNX's own.
    """
    return prepare_model(load_model(file), str(file))


def prepare_model(model: Model, file: str, *, newest: int = MAX_OPSET) -> Model:
    """As `prepare_fp32`, of a model that is read already, in place; `file` is what errors call it.

    Args:
        model: of opset MIN_OPSET to `newest`.
        file: see above.
        newest: above MAX_OPSET neither TensorRT 8.6 nor INT8 takes it.

    Raises:
        ModelError: as `prepare_fp32`.
    """
    version = opset(model)
    if not MIN_OPSET <= version <= newest:
        raise ModelError(f"{file}: opset {version}; export it with {MAX_OPSET} (allowed {MIN_OPSET} to {MAX_OPSET})")
    foreign = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    if foreign:
        raise ModelError(f"{file}: has operators of {', '.join(foreign)}; only ONNX's own run everywhere")
    kinds = {item.data_type for item in model.graph.initializer}
    if kinds & {TensorProto.FLOAT16, TensorProto.INT8, TensorProto.BFLOAT16}:
        raise ModelError(f"{file}: is not in FP32; export it before any conversion, the bundle makes its own")
    _constants_to_initializers(model)
    _drop_unused(model)
    name_nodes(model)
    model.ir_version = min(model.ir_version, IR_VERSION)
    del model.graph.value_info[:]
    return _checked(model, file)


def convert_fp16(model: Model) -> Model:
    """Convert the core of a prepared model to half precision; stem, tail, inputs and outputs keep theirs.

    Raises:
        ModelError: there is no convolution to convert, or a weight is beyond half precision.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    graph = Graph(half)
    if not graph.convolutions:
        raise ModelError("has no convolution: there is nothing to compute in half precision")
    floats = {
        value.name
        for value in (*half.graph.value_info, *half.graph.input, *half.graph.output)
        if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    outside = {node.name for node in (*graph.stem, *graph.tail)}
    core = [node for node in graph.nodes if node.name not in outside]
    made_half = {name for node in core for name in node.output} & floats
    edit = _Edit(graph)
    for node in core:
        for place, name in enumerate(node.input):
            if place in _FLOAT_OPERANDS.get(node.op_type, ()) or name in made_half:
                continue
            value = graph.initializers.get(name)
            if value is not None and value.data_type == TensorProto.FLOAT:
                node.input[place] = edit.half_weight(name)
            elif name in floats:
                node.input[place] = edit.cast(name, TensorProto.FLOAT16)
        _retype(node)
    for node in graph.tail:
        for place, name in enumerate(node.input):
            if name in made_half:
                node.input[place] = edit.cast(name, TensorProto.FLOAT)
    edit.apply()
    _drop_unused(half)
    del half.graph.value_info[:]
    return _checked(half, "fp16")


class _Edit:
    """Casts and half-precision weights that a graph gets, each once however often it is used."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._casts: dict[tuple[str, int], Node] = {}
        self._weights: dict[str, Any] = {}

    def half_weight(self, name: str) -> str:
        new = f"{name}_fp16"
        if new not in self._weights:
            values = numpy_helper.to_array(self._graph.initializers[name])
            if not np.abs(values, dtype=np.float64).max(initial=0.0) <= HALF_MAX:
                raise ModelError(f"weight {name} reaches {np.abs(values).max():g}; half precision ends at {HALF_MAX:g}")
            self._weights[new] = numpy_helper.from_array(values.astype(np.float16), new)
        return new

    def cast(self, name: str, to: int) -> str:
        key = (name, to)
        if key not in self._casts:
            new = f"{name}_fp{16 if to == TensorProto.FLOAT16 else 32}"
            self._casts[key] = helper.make_node("Cast", [name], [new], name=f"{new}_cast", to=to)
        return str(self._casts[key].output[0])

    def apply(self) -> None:
        """Put the new weights and nodes in place; each Cast right behind what it casts."""
        behind: dict[str, list[Node]] = {}
        for (name, _), node in self._casts.items():
            maker = self._graph.makers.get(name)
            behind.setdefault(maker.name if maker is not None else "", []).append(node)
        nodes = list(behind.get("", ()))
        for node in self._graph.nodes:
            nodes += [node, *behind.get(node.name, ())]
        graph = self._graph.model.graph
        _set_nodes(graph, nodes)
        graph.initializer.extend(self._weights.values())


def _retype(node: Node) -> None:
    """A node of the core that names its output's type names half precision."""
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        elif attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float16)))


def _constants_to_initializers(model: Model) -> None:
    """So that a weight is found in one place, whatever the exporter did."""
    kept = []
    for node in model.graph.node:
        value = _constant_value(node)
        if value is None:
            kept.append(node)
        else:
            model.graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
    _set_nodes(model.graph, kept)


def _constant_value(node: Node) -> NDArray[Any] | None:
    """What a Constant node says; None for another node, and for a kind of constant that stays a node."""
    if node.op_type != "Constant" or len(node.attribute) != 1:
        return None
    (attribute,) = node.attribute
    if attribute.name == "value":
        return np.asarray(numpy_helper.to_array(attribute.t))
    if attribute.name in ("value_float", "value_floats"):
        return np.array(attribute.f if attribute.name == "value_float" else attribute.floats, np.float32)
    if attribute.name in ("value_int", "value_ints"):
        return np.array(attribute.i if attribute.name == "value_int" else attribute.ints, np.int64)
    return None


def _drop_unused(model: Model) -> None:
    """Remove nodes and initializers that no output depends on."""
    needed = {output.name for output in model.graph.output}
    kept = []
    for node in reversed(list(model.graph.node)):
        if needed.intersection(node.output):
            needed.update(_read_by(node))
            kept.append(node)
    _set_nodes(model.graph, kept[::-1])
    weights = [item for item in model.graph.initializer if item.name in needed]
    del model.graph.initializer[:]
    model.graph.initializer.extend(weights)


def _read_by(node: Node) -> set[str]:
    """What a node reads, in the bodies of its branches and loops too: they take values from outside by name."""
    names = set(node.input)
    for attribute in node.attribute:
        for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            names.update(*(_read_by(inner) for inner in body.node), (value.name for value in body.output))
    return names


def _set_nodes(graph: Any, nodes: list[Node]) -> None:
    # Copies: clearing the list frees the messages that `nodes` may point at.
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _checked(model: Model, name: str) -> Model:
    """The model with inferred types. Raises ModelError with what ONNX's checker says."""
    try:
        # First without types: of a graph that is torn it tells where, not every node behind.
        onnx.checker.check_model(model)
        model = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker's errors have no common base
        raise ModelError(f"{name}: ONNX's checker refuses it: {' '.join(str(error).split())[:500]}") from error
    return model
