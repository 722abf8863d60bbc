"""What part of an ONNX graph a node belongs to, and the small edits that preparing a model needs.

Process: offline. Needs the package `onnx`.

Three parts, by where convolutions lie, so that no exporter's names matter:
- stem: what comes before the first convolutions: cast, layout, scale, difference;
- core: the convolutions and all between them;
- tail: what no convolution comes after: scores, TopK, boxes in pixels.
Stem and tail stay in float32 in every precision: pixels above 2048 have no half precision number of
their own, and TopK's indices no business with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from aoi_daemon.errors import ModelError
from aoi_daemon.infer.exports import check_in_one_file

CONVOLUTIONS: Final = frozenset({"Conv", "ConvTranspose"})
_ONNX_DOMAINS: Final = ("", "ai.onnx")

Model = Any  # onnx ships no types that are checked here
Node = Any


class Graph:
    """One model's nodes, each with a name of its own, and how they hang together."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.nodes: list[Node] = list(model.graph.node)
        self.makers: dict[str, Node] = {name: node for node in self.nodes for name in node.output if name}
        self.users: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.input:
                self.users.setdefault(name, []).append(node)
        self.initializers: dict[str, Any] = {item.name: item for item in model.graph.initializer}
        self.convolutions = [node for node in self.nodes if node.op_type in CONVOLUTIONS]
        upstream = self._reached(self.convolutions, forward=False)
        downstream = self._reached(self.convolutions, forward=True)
        self.stem = [node for node in self.nodes if node.name in upstream - downstream and not is_conv(node)]
        self.tail = [node for node in self.nodes if node.name not in upstream and not is_conv(node)]
        self.first = [node for node in self.convolutions if node.name not in downstream]
        self.last = [node for node in self.convolutions if node.name not in upstream]

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value of an initializer or a Constant node's output; None for anything else."""
        if name in self.initializers:
            return np.asarray(numpy_helper.to_array(self.initializers[name]))
        maker = self.makers.get(name)
        if maker is None or maker.op_type != "Constant":
            return None
        value = next((a for a in maker.attribute if a.name == "value"), None)
        return None if value is None else np.asarray(numpy_helper.to_array(value.t))

    def activations(self, node: Node) -> list[str]:
        """The inputs of `node` that are computed from the frame."""
        return [name for name in node.input if name and self.constant(name) is None]

    def residual_adds(self) -> list[Node]:
        """Adds of two activations between convolutions."""
        outside = {node.name for node in (*self.stem, *self.tail)}
        return [
            node
            for node in self.nodes
            if node.op_type == "Add" and node.name not in outside and len(self.activations(node)) == 2
        ]

    def quantizable(self) -> list[Node]:
        """Convolutions but the first and the last of each path, and the residual Adds."""
        kept_float = {node.name for node in (*self.first, *self.last)}
        inner = [node for node in self.convolutions if node.op_type == "Conv" and node.name not in kept_float]
        return inner + self.residual_adds()

    def _reached(self, start: Iterable[Node], *, forward: bool) -> set[str]:
        """Names of the nodes that lie after (before) some of `start`."""
        found: set[str] = set()
        pending = list(start)
        while pending:
            node = pending.pop()
            if forward:
                near = [user for name in node.output for user in self.users.get(name, ())]
            else:
                near = [self.makers[name] for name in node.input if name in self.makers]
            new = [other for other in near if other.name not in found]
            found.update(other.name for other in new)
            pending += new
        return found


def is_conv(node: Node) -> bool:
    """Whether `node` is a convolution."""
    return node.op_type in CONVOLUTIONS


def load_model(file: Path) -> Model:
    """Read an ONNX file. Raises ModelError where it is missing, damaged or keeps its weights elsewhere."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        model = onnx.load_model_from_string(raw)
    except Exception as error:  # protobuf's DecodeError has no public base
        raise ModelError(f"{file}: is not an ONNX model ({len(raw)} bytes): {error}") from error
    if not model.graph.node:
        raise ModelError(f"{file}: is not an ONNX model ({len(raw)} bytes): it has no nodes")
    check_in_one_file(file, raw)
    return model


def save_model(model: Model, file: Path) -> str:
    """Write `file`; its SHA-256. The same model gives the same bytes."""
    raw = model.SerializeToString(deterministic=True)
    file.write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()


def opset(model: Model) -> int:
    """Version of ONNX's own operators; 0 where the model names none."""
    return max((item.version for item in model.opset_import if item.domain in _ONNX_DOMAINS), default=0)


def name_nodes(model: Model) -> None:
    """Give each node a name of its own, in place; one that has it keeps it."""
    seen: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            name = f"{node.op_type}_{number}"
            while name in seen:
                name += "_"
            node.name = name
        seen.add(node.name)


def stride(graph: Graph) -> int:
    """The greatest factor by which the model reduces a frame: sizes must be multiples of it.

    Only strides along each path are counted; an upsampling divides it again.
    """
    greatest = 1
    factor: dict[str, float] = {}
    for node in graph.nodes:
        here = max((factor.get(name, 1.0) for name in node.input), default=1.0)
        strides = next((list(a.ints) for a in node.attribute if a.name == "strides"), [1])
        if node.op_type in ("Conv", "MaxPool", "AveragePool"):
            here *= max(strides)
        elif node.op_type == "ConvTranspose":
            here /= max(strides)
        elif node.op_type == "Resize":
            scales = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
            here /= float(scales.max()) if scales is not None and scales.size else 1.0
        factor.update(dict.fromkeys(node.output, here))
        greatest = max(greatest, round(here))
    return greatest
