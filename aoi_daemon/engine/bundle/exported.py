"""The model that a bundle is made of: our own detector as it is, or another program's export, adapted.

Process: offline. Needs the extra `engine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from aoi_daemon.config.precision import Precision
from aoi_daemon.config.recipe import Manifest
from aoi_daemon.config.recipe import Model as ModelFile
from aoi_daemon.config.tasks import ModelOutput
from aoi_daemon.engine.exports.adapt import adapt
from aoi_daemon.engine.exports.described import Kind
from aoi_daemon.engine.exports.recognise import recognise
from aoi_daemon.engine.precision.graph import Graph, Model, stride
from aoi_daemon.engine.precision.prepare import NEWEST_OPSET, prepare_fp32, prepare_model
from aoi_daemon.engine.precision.variants import check_contract
from aoi_daemon.engine.precision.wrap import Activation, Pixels

_UNWRITTEN: Final[dict[Precision, ModelFile]] = {"fp32": ModelFile(file="fp32.onnx", sha256="0" * 64)}
"""Until the files are there: executors hold a model to the rest of the manifest."""


@dataclass(frozen=True)
class Exported:
    """What the command line says of another program's model; `adapt` says what each is.

    Attributes:
        task: what it is for.
        channels: of the camera; None: as many as the model has.
    """

    task: Kind
    good_classes: tuple[str, ...] = ()
    channels: Literal[1, 3] | None = None
    pixels: Pixels | None = None
    activation: Activation | None = None
    threshold: float | None = None
    first_label: int | None = None


class Begun(NamedTuple):
    """The model, what its manifest says so far, and what is worth telling in the report."""

    model: Model
    manifest: Manifest
    notes: dict[str, str]


def begin(file: Path, name: str, classes: tuple[str, ...], exported: Exported | None, stride_px: int | None) -> Begun:
    """Read the model.

    Args:
        file: the ONNX file.
        name: of the bundle.
        classes: in the model's order; (): as the file says, which our own detector's does not.
        exported: None: it is our own detector.
        stride_px: frame sizes must be multiples; None: as the model says.

    Raises:
        AoiError: what of the file does not fit, and what to do.
    """
    if exported is None:
        return _own(file, name, classes, stride_px)
    described = recognise(file, kind=exported.task)
    adapted = adapt(
        described, file, channels=exported.channels or described.channels, classes=classes,
        good_classes=exported.good_classes, pixels=_of_depth(exported.pixels, described.channels),
        activation=exported.activation, threshold=exported.threshold, first_label=exported.first_label,
    )  # fmt: skip
    model = prepare_model(adapted.model, str(file), newest=NEWEST_OPSET)
    has_template, channels = check_contract(model, file)
    manifest = Manifest(
        **_said(adapted.output), name=name, channels=channels, stride_px=stride_px or adapted.stride_px,
        has_template=has_template, models=_UNWRITTEN,
    )  # fmt: skip
    notes = {"model": f"{described.family}, {described.program}, opset {described.opset}, task {manifest.task}"}
    for number, note in enumerate((*described.notes, *adapted.notes), 1):
        notes[f"model, {number}"] = note
    return Begun(model, manifest, notes)


def _own(file: Path, name: str, classes: tuple[str, ...], stride_px: int | None) -> Begun:
    model = prepare_fp32(file)
    has_template, channels = check_contract(model, file)
    manifest = Manifest(
        name=name, classes=classes, channels=channels, stride_px=stride_px or stride(Graph(model)),
        has_template=has_template, models=_UNWRITTEN,
    )  # fmt: skip
    return Begun(model, manifest, {})


def _of_depth(pixels: Pixels | None, channels: int) -> Pixels | None:
    """One number that was said is of every channel; so are three that are the same, of a gray model."""
    if pixels is None:
        return None

    def each(values: tuple[float, ...]) -> tuple[float, ...]:
        return values[:1] * channels if len(set(values)) == 1 else values

    return pixels._replace(mean=each(pixels.mean), deviation=each(pixels.deviation))


def frame_of_model(model: Model) -> tuple[int | None, int | None]:
    """(width_px, height_px) of the frames that a model takes; None where it takes any."""
    dims = next(value for value in model.graph.input if value.name == "image").type.tensor_type.shape.dim
    height_px, width_px = (dim.dim_value or None for dim in dims[1:3])
    return width_px, height_px


def _said(output: ModelOutput) -> dict[str, Any]:
    return {name: getattr(output, name) for name in ModelOutput.model_fields}
