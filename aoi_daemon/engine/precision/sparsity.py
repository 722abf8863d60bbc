"""Weights of which two in four are zero (2:4), as the sparse Tensor Cores of Ampere and later take them.

Process: offline. Needs the extra `engine`.

The rule is NVIDIA's (TensorRT's developer guide, "Structured Sparsity"): of the weights [K, C, R, S] of a convolution,
for each output channel and each place of the kernel, in each four consecutive input channels at least two are zero. A
fully connected layer has R = S = 1. C counts per group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from aoi_daemon.engine.precision.graph import Model

GROUP: Final = 4
KEPT: Final = 2
INPUTS: Final = 16
OUTPUTS: Final = 8
"""A layer is pruned where its input and output channels are multiples of these: NVIDIA's own pruner (apex, ASP) takes
no others, for the sparse Tensor Cores multiply tiles of that size."""

_THROUGH: Final = ("Cast", "DequantizeLinear", "QuantizeLinear")
"""What may lie between a layer and its weights."""

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A convolution, or a fully connected layer, whose weights are in the file.

    Attributes:
        name: the node's, else that of what it puts out.
        tensor: of the initializer that its weights are.
        axis: of that initializer, which are the input channels.
        weights: as they are in the file, any float type as float32; int8 of a Q/DQ file as it is.
        groups: of a convolution.
        shared: another node uses the same weights.
    """

    name: str
    tensor: str
    axis: int
    weights: NDArray[np.generic]
    groups: int = 1
    shared: bool = False

    @property
    def inputs(self) -> int:
        """Input channels of a group."""
        return int(self.weights.shape[self.axis])

    @property
    def outputs(self) -> int:
        """Output channels."""
        return int(self.weights.shape[0] if self.axis == 1 else self.weights.shape[-1])

    @property
    def is_sparse(self) -> bool:
        """Whether the weights are 2:4."""
        if self.inputs % GROUP:
            return False
        return bool(((_grouped(self.weights, self.axis) != 0).sum(axis=-1) <= KEPT).all())

    @property
    def why_not(self) -> str | None:
        """Why it is not pruned; None: it is."""
        if self.groups > 1:
            return f"has {self.groups} groups"
        if self.inputs % INPUTS:
            return f"has {self.inputs} input channels, no multiple of {INPUTS}"
        if self.outputs % OUTPUTS:
            return f"has {self.outputs} output channels, no multiple of {OUTPUTS}"
        return "shares its weights with another" if self.shared else None


def layers_of(model: Model) -> list[Layer]:
    """The layers that have weights, in the order of the graph; also those whose weights come through Q/DQ."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    made_by = {node.output[0]: node for node in model.graph.node if node.output}
    found = []
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or len(node.input) < 2:
            continue
        name = node.input[1]
        while name not in constants and name in made_by and made_by[name].op_type in _THROUGH:
            name = made_by[name].input[0]
        if name not in constants:
            continue
        weights = numpy_helper.to_array(constants[name])
        if weights.ndim < 2:
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        # [out, in, ...] of a convolution; [in, out] of a product unless it is transposed.
        transposed = node.op_type == "Gemm" and "transB" in attributes and bool(attributes["transB"].i)
        axis = 1 if node.op_type == "Conv" or transposed else weights.ndim - 2
        groups = attributes["group"].i if "group" in attributes else 1
        found.append(Layer(node.name or node.output[0], name, axis, weights, groups))
    uses = [layer.tensor for layer in found]
    return [layer if uses.count(layer.tensor) == 1 else _as_shared(layer) for layer in found]


def mask_of(weights: Weights, axis: int) -> NDArray[np.bool_]:
    """Which weights stay: of each four consecutive ones along `axis` the two of greatest magnitude.

    Args:
        weights: any shape, or how much each of them counts; `axis` a multiple of 4 long.
        axis: the input channels.
    """
    grouped = np.abs(_grouped(weights, axis))
    order = np.argsort(-grouped, axis=-1, kind="stable")
    kept = np.zeros(grouped.shape, np.bool_)
    np.put_along_axis(kept, order[..., :KEPT], True, axis=-1)
    moved = kept.reshape(np.moveaxis(weights, axis, -1).shape)
    return np.ascontiguousarray(np.moveaxis(moved, -1, axis))


def _grouped(weights: NDArray[np.generic], axis: int) -> NDArray[np.generic]:
    """(..., inputs / 4, 4)."""
    moved = np.moveaxis(weights, axis, -1)
    return moved.reshape(*moved.shape[:-1], -1, GROUP)


def _as_shared(layer: Layer) -> Layer:
    return Layer(layer.name, layer.tensor, layer.axis, layer.weights, layer.groups, shared=True)
