"""What is asked of an exported graph to say what it is: inputs, outputs, what computes them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference

from aoi_daemon.engine.exports.described import Tensor
from aoi_daemon.engine.precision.graph import Model, Node, opset

HANDS_ON: Final = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Dropout"})
"""Operators that change no number."""
_TRIED_PX: Final = 320
"""A width and height that every stride divides."""
_MOST_PARTS: Final = 64
_BOX: Final = 4


class Facts:
    """One exported graph, read only.

    Attributes:
        file: named in errors.
        inputs: without those that are weights.
        outputs: in the file's order.
        said: what the exporter wrote beside the graph.
        operators: the kinds there are, in subgraphs and functions too.
    """

    def __init__(self, model: Model, file: Path) -> None:
        self.model = model
        self.file = file
        self.weights = {item.name: item for item in model.graph.initializer}
        self.inputs = tuple(tensor_of(value) for value in model.graph.input if value.name not in self.weights)
        self.outputs = tuple(tensor_of(value) for value in model.graph.output)
        self.said = {entry.key: entry.value for entry in model.metadata_props}
        self.opset = opset(model)
        self.nodes = tuple(_every_node(model))
        self.operators = frozenset(node.op_type for node in self.nodes)
        self._makers = makers_of(model)

    def maker(self, name: str) -> Node | None:
        """The operator that computes `name`, but for its shape; None where it is an input or a weight."""
        return self._makers.get(self.origin(name))

    def origin(self, name: str) -> str:
        """The tensor that `name` is, but for its shape."""
        return origin(self._makers, name)

    def made_by(self, name: str) -> Node | None:
        """The operator that computes `name`."""
        return self._makers.get(name)

    def users(self, name: str) -> list[Node]:
        """The operators that take `name`."""
        return [node for node in self.model.graph.node if name in node.input]

    def constant(self, name: str) -> NDArray[Any] | None:
        """The numbers of a weight or a Constant that lie in the file itself; None for anything else."""
        tensor = self.weights.get(name)
        if tensor is None:
            node = self._makers.get(name)
            if node is None or node.op_type != "Constant":
                return None
            tensor = next((a.t for a in node.attribute if a.name == "value"), None)
        if tensor is None or tensor.external_data or tensor.data_location:
            return None
        try:
            return np.asarray(numpy_helper.to_array(tensor))
        except (ValueError, TypeError):
            return None

    def is_constant(self, name: str) -> bool:
        """Whether no input has a say in `name`: a weight, or a Constant, wherever its numbers lie."""
        node = self._makers.get(name)
        return name in self.weights or (node is not None and node.op_type == "Constant")

    def joined(self, name: str, axis: int) -> list[tuple[str, int | None]]:
        """By part that `name` is joined of along `axis`: the operator behind it, and its size; []: it is not joined.

        What is joined of parts that are joined along the same dimension is told as one.
        """
        node = self.plain(name)
        rank = len(self.size_of(name))
        if node is None or node.op_type != "Concat" or not rank or _axis(node) % rank != axis:
            return []
        parts: list[tuple[str, int | None]] = []
        pending = list(reversed(node.input))
        while pending and len(parts) < _MOST_PARTS:
            part = pending.pop()
            inner = self.plain(part)
            if inner is not None and inner.op_type == "Concat" and _axis(inner) % rank == axis:
                pending += reversed(inner.input)
                continue
            made, shape = self.maker(part), self.size_of(part)
            size = shape[axis] if axis < len(shape) else None
            parts.append((made.op_type if made is not None else "", size))
        return parts

    def class_counts(self) -> set[int]:
        """How many classes there are by each table of boxes and probabilities in the graph, at its end or inside."""
        found = set()
        for node in self.model.graph.node:
            parts = self.joined(node.output[0], 1) if node.op_type == "Concat" else []
            if len(parts) > 1 and parts[0][1] == _BOX and parts[1][0] == "Sigmoid" and parts[1][1]:
                found.add(parts[1][1])
        return found

    def order_of(self, name: str) -> tuple[int, ...]:
        """In which order the output `name` has the dimensions of what is computed, by the Transposes at its end."""
        order: tuple[int, ...] = ()
        for _ in range(len(self.model.graph.node)):
            node = self.plain(name)
            if node is None or node.op_type != "Transpose":
                break
            perm = next((tuple(a.ints) for a in node.attribute if a.name == "perm"), ())
            order = tuple(perm[place] for place in order) if order else perm
            name = node.input[0]
        return order

    def plain(self, name: str) -> Node | None:
        """The operator that computes `name`, as it is."""
        node = self._makers.get(name)
        for _ in range(len(self.model.graph.node)):
            if node is None or node.op_type != "Identity":
                break
            node = self._makers.get(node.input[0])
        return node

    def size_of(self, name: str) -> tuple[int | None, ...]:
        """The sizes of a tensor for one picture, of `_TRIED_PX` where the file leaves them open; (): not known."""
        return self._inferred.get(name, ())

    def settled(self) -> tuple[Tensor, ...]:
        """The outputs, with the sizes that the file leaves open and that are the same for pictures of any size."""
        if all(None not in output.shape for output in self.outputs):
            return self.outputs
        other = self._infer(2 * _TRIED_PX)
        found = []
        for output in self.outputs:
            one, two = self.size_of(output.name), other.get(output.name, ())
            if len(one) == len(two) == len(output.shape):
                # The first is the batch, or how many are found.
                rest = (size or (a if a == b else None) for size, a, b in zip(output.shape, one, two, strict=True))
                found.append(replace(output, shape=(output.shape[0], *list(rest)[1:])))
            else:
                found.append(output)
        return tuple(found)

    @cached_property
    def _inferred(self) -> dict[str, tuple[int | None, ...]]:
        return self._infer(_TRIED_PX)

    def _infer(self, tried_px: int) -> dict[str, tuple[int | None, ...]]:
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for value in model.graph.input:
            dims = value.type.tensor_type.shape.dim
            for place, dim in enumerate(dims):
                if not dim.HasField("dim_value"):
                    dim.dim_value = 1 if place == 0 and len(dims) == 4 else tried_px
        for value in model.graph.output:
            for dim in value.type.tensor_type.shape.dim:
                dim.ClearField("dim_param")
        del model.graph.value_info[:]
        try:
            told = shape_inference.infer_shapes(model, data_prop=True)
        except (shape_inference.InferenceError, RuntimeError, ValueError):
            return {}  # what is not known is not used
        values = (*told.graph.value_info, *told.graph.output, *told.graph.input)
        return {value.name: tensor_of(value).shape for value in values}


def makers_of(model: Model) -> dict[str, Node]:
    """By tensor of the main graph: the operator that computes it."""
    return {name: node for node in model.graph.node for name in node.output if name}


def origin(makers: Mapping[str, Node], name: str) -> str:
    """The tensor that `name` is, but for its shape; `makers`: as `makers_of` gives them."""
    seen = set()
    while (node := makers.get(name)) is not None and node.op_type in HANDS_ON and name not in seen:
        seen.add(name)
        name = node.input[0] if node.input else ""
    return name


def tensor_of(value: Any) -> Tensor:
    """An input or output as the file declares it."""
    kind = value.type.tensor_type
    try:
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    except (KeyError, ValueError, TypeError):
        dtype = "no tensor"
    if kind.elem_type == onnx.TensorProto.STRING:
        dtype = "string"
    sizes = tuple(int(d.dim_value) if d.HasField("dim_value") and d.dim_value > 0 else None for d in kind.shape.dim)
    return Tensor(value.name, dtype, sizes)


def _axis(node: Node) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "axis"), 0)


def shown(tensor: Tensor) -> str:
    """A tensor as a message names it: `output0 float32 [1, 84, any]`."""
    sizes = ", ".join("any" if size is None else str(size) for size in tensor.shape)
    return f"{tensor.name} {tensor.dtype} [{sizes}]"


def _every_node(model: Model) -> Iterator[Node]:
    pending = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while pending:
        node = pending.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                pending += graph.node
