"""Prune a model's weights to 2:4, and repair what is left on real frames, without labels.

Process: offline. Needs the extra `engine`; blocks in ONNX Runtime and in numpy. Memory: one frame's activations, and a
square of each layer's weights for one output channel.

Layer by layer, in the order of the graph: of each four weights the two stay whose loss would cost most, the others
making up for it as well as they can (Frantar and Alistarh, SparseGPT, 2023: magnitude over the diagonal of the inverse
Hessian); then those that are left are set anew, by least squares, so that the layer puts out on the pruned model's
activations what it put out in the dense model. It needs no labels and no trainer, so it works on any exported
file; with labels and the source of a model, training with the masks held would do better.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from aoi_daemon.engine.frames import Frame
from aoi_daemon.engine.precision.graph import Model, Node
from aoi_daemon.engine.precision.inside import feed_of, open_inside, values_of
from aoi_daemon.engine.precision.sparsity import GROUP, Layer, layers_of, mask_of
from aoi_daemon.errors import ModelError

WIDE: Final = 64
"""Input channels. Narrow layers have few weights and lose most: of the demo's detector those of 64 and more have 91 %
of the weights, and pruned without the others cost it 0.1 points of mAP where all together cost 2.2 (84 boards)."""
FRAMES: Final = 32
"""Frames that are enough: 32 x 1024 places for at most a few thousand weights of an output channel."""
POSITIONS: Final = 1024
"""So many places of a layer's output are looked at, of each frame."""
_RIDGE: Final = 0.01
"""Of the mean of the inputs' squares: how firmly weights are held to what they were where the frames say little."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pruned:
    """A model before and after the repair, and what was done.

    Attributes:
        bare: pruned by magnitude alone.
        repaired: the weights that were left set anew.
        pruned: names of the layers.
        kept: why other layers were not pruned, by name.
        share: of all weights of layers, how many are in pruned ones, 0 to 1.
    """

    bare: Model
    repaired: Model
    pruned: tuple[str, ...]
    kept: Mapping[str, str]
    share: float

    def __str__(self) -> str:
        kept = "; ".join(f"{name} {why}" for name, why in self.kept.items())
        return (
            f"{len(self.pruned)} of {len(self.pruned) + len(self.kept)} layers, {self.share:.1%} of their weights"
            + (f"; not: {kept}" if kept else "")
        )


def check_prunable(model: Model, least: int = 0) -> list[Layer]:
    """The layers that are pruned, of `least` input channels or more. Raises ModelError where there is none: why not."""
    layers = layers_of(model)
    pruned = [layer for layer in layers if _why_not(model, layer, least) is None]
    if not pruned:
        why = "; ".join(f"{layer.name} {_why_not(model, layer, least)}" for layer in layers[:5])
        raise ModelError(f"--prune 2:4: no layer can be pruned: {why or 'it has none with weights'}")
    return pruned


def _why_not(model: Model, layer: Layer, least: int) -> str | None:
    if layer.why_not is None and layer.inputs < least:
        return f"has {layer.inputs} input channels, fewer than {least}"
    return layer.why_not if layer.why_not or _is_plain(_node_of(model, layer)) else _NOT_PLAIN


def prune(
    model: Model, frames: Sequence[Frame], *, threads: int, advance: Callable[[], None], least: int = 0
) -> Pruned:  # fmt: skip
    """Prune `model` and repair it.

    Args:
        model: prepared FP32; not changed.
        frames: real ones, labels not needed.
        threads: of ONNX Runtime.
        advance: called 1 + len(check_prunable(model, least)) times.
        least: layers of fewer input channels stay dense.

    Raises:
        ModelError: nothing can be pruned, or a frame is not one that the model takes.
        BoardsError: a frame cannot be read.
    """
    layers = check_prunable(model, least)
    bare, repaired = copy.deepcopy(model), copy.deepcopy(model)
    for layer in layers:
        weights = layer.weights.astype(np.float32)
        _set(bare, layer.tensor, weights * mask_of(weights, layer.axis))
    samples = _Samples(model, layers, frames, threads)
    advance()
    for layer in layers:
        _repair(repaired, layer, samples, threads)
        advance()
    everything = layers_of(model)
    names = tuple(layer.name for layer in layers)
    return Pruned(
        bare, repaired, names,
        {each.name: why for each in everything if (why := _why_not(model, each, least)) is not None},
        sum(layer.weights.size for layer in layers) / sum(each.weights.size for each in everything),
    )  # fmt: skip


class _Samples:
    """What each layer put out in the dense model, at places drawn once for each layer and frame."""

    def __init__(self, model: Model, layers: Sequence[Layer], frames: Sequence[Frame], threads: int) -> None:
        self.feeds = [feed_of(frame) for frame in frames]
        self.places: dict[tuple[str, int], NDArray[np.intp]] = {}
        self.wanted: dict[tuple[str, int], Floats] = {}
        nodes = {layer.name: _node_of(model, layer) for layer in layers}
        outputs = {name: node.output[0] for name, node in nodes.items()}
        session = open_inside(model, list(outputs.values()), threads)
        rng = np.random.default_rng(24)
        for number, feed in enumerate(self.feeds):
            values = dict(zip(outputs, values_of(session, list(outputs.values()), feed, frames[number]), strict=True))
            for name, value in values.items():
                rows = _rows(nodes[name], value)
                chosen = np.sort(rng.permutation(len(rows))[:POSITIONS])
                self.places[name, number] = chosen
                self.wanted[name, number] = rows[chosen]
        self.frames = frames


def _repair(model: Model, layer: Layer, samples: _Samples, threads: int) -> None:
    """Prune one layer of `model`, whose earlier ones are pruned, and set what is left anew."""
    node = _node_of(model, layer)
    weights = _matrix(node, layer.weights.astype(np.float32))
    bias = _bias_of(model, node, len(weights))
    inputs = node.input[0]
    session = open_inside(_up_to(model, inputs), [inputs], threads)
    size = weights.shape[1] + 1
    gram, wish = np.zeros((size, size)), np.zeros((size, len(weights)))
    for number, feed in enumerate(samples.feeds):
        value = values_of(session, [inputs], feed, samples.frames[number])[0]
        patches = _patches(node, layer, value, samples.places[layer.name, number])
        patches = np.hstack([patches, np.ones((len(patches), 1), np.float32)])
        gram += patches.T @ patches
        wish += patches.T @ samples.wanted[layer.name, number]
    ridge = _RIDGE * float(np.diag(gram)[:-1].mean())
    mask = _stays(weights, gram, ridge, places=weights.shape[1] // layer.inputs)
    found = np.zeros_like(weights)
    shift = np.zeros(len(weights), np.float32) if bias is None else bias.copy()
    for channel, kept in enumerate(mask):
        support = np.flatnonzero(kept)
        left = support if bias is None else np.append(support, size - 1)
        before = np.append(weights[channel, support], shift[channel])[: len(left)]
        target = wish[left, channel] + ridge * before
        solved = np.linalg.solve(gram[np.ix_(left, left)] + ridge * np.eye(len(left)), target)
        found[channel, support] = solved[: len(support)]
        if bias is not None:
            shift[channel] = solved[-1]
    _set(model, layer.tensor, _shaped(node, layer, found))
    if bias is not None:
        _set(model, node.input[2], shift)


def _stays(weights: Floats, gram: NDArray[np.float64], ridge: float, *, places: int) -> NDArray[np.bool_]:
    """Which weights stay, (outputs, n): two of each four consecutive input channels at each place of the kernel.

    Args:
        weights: (outputs, n), by input channel, then by place.
        gram: (n + 1, n + 1): products of the inputs' columns, the last one all ones.
        ridge: added to its diagonal.
        places: of the kernel.
    """
    count, sums = gram[-1, -1], gram[-1, :-1]
    hessian = gram[:-1, :-1] - np.outer(sums, sums) / count + ridge * np.eye(len(sums))
    order = np.arange(len(sums)).reshape(-1, places).T.ravel()
    factor = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
    left = weights[:, order].astype(np.float64)
    stays = np.zeros(left.shape, np.bool_)
    for at in range(len(order)):
        if at % GROUP == 0:
            four = slice(at, at + GROUP)
            stays[:, four] = mask_of((left[:, four] / np.diag(factor)[four]).astype(np.float32), 1)
        # What goes is made up for by the columns that are still to come.
        gone = np.where(stays[:, at], 0.0, left[:, at]) / factor[at, at]
        left[:, at:] -= gone[:, None] * factor[at, at:]
    found = np.zeros_like(stays)
    found[:, order] = stays
    return found


_NOT_PLAIN: Final = "has auto_pad, transA, alpha or beta, which are not read"


def _is_plain(node: Node) -> bool:
    attributes = _attributes(node)
    if node.op_type == "Conv":
        return bool(attributes.get("auto_pad", b"NOTSET") == b"NOTSET")
    scales = (attributes.get("alpha", 1.0), attributes.get("beta", 1.0))
    return not attributes.get("transA") and scales == (1.0, 1.0)


def _attributes(node: Node) -> dict[str, Any]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def _node_of(model: Model, layer: Layer) -> Node:
    return next(node for node in model.graph.node if layer.name in (node.name, *node.output))


def _matrix(node: Node, weights: NDArray[Any]) -> NDArray[Any]:
    """Weights as (outputs, inputs and places of the kernel)."""
    if node.op_type == "Conv" or _attributes(node).get("transB"):
        return weights.reshape(len(weights), -1)
    return np.ascontiguousarray(weights.T)


def _shaped(node: Node, layer: Layer, matrix: Floats) -> Floats:
    """The other way."""
    if node.op_type == "Conv" or _attributes(node).get("transB"):
        return matrix.reshape(layer.weights.shape)
    return np.ascontiguousarray(matrix.T)


def _bias_of(model: Model, node: Node, outputs: int) -> Floats | None:
    """The bias, where it is this node's alone."""
    if len(node.input) < 3 or not node.input[2]:
        return None
    uses = sum(name == node.input[2] for other in model.graph.node for name in other.input)
    found = [item for item in model.graph.initializer if item.name == node.input[2]]
    if uses != 1 or not found or list(found[0].dims) != [outputs]:
        return None
    return np.asarray(numpy_helper.to_array(found[0]), np.float32)


def _rows(node: Node, value: Floats) -> Floats:
    """What a layer put out as (places, outputs)."""
    if node.op_type == "Conv":
        return np.asarray(value[0].reshape(value.shape[1], -1).T)
    return np.asarray(value.reshape(-1, value.shape[-1]))


def _patches(node: Node, layer: Layer, value: Floats, places: NDArray[np.intp]) -> Floats:
    """What the layer multiplies at each of `places`: (places, inputs and places of the kernel)."""
    if node.op_type != "Conv":
        return value.reshape(-1, value.shape[-1])[places]
    attributes = _attributes(node)
    kernel = layer.weights.shape[2:]
    pads = attributes.get("pads", [0] * 4)
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    padded = np.pad(value[0], ((0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    width = (padded.shape[2] - dilations[1] * (kernel[1] - 1) - 1) // strides[1] + 1
    down, across = places // width * strides[0], places % width * strides[1]
    rows = down[:, None] + np.arange(kernel[0]) * dilations[0]
    columns = across[:, None] + np.arange(kernel[1]) * dilations[1]
    taken = padded[:, rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(taken.transpose(1, 0, 2, 3)).reshape(len(places), -1)


def _set(model: Model, name: str, value: Floats) -> None:
    for item in model.graph.initializer:
        if item.name == name:
            item.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))


def _up_to(model: Model, tensor: str) -> Model:
    """The part of `model` that makes `tensor`: the rest is not run for it."""
    makers = {name: node for node in model.graph.node for name in node.output}
    needed, pending = set(), [tensor]
    while pending:
        maker = makers.get(pending.pop())
        if maker is not None and maker.output[0] not in needed:
            needed.add(maker.output[0])
            pending += maker.input
    part = copy.deepcopy(model)
    del part.graph.node[:]
    part.graph.node.extend(node for node in model.graph.node if node.output[0] in needed)
    del part.graph.output[:]
    return part
