"""What an exported ONNX file is: by what it says of itself and by its graph, which must not contradict each other.

Process: offline. Blocks in reading the file. Needs the package `onnx`.
"""

from __future__ import annotations

from pathlib import Path

from aoi_daemon.engine.exports.by_metadata import by_metadata
from aoi_daemon.engine.exports.by_structure import by_structure
from aoi_daemon.engine.exports.described import Described, Kind
from aoi_daemon.engine.exports.facts import Facts, shown
from aoi_daemon.engine.exports.found import Found
from aoi_daemon.engine.exports.opened import open_export
from aoi_daemon.engine.exports.own import own
from aoi_daemon.engine.exports.picture import Picture, picture_of, pixels_seen
from aoi_daemon.engine.exports.refusals import check_graph
from aoi_daemon.engine.precision.graph import Graph, stride
from aoi_daemon.errors import ModelError


def recognise(path: Path, *, kind: Kind | None = None, classes: tuple[str, ...] = ()) -> Described:
    """Say what the exported file at `path` is.

    Args:
        path: an ONNX file; weights beside it must be there, and are not read.
        kind: what a person says that it is for (`--task`): decides where the file could be of two kinds.
        classes: as a person names them (`--classes`), in the model's order: as many as it has.

    Raises:
        ModelError: it cannot be read, is no ONNX, or none that can be taken; or it contradicts itself, `kind` or
            `classes`. Names the file, the reason and the export that would do.
    """
    facts = Facts(open_export(path), path)
    check_graph(facts)
    if (described := own(facts, kind)) is None:
        picture = picture_of(facts)
        found = by_metadata(facts) or by_structure(facts, picture, kind)
        if picture.batch not in (1, None) and found.family != "anomaly":
            raise ModelError(
                f"{path}: takes {picture.batch} pictures at once; export it for one (Ultralytics: batch=1), or leave "
                "the batch open"
            )
        _check_batch(facts, picture, found)
        described = _described(facts, picture, found)
    _check_kind(path, described, kind)
    _check_classes(path, described, classes)
    return described


def _described(facts: Facts, picture: Picture, found: Found) -> Described:
    pixels = pixels_seen(facts, picture) or found.pixels
    version = facts.model.producer_version.partition("+")[0].partition(" ")[0]
    producer = f"{facts.model.producer_name} {version}".strip()
    sizes = (picture.height_px, picture.width_px)
    step = found.stride_px or stride(Graph(facts.model))
    # A model of one size takes that, whatever its strides: what is over at an edge is padded inside it.
    if None not in sizes and any(size % step for size in sizes if size):
        step = 1
    return Described(
        found.family, found.kind, found.program or producer, facts.opset, picture.tensor, picture.layout,
        picture.channels, picture.height_px, picture.width_px, step, facts.settled(), found.classes, pixels,
        found.activation, found.notes, found.count,
    )  # fmt: skip


def _check_batch(facts: Facts, picture: Picture, found: Found) -> None:
    """Refuse answers for other pictures than the file takes."""
    if found.family == "torchvision-detect":
        return  # rows of one picture, without a batch
    for output in facts.outputs:
        if not output.shape or output.shape[0] not in (None, picture.batch, 1 if picture.batch is None else None):
            raise ModelError(
                f"{facts.file}: takes {picture.batch or 'any number of'} pictures and puts out {shown(output)}; "
                "expected [1, ...]: export it for one picture, and do not change its outputs"
            )


def _check_kind(path: Path, described: Described, kind: Kind | None) -> None:
    if kind not in (None, described.kind):
        raise ModelError(
            f"{path}: is for {described.kind} ({described.family}), and --task {kind} was asked for; say --task "
            f"{described.kind}, or export a model of that task"
        )


def _check_classes(path: Path, described: Described, told: tuple[str, ...]) -> None:
    for whose, names in (("it names", described.classes), ("--classes names", told)):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ModelError(
                f"{path}: {whose} {', '.join(twice[:3])} twice; verdicts and limits go by names: rename one and "
                "export it again" + (", or name them with --classes" if whose == "it names" and not told else "")
            )
        if names and described.count not in (None, len(names)) and not _may_differ(described, len(names)):
            raise ModelError(
                f"{path}: has {described.count} classes by its outputs, {whose} {len(names)} "
                f"({', '.join(names[:5])}): name all of them, background and good ones too, in the order of its "
                "training"
            )
    if told and described.classes and described.count is None and len(told) != len(described.classes):
        raise ModelError(
            f"{path}: names {len(described.classes)} classes itself ({', '.join(described.classes[:5])}), --classes "
            f"names {len(told)}: name as many, in its order"
        )


def _may_differ(described: Described, names: int) -> bool:
    """One output of a classification tells two classes apart; of DETR's logits the last may be for nothing."""
    if described.kind == "classify" and described.count == 1:
        return names in (1, 2)
    return described.family == "rtdetr" and described.activation == "none" and described.count == names + 1
