"""What an exported ONNX file is, in this program's words: made by `recognise`, read by `adapt` and by `model inspect`.

Process: offline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aoi_daemon.engine.precision.wrap import Activation, Pixels

Family = Literal[
    "own",  # a bundle's model already: the contract of infer/executor.py
    "yolo",  # raw heads [1, 4 + classes, N], Ultralytics v8 to 26 with end2end=False
    "yolov5",  # raw heads with an objectness [1, N, 5 + classes]
    "yolo-rows",  # [1, N, 6]: x1 y1 x2 y2 score class; nms=True, and end to end
    "yolo-segment",  # heads with 32 mask coefficients, and prototypes [1, 32, h, w]
    "yolo-obb",  # heads with an angle
    "rtdetr",  # [1, queries, 4 + classes], boxes as shares; or logits and pred_boxes
    "torchvision-detect",  # boxes, labels, scores of a graph that suppresses overlaps itself
    "classify",  # scores [1, classes]
    "segment",  # maps [1, classes, h, w]
    "anomaly",  # map [1, 1, h, w], and a score
]

Kind = Literal["detect", "classify", "segment", "anomaly"]
"""What `--task` says; the bundle's task follows from it and the family."""

Layout = Literal["NCHW", "NHWC"]
"""Of a picture: channels first or last."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of the file. `shape`: None where a dimension varies."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


def logits_and_boxes(outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor] | None:
    """Logits and boxes of each query, of DETR's kin: by their names, else by their widths, where one alone is 4."""
    named = {tensor.name: tensor for tensor in outputs}
    if {"logits", "pred_boxes"} <= set(named):
        return named["logits"], named["pred_boxes"]
    wide = [len(tensor.shape) == 3 and tensor.shape[2] for tensor in outputs]
    if len(wide) != 2 or wide.count(4) != 1 or not all(wide):
        return None
    boxes = wide.index(4)
    return outputs[1 - boxes], outputs[boxes]


@dataclass(frozen=True)
class Described:
    """One exported model.

    Attributes:
        family: which layout its outputs have.
        kind: what it is for.
        program: who exported it, as far as the file says: "Ultralytics 8.3.40", "pytorch 2.4", "tf2onnx 1.16".
        opset: of the default domain.
        input: of the picture.
        layout: of the picture.
        channels: 1 or 3, of the picture.
        height_px, width_px: what it takes; None: any multiple of `stride_px`.
        stride_px: frame sizes must be multiples.
        outputs: all of them.
        classes: from the file; (): it names none, and a person must.
        pixels: what it wants in place of 0 to 255; None: the file does not say, and a person must.
        activation: what must still be put behind the scores or maps.
        notes: what a person should know or do.
        count: how many classes its outputs have; None: they do not show it.
    """

    family: Family
    kind: Kind
    program: str
    opset: int
    input: Tensor
    layout: Layout
    channels: Literal[1, 3]
    height_px: int | None
    width_px: int | None
    stride_px: int
    outputs: tuple[Tensor, ...]
    classes: tuple[str, ...]
    pixels: Pixels | None
    activation: Activation = "none"
    notes: tuple[str, ...] = ()
    count: int | None = None
