"""The input of an exported graph that is the picture: its layout, its sizes, and what it wants in place of 0 to 255.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from aoi_daemon.engine.exports.described import Layout, Tensor
from aoi_daemon.engine.exports.facts import Facts, shown
from aoi_daemon.engine.precision.graph import Node
from aoi_daemon.engine.precision.wrap import Pixels
from aoi_daemon.errors import ModelError

_SIZES: Final = frozenset({"orig_target_sizes"})
"""Inputs that are no picture: the size of the one there is, which RT-DETR's own exports ask for."""
_SMALLEST_PX: Final = 8
_IMAGENET: Final = (0.485, 0.456, 0.406)
_NEAR: Final = 1e-3
_PLANES: Final = [0, 3, 1, 2]
"""What is done to channels that come last, before the first convolution."""


@dataclass(frozen=True)
class Picture:
    """The input, read.

    Attributes:
        tensor: as the file declares it, of four dimensions, or three: one picture, without a batch.
        layout, channels: of it.
        height_px, width_px: None: open.
        batch: 1 where there is none, None where it is open.
    """

    tensor: Tensor
    layout: Layout
    channels: Literal[1, 3]
    height_px: int | None
    width_px: int | None
    batch: int | None


def picture_of(facts: Facts) -> Picture:
    """The one picture that the file takes.

    Raises:
        ModelError: it takes none, or several, of other types, or its sizes contradict each other; says what would do.
    """
    pictures = [tensor for tensor in facts.inputs if tensor.name not in _SIZES]
    if len(pictures) != 1:
        there = "; ".join(map(shown, facts.inputs)) or "none"
        raise ModelError(
            f"{facts.file}: takes {there}; expected one picture: export it with the picture alone, what else it needs "
            "as constants"
        )
    tensor = pictures[0]
    if tensor.dtype != "float32":
        raise ModelError(
            f"{facts.file}: takes {shown(tensor)}; expected float32: export it without what comes before (decoding, "
            "casts), the camera's bytes are made floats here"
        )
    if len(tensor.shape) not in (3, 4):
        raise ModelError(f"{facts.file}: takes {shown(tensor)}; expected a picture [1, channels, height, width]")
    batch = tensor.shape[0] if len(tensor.shape) == 4 else 1
    layout, channels = _layout(facts, tensor)
    places = tensor.shape[-3:]
    height, width = places[:2] if layout == "NHWC" else places[1:]
    for size in (height, width):
        if size is not None and size < _SMALLEST_PX:
            raise ModelError(
                f"{facts.file}: takes {shown(tensor)}, a picture of {width} x {height} px; expected "
                "[1, channels, height, width]: export it for the size of the frames"
            )
    return Picture(tensor, layout, channels, height, width, batch)


def _layout(facts: Facts, tensor: Tensor) -> tuple[Layout, Literal[1, 3]]:
    first, last = tensor.shape[-3], tensor.shape[-1]
    is_first, is_last = first in (1, 3), last in (1, 3)
    turned = _turned(facts, tensor.name)
    if is_first and is_last:
        raise ModelError(
            f"{facts.file}: takes {shown(tensor)}: its channels may be the first or the last; export it for frames of "
            "another size"
        )
    if not (is_first or is_last):
        raise ModelError(
            f"{facts.file}: takes {shown(tensor)}; expected 1 or 3 channels, gray or colour, as its second or last "
            "size: export it with that size fixed"
        )
    layout: Layout = "NCHW" if is_first else "NHWC"
    channels: Literal[1, 3] = 1 if (first if is_first else last) == 1 else 3
    wanted = _taken(facts, tensor.name)
    if (wanted is not None and wanted != channels) or (
        turned if layout == "NCHW" else wanted is not None and not turned
    ):
        raise ModelError(
            f"{facts.file}: takes {shown(tensor)}, and goes on with {wanted or 'other'} channels: the file contradicts "
            "itself; export it again"
        )
    return layout, channels


def _turned(facts: Facts, name: str) -> bool:
    """Whether the picture's last dimension is brought to the front before the first convolution."""
    return any(
        node.op_type == "Transpose" and any(list(a.ints) == _PLANES for a in node.attribute if a.name == "perm")
        for node in _front(facts, name)
    )


def _taken(facts: Facts, name: str) -> int | None:
    """How many channels the first convolution behind the picture takes; None where none is seen."""
    for node in _front(facts, name):
        if node.op_type == "Conv" and node.input[1] in facts.weights:
            dims = facts.weights[node.input[1]].dims
            group = next((a.i for a in node.attribute if a.name == "group"), 1)
            return int(dims[1] * group) if len(dims) == 4 else None
    return None


def _front(facts: Facts, name: str) -> list[Node]:
    """What is done to the picture, one after the other, up to and with the first convolution."""
    passing = {"Sub", "Add", "Mul", "Div", "Transpose", "Unsqueeze", "Identity", "BatchNormalization", "Pad"}
    found: list[Node] = []
    while len(found) < 12:
        users = facts.users(name)
        steps = [node for node in users if node.op_type in passing or node.op_type == "Conv"]
        if len(steps) != 1 or not steps[0].output:
            return found
        found.append(steps[0])
        if steps[0].op_type == "Conv":
            return found
        name = steps[0].output[0]
    return found


def pixels_seen(facts: Facts, picture: Picture) -> Pixels | None:
    """What the picture must be, by what the graph does to it first; None: it does not show that.

    A mean that is taken off shows the scale, and where it is ImageNet's, the order of the colours too.
    """
    if picture.layout != "NCHW":
        return None
    for node in _front(facts, picture.tensor.name):
        if node.op_type == "Unsqueeze":
            continue
        mean = facts.constant(node.input[1]) if node.op_type == "Sub" and len(node.input) == 2 else None
        if mean is None or mean.size != picture.channels:
            return None
        values = mean.astype(np.float64).ravel()
        if not (values > 0).all() or not (values < 1).all():
            return None
        if picture.channels == 1:
            return Pixels()
        # SSD's mean is another, in the same order: red is the brightest in ImageNet, blue the darkest.
        if np.abs(values - _IMAGENET).max() < _NEAR or (values[0] > values[1] > values[2] and values[2] > 0.3):
            return Pixels()
        if np.abs(values[::-1] - _IMAGENET).max() < _NEAR:
            return Pixels(is_rgb=False)
        return None
    return None
