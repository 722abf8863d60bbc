"""From an exported file to a graph with the camera's frame in front of it: what every family begins with.

Process: offline. Blocks in reading the file. Needs the package `onnx`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, NamedTuple

from aoi_daemon.engine.exports.described import Described
from aoi_daemon.engine.exports.gather import check_float32, read_export
from aoi_daemon.engine.exports.opsets import to_common
from aoi_daemon.engine.exports.respelled import respelled
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.sizes import fix_sizes
from aoi_daemon.engine.precision.graph import Model
from aoi_daemon.engine.precision.wrap import Pixels
from aoi_daemon.errors import ModelError

_BY_DATA: Final = ("NonMaxSuppression", "NonZero", "If", "Loop", "RoiAlign")
"""Operators by which sizes follow from what is in the picture."""


class Begun(NamedTuple):
    """A graph to sew on, and what a person should know of it."""

    sewn: Sewn
    notes: tuple[str, ...]


def begin(
    described: Described,
    file: Path,
    *,
    channels: Literal[1, 3],
    pixels: Pixels | None = None,
    frame: tuple[int, int] | None = None,
) -> Begun:
    """Read `file` with its side-cars, bring it to a common opset and to one picture, and put the frame in front.

    Args:
        described: what `recognise` found in it.
        file: the exported model.
        channels: of the camera.
        pixels: what the model was trained with; None: as the file says.
        frame: height and width in px, to fix what varies; None: it may go on varying.

    Raises:
        ModelError: names what of the file does not fit, and what to do.
    """
    wanted = pixels or described.pixels
    if wanted is None:
        raise ModelError(
            f"{file}: does not say what it wants in place of 0 to 255; say it with --pixels (0..1, ImageNet's mean and "
            "deviation, or others), as it was trained"
        )
    model = read_export(file)
    check_float32(model, file)
    try:
        model, note = to_common(model)
        model = respelled(fix_sizes(model, described.input.name, described.layout, frame))
    except ValueError as error:
        raise ModelError(f"{file}: {error}") from error
    sewn = Sewn(model, described, file, channels=channels, pixels=wanted)
    notes = (*([note] if note else []), *sewn.notes, *_for_tensorrt(model))
    return Begun(sewn, notes)


def _for_tensorrt(model: Model) -> tuple[str, ...]:
    there = sorted({node.op_type for node in model.graph.node}.intersection(_BY_DATA))
    if not there:
        return ()
    return (
        f"has {', '.join(there)}, of which sizes follow from the picture: made for ONNX Runtime and OpenVINO, TensorRT "
        "was not tried and TensorRT-RTX builds no suppression of overlaps",
    )
