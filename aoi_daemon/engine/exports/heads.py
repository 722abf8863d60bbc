"""Heads of YOLO in a file that does not say so: known by how many candidates a picture has, and how they are made.

Pure.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.engine.exports.described import Family, Tensor
from aoi_daemon.engine.exports.facts import Facts, shown
from aoi_daemon.engine.exports.found import Found
from aoi_daemon.engine.exports.picture import Picture
from aoi_daemon.engine.precision.wrap import UNIT
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.exports import names_said

_LEVELS: Final = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
_ANCHORS: Final = 3
"""Boxes of each place before YOLOv8."""
_EXPORT: Final = "export it by Ultralytics (yolo export model=best.pt format=onnx opset=17), which writes it down"


def heads_of(facts: Facts, picture: Picture, output: Tensor) -> Found:
    """The family of one output of three dimensions.

    Raises:
        ModelError: it is none that is known, or its columns cannot be told; says what would do.
    """
    shape = output.shape if None not in output.shape else facts.size_of(output.name)
    size = (picture.height_px or 320, picture.width_px or 320)
    if len(shape) != 3 or None in shape:
        raise _unknown(facts, output)
    rows, columns = shape[1] or 0, shape[2] or 0
    counts = {sum((size[0] // s) * (size[1] // s) for s in levels): max(levels) for levels in _LEVELS}
    parts = facts.joined(output.name, 1)
    if columns in counts and rows > 4 and [kind for kind, _ in parts[1:]] == ["Sigmoid"]:
        boxes, classes = parts[0][1], parts[1][1]
        if boxes == 4 and classes == rows - 4:
            return _heads("yolo", facts, classes, counts[columns])
    anchors = {_ANCHORS * count: step for count, step in counts.items()}
    levels = [size for _, size in parts]
    if rows in anchors and columns > 5 and len(levels) > 1 and sum(size or 0 for size in levels) == rows:
        return _heads("yolov5", facts, columns - 5, anchors[rows])
    if columns in counts and rows > 4:
        made = " and ".join(f"{size or 'any'} of {kind or 'nothing'}" for kind, size in parts) or "one piece"
        raise ModelError(
            f"{facts.file}: puts out {shown(output)}, as many candidates as a YOLO has, joined of {made}; expected 4 "
            f"for the box and the classes out of a Sigmoid (an angle, masks or key points are told by Ultralytics' "
            f"own words): {_EXPORT}"
        )
    if rows in counts and columns > 4:
        raise ModelError(
            f"{facts.file}: puts out {shown(output)}, candidates before rows: heads that were transposed, or those of "
            f"YOLOX and YOLOv6, which are not read; expected [1, 4 + classes, candidates]: {_EXPORT}"
        )
    if columns in (6, 7):
        raise ModelError(
            f"{facts.file}: puts out {shown(output)}, and nothing in it says what its {columns} columns are; {_EXPORT}"
        )
    raise _unknown(facts, output)


def _heads(family: Family, facts: Facts, count: int, stride: int) -> Found:
    text = facts.said.get("names", "")
    try:
        classes = names_said(text) if text else ()
    except ValueError as error:
        raise ModelError(f"{facts.file}: its class names cannot be read ({error}); export it again") from error
    program = f"YOLO (by {facts.model.producer_name or 'nobody'} {facts.model.producer_version})".replace(" )", ")")
    return Found(family, "detect", program, classes, count, UNIT, stride)


def _unknown(facts: Facts, output: Tensor) -> ModelError:
    return ModelError(
        f"{facts.file}: puts out {shown(output)}, which are the heads of no detector that is known here; {_EXPORT}"
    )
