"""What is asked of an exported graph to say what it is: inputs, outputs, what computes them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference

from aoi_daemon.engine.exports.described import Tensor
from aoi_daemon.engine.precision.graph import Model, Node, opset
from aoi_daemon.infer.exports import is_probability

HANDS_ON: Final = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Dropout"})
"""Operators that change no number."""
_KEEPS: Final = frozenset({"Resize", "Upsample", "Slice", "Gather", "AveragePool", "GlobalAveragePool", "ReduceMean"})
"""Operators behind which probabilities are still such, and logits too."""
_WEIGHTS: Final = frozenset({"Gemm", "MatMul", "Conv", "ConvTranspose", "BatchNormalization", "Einsum"})
_TRIED_PX: Final = 320
"""A width and height that every stride divides."""
_SUMS: Final = frozenset({"Add", "Sub"})
_SCALES: Final = frozenset({"Mul", "Div"})

Scores = Literal["probabilities", "logits", "unknown"]


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
        self._makers = {name: node for node in model.graph.node for name in node.output if name}

    def maker(self, name: str) -> Node | None:
        """The operator that computes `name`, but for its shape; None where it is an input or a weight."""
        seen = set()
        while (node := self._makers.get(name)) is not None and node.op_type in HANDS_ON and name not in seen:
            seen.add(name)
            name = node.input[0] if node.input else ""
        return node

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

    def scores(self, name: str) -> Scores:
        """What the output `name` is, by the operators behind it: through a softmax or sigmoid, or before one."""
        seen: set[str] = set()
        found: set[Scores] = set()
        pending = [name]
        while pending:
            tensor = pending.pop()
            node = self.maker(tensor)
            if node is None or node.output[0] in seen:
                found.add("unknown")
                continue
            seen.add(node.output[0])
            moved = [each for each in node.input if each and not self.is_constant(each)]
            if is_probability(node.op_type):
                found.add("probabilities")
            elif node.op_type in _WEIGHTS and len(moved) == 1:
                found.add("logits")
            elif node.op_type in _KEEPS and moved:
                pending.append(moved[0])
            elif node.op_type in _SUMS or (node.op_type in _SCALES and len(moved) == 1):
                pending += moved
            else:
                found.add("unknown")
        return next(iter(found)) if len(found) == 1 else "unknown"

    def joined(self, name: str) -> list[tuple[str, int | None]]:
        """By part that the output `name` is joined of: the operator behind it, and its size; []: it is not joined."""
        node = self._makers.get(name)
        while node is not None and node.op_type == "Identity":
            node = self._makers.get(node.input[0])
        if node is None or node.op_type != "Concat":
            return []
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        parts = []
        for part in node.input:
            made, shape = self.maker(part), self.size_of(part)
            size = shape[axis] if -len(shape) <= axis < len(shape) else None
            parts.append((made.op_type if made is not None else "", size))
        return parts

    def size_of(self, name: str) -> tuple[int | None, ...]:
        """The sizes of a tensor for one picture, of `_TRIED_PX` where the file leaves them open; (): not known."""
        return self._inferred.get(name, ())

    @cached_property
    def _inferred(self) -> dict[str, tuple[int | None, ...]]:
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for value in model.graph.input:
            dims = value.type.tensor_type.shape.dim
            for place, dim in enumerate(dims):
                if not dim.HasField("dim_value"):
                    dim.dim_value = 1 if place == 0 and len(dims) == 4 else _TRIED_PX
        for value in (*model.graph.output, *model.graph.value_info):
            for dim in value.type.tensor_type.shape.dim:
                dim.ClearField("dim_param")
        del model.graph.value_info[:]
        try:
            told = shape_inference.infer_shapes(model, data_prop=True)
        except (shape_inference.InferenceError, RuntimeError, ValueError):
            return {}  # what is not known is not used
        values = (*told.graph.value_info, *told.graph.output, *told.graph.input)
        return {value.name: tensor_of(value).shape for value in values}


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
