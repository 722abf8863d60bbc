"""The one door by which any recognised export becomes a bundle's model: a module for each family of outputs.

Process: offline. Blocks in reading the file. Needs the extra `engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from onnx import helper
from pydantic import ValidationError

from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.anomaly import adapt_anomaly
from aoi_daemon.engine.exports.begin import begin
from aoi_daemon.engine.exports.classify import adapt_classify
from aoi_daemon.engine.exports.described import Described, Family
from aoi_daemon.engine.exports.rtdetr import adapt_rtdetr
from aoi_daemon.engine.exports.segment import adapt_segment
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.told import Told
from aoi_daemon.engine.exports.torchvision import adapt_torchvision
from aoi_daemon.engine.exports.yolo.heads import adapt_heads, adapt_with_objectness
from aoi_daemon.engine.exports.yolo.masks import adapt_masks
from aoi_daemon.engine.exports.yolo.rows import adapt_rows
from aoi_daemon.engine.exports.yolo.turned import adapt_turned
from aoi_daemon.engine.precision.wrap import Activation, Pixels
from aoi_daemon.errors import ModelError

_BY_FAMILY: Final[Mapping[Family, Callable[[Sewn, Described, Told], Adapted]]] = {
    "yolo": adapt_heads,
    "yolov5": adapt_with_objectness,
    "yolo-rows": adapt_rows,
    "yolo-segment": adapt_masks,
    "yolo-obb": adapt_turned,
    "rtdetr": adapt_rtdetr,
    "torchvision-detect": adapt_torchvision,
    "classify": adapt_classify,
    "segment": adapt_segment,
    "anomaly": adapt_anomaly,
}


def adapt(
    described: Described,
    source: Path,
    *,
    channels: Literal[1, 3],
    classes: tuple[str, ...] = (),
    good_classes: tuple[str, ...] = (),
    pixels: Pixels | None = None,
    activation: Activation | None = None,
    threshold: float | None = None,
    first_label: int | None = None,
    frame: tuple[int, int] | None = None,
) -> Adapted:
    """The model of `source` with the contract of infer/executor.py: `image` in front, the outputs of a task behind.

    What of the keywords a family has no use for is not looked at.

    Args:
        described: what `recognise` found in it.
        source: the exported file.
        channels: of the camera; a mono frame is shown to each channel of a colour model.
        classes: in the model's order; (): as the file says.
        good_classes: those that are no defect; (): those whose names say so.
        pixels: what the model was trained with; None: as the file says.
        activation: what its scores or maps still need; None: as the file says.
        threshold: of an anomaly model: from which value on a part is bad; None: as the file says.
        first_label: of torchvision's detectors: the label of the first class; None: as the file says.
        frame: height and width in px, to fix what the file leaves open; None: it may stay open.

    Raises:
        ModelError: what of the file or of the arguments does not fit, and what to do.
    """
    family = _BY_FAMILY.get(described.family)
    if family is None:
        raise ModelError(f"{source}: {_REFUSED.get(described.family, f'is of family {described.family}')}")
    _check_order(classes, described.classes, source)
    told = Told(classes=classes, good=good_classes, activation=activation, threshold=threshold, first_label=first_label)
    begun = begin(described, source, channels=channels, pixels=pixels, frame=frame)
    try:
        adapted = family(begun.sewn, described, told)
    except ValidationError as error:
        # The manifest's own rules, of classes above all: the same words as where it is read.
        raise ModelError(f"{source}: " + "; ".join(str(each["msg"]) for each in error.errors())) from error
    said = _say_what_it_is_now(adapted)
    return replace(adapted, notes=(*begun.notes, *adapted.notes, *_of_suppression(said)))


def _check_order(told: tuple[str, ...], said: tuple[str, ...], source: Path) -> None:
    """Other names than the file's own may be wanted; its own in another order are a mistake, and swap verdicts."""
    if told != said and sorted(told) == sorted(said):
        raise ModelError(
            f"{source}: its own classes are {', '.join(said[:5])}, in that order; --classes names them as "
            f"{', '.join(told[:5])}: leave --classes away, or keep to its order"
        )


def _of_suppression(said: Mapping[str, str]) -> tuple[str, ...]:
    """What follows where Ultralytics wrote down that it put the suppression of overlaps into the graph."""
    if "'nms': True" not in said.get("args", ""):
        return ()
    return (
        "exported with nms=True: candidates below its conf (0.25 unless it was exported with another) are not there, "
        "so that a lower threshold finds no more, and of each candidate only its likeliest class; exported without nms "
        "it has both",
    )


def _say_what_it_is_now(adapted: Adapted) -> dict[str, str]:
    """Bring in line what the exporter wrote beside the graph, and give it: the bundle is checked against it."""
    said = {entry.key: entry.value for entry in adapted.model.metadata_props}
    if "names" in said:
        said["names"] = str(dict(enumerate(adapted.output.classes)))
    if adapted.output.task == "yolo":
        said.update({key: value for key, value in (("task", "detect"), ("end2end", "False")) if key in said})
    helper.set_model_props(adapted.model, said)
    return said


_REFUSED: Final[Mapping[Family, str]] = {
    "own": "is a bundle's model already: `aoi-daemon bundle make` takes it without a task",
}
