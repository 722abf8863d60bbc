"""What a bundle says about itself: manifest, report, recommended limits.

Process: offline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aoi_daemon.config import recipe as schema
from aoi_daemon.config.calibration import Calibration
from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.config.precision import Precision
from aoi_daemon.config.recipe import GoldenPart, Manifest
from aoi_daemon.config.tasks import ModelOutput
from aoi_daemon.engine.bundle.exported import Exported
from aoi_daemon.engine.frames import Frame, folder_name, pairs_hash, set_hash
from aoi_daemon.engine.labels.formats import Format
from aoi_daemon.engine.precision.choice import choice_json, float_layers
from aoi_daemon.engine.precision.sensitivity import Asked
from aoi_daemon.engine.precision.variants import Refusable, Variant
from aoi_daemon.engine.qualify.qualify import Board
from aoi_daemon.engine.qualify.task_figures import MAP_TASKS
from aoi_daemon.engine.qualify.thresholds import Recommendation
from aoi_daemon.engine.report.report import Report, figures_of, now_utc, versions


@dataclass(frozen=True)
class Request:
    """What `aoi-daemon bundle make` was asked for; the command's help says what each is.

    Attributes:
        must: refuse the bundle where a precision cannot be kept; else it is left out.
        stride_px: None: read off the model.
        least_score: no threshold is chosen below.
        cache: folder of calibration ranges; None: nowhere.
        int8: whether, to which bound and how long layers are tried in float.
        command: as it goes into the manifest.
        bits: depth of all images whose samples have 16 bits; see `pictures`.
        prune: make fp16 and int8 of weights that are 2:4, where they keep up.
        exported: what is said of another program's model; None: it is our own detector.
        labels: their layout; None: by what lies in the folders.
        named: whether a person said what the classes are.
        notes: further lines for the report.
    """

    model: Path
    name: str
    classes: tuple[str, ...]
    calibration: Path | None
    qualification: Path
    golden: Path
    validation: Path
    out: Path
    precisions: tuple[Precision, ...]
    must: bool
    threads: int
    golden_count: int
    calibration_count: int
    stride_px: int | None
    least_score: float
    cache: Path | None
    command: str
    bits: int | None = None
    prune: bool = False
    int8: Asked = field(default_factory=Asked)
    exported: Exported | None = None
    labels: Format | None = None
    named: bool = True
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What making the precisions came to.

    Attributes:
        variants: those that could be made, FP32 first.
        refused: why a precision is not shipped.
        notes: what else is worth telling.
    """

    variants: tuple[Variant, ...]
    refused: Mapping[Refusable, str]
    notes: Mapping[str, str]

    @property
    def shipped(self) -> dict[Precision, Variant]:
        """Those that are kept."""
        return {v.precision: v for v in self.variants if v.precision not in self.refused}


def limits_of(manifest: ModelOutput, chosen: Sequence[Recommendation]) -> tuple[ClassLimit, ...]:
    """Recommended thresholds as limits, of the classes that are defects."""
    rows = zip(manifest.classes, chosen, strict=True)
    return tuple(ClassLimit(name=name, score=row.threshold) for name, row in rows if name not in manifest.good_classes)


def limits_toml(report: Report, manifest: ModelOutput) -> str:
    """The recommended thresholds as a snippet of a recipe."""
    text = f"# Score thresholds for {report.bundle}, chosen on {report.recommended_from}; copy into a recipe.\n"
    for limit in limits_of(manifest, report.recommended):
        text += f"\n[[limits]]\nname = {json.dumps(limit.name)}\nscore = {limit.score}\n"
    if manifest.task in MAP_TASKS:
        text += f"\n[maps]\nthreshold = {manifest.maps.threshold}\n"
    return text


def make_report(
    request: Request,
    outcome: Outcome,
    *,
    boards: Sequence[Board],
    calibration: Sequence[Frame],
    chosen: Sequence[Recommendation],
) -> Report:
    """The record of what was measured on `boards`, with the thresholds `chosen`."""
    notes = {"command": request.command, **request.notes, **outcome.notes}
    if calibration and request.calibration is not None:
        notes["calibration"] = f"{len(calibration)} frames of {folder_name(request.calibration)}"
    notes.update({f"{precision} refused": reason for precision, reason in outcome.refused.items()})
    return Report(
        bundle=request.name,
        classes=request.classes,
        boards_from=folder_name(request.qualification),
        set_sha256=pairs_hash([board.pair for board in boards]),
        boards=tuple(boards),
        thresholds=tuple(row.threshold for row in chosen),
        limits_from=f"chosen on {folder_name(request.validation)}: fewest escapes first, then fewest false calls",
        runs={v.precision: v.run for v in outcome.variants},
        measured={v.precision: v.measured for v in outcome.variants},
        golden_parts=request.golden_count,
        golden_wrong={v.precision: v.golden_wrong for v in outcome.variants},
        refused={precision: reason for precision, reason in outcome.refused.items()},
        recommended=tuple(chosen),
        recommended_from=folder_name(request.validation),
        notes=notes,
        made_at=now_utc(),
        int8=next((choice_json(v.choice) for v in outcome.variants if v.choice is not None), None),
        task=outcome.variants[0].measured.of_task.task,
    )


def complete(
    manifest: Manifest,
    request: Request,
    outcome: Outcome,
    report: Report,
    *,
    golden: tuple[GoldenPart, ...],
    calibration: Sequence[Frame],
    report_sha256: str,
) -> Manifest:
    """The manifest with all that was made and measured."""
    int8 = outcome.shipped.get("int8")
    return manifest.model_copy(
        update={
            "models": {
                p: schema.Model(file=v.file.name, sha256=v.sha256, sparsity=v.sparsity)
                for p, v in outcome.shipped.items()
            },
            "golden": golden,
            "golden_limits": limits_of(manifest, report.recommended),
            "calibration": None if int8 is None else _calibration(int8, calibration),
            "qualification": qualification_of(report, outcome, report_sha256),
            "provenance": schema.Provenance(
                command=request.command,
                made_at=report.made_at,
                source_sha256=hashlib.sha256(request.model.read_bytes()).hexdigest(),
                versions=versions(),
                boxes=f"labels of {folder_name(request.golden)} that fp32 found clearly",
            ),
        }
    )


def qualification_of(report: Report, outcome: Outcome, report_sha256: str) -> schema.Qualification:
    """The part of a report that the manifest carries."""
    sizes = sorted({(board.pair.width_px, board.pair.height_px) for board in report.boards})
    return schema.Qualification(
        boards=len(report.boards),
        set_sha256=report.set_sha256,
        sizes=tuple(schema.FrameSize(width_px=w, height_px=h) for w, h in sizes),
        models={precision: figures_of(v.measured) for precision, v in outcome.shipped.items()},
        refused=dict(outcome.refused),
        report_sha256=report_sha256,
    )


def _calibration(int8: Variant, frames: Sequence[Frame]) -> Calibration | None:
    """How the INT8 model was made; its loss is told where it was made as the choice says."""
    choice = int8.choice
    if int8.method is None or choice is None:
        return None
    as_chosen = int8.method == next(iter(choice.methods))
    return Calibration(
        method=int8.method,
        frames=len(frames),
        set_sha256=set_hash(frames),
        kept_float=float_layers(choice) if as_chosen else (),
        loss=round((choice.reached if as_chosen else choice.methods[int8.method]).drift.share, 6),
    )
