"""What a qualification found, as one record that JSON, page and manifest are written from.

Process: offline.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from typing import Any, Final

import numpy as np

from aoi_daemon import __version__
from aoi_daemon.config.recipe import Figures
from aoi_daemon.engine.qualify.conclusion import Bounds, Conclusion, State, conclude, worst
from aoi_daemon.engine.qualify.gate import BOX_TASKS, MAX_MAP_LOSS
from aoi_daemon.engine.qualify.metrics import Point
from aoi_daemon.engine.qualify.qualify import Board, Measured, Run
from aoi_daemon.engine.qualify.rates import Rate
from aoi_daemon.engine.qualify.task_figures import MOST_SHARE
from aoi_daemon.engine.qualify.thresholds import Recommendation
from aoi_daemon.messages import Reason

REFERENCE: Final = "fp32"
_PACKAGES: Final = ("onnxruntime", "openvino", "onnx", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class Report:
    """One qualification.

    Attributes:
        bundle: name of the bundle.
        boards_from: name of the folder that the boards came from, without its path.
        set_sha256: hash of the boards' names and bytes.
        thresholds: score from which each class counts.
        limits_from: in words, where the thresholds are from.
        recommended: thresholds chosen on `recommended_from`, by class; empty: none were chosen.
        runs, measured: by precision, FP32 first.
        golden_parts: how many golden parts each precision was checked on.
        golden_wrong: names of those that it got wrong, by precision.
        refused: why a precision may not ship; those that may are not in it.
        bounds: what the product asks for; None: nothing is concluded of a product (`bundle make`), a precision is
            kept or left out.
        asked: the precisions of which something is concluded; the others are there to be compared with.
        notes: further lines for the page's head: calibration, command.
        made_at: UTC, ISO 8601.
        skipped: precisions of the bundle that this machine cannot run, and why.
        registration: its gain and cost, as `registration_gain.as_json` gives them; None: not measured.
        task: of the bundle's models.
        int8: how INT8 was made, as `choice.choice_json` gives it; None: it was not made here.
    """

    bundle: str
    classes: tuple[str, ...]
    boards_from: str
    set_sha256: str
    boards: tuple[Board, ...]
    thresholds: tuple[float, ...]
    limits_from: str
    runs: Mapping[str, Run]
    measured: Mapping[str, Measured]
    golden_parts: int
    golden_wrong: Mapping[str, Sequence[str]]
    refused: Mapping[str, str]
    bounds: Bounds | None = None
    asked: tuple[str, ...] = ()
    recommended: Sequence[Recommendation] = ()
    recommended_from: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    made_at: str = ""
    skipped: Mapping[str, str] = field(default_factory=dict)
    registration: Mapping[str, Any] | None = None
    int8: Mapping[str, Any] | None = None
    task: str = "top100"

    @property
    def bad_count(self) -> int:
        """Boards with a label."""
        return sum(not board.pair.is_good for board in self.boards)

    @property
    def conclusions(self) -> dict[str, Conclusion]:
        """What the boards show of each precision that was asked for; empty without bounds."""
        if self.bounds is None:
            return {}
        return {
            precision: conclude(self.measured[precision].agreement, self.bounds, self.refused.get(precision))
            for precision in self.asked
        }

    @property
    def state(self) -> State | None:
        """The worst of the conclusions; None without bounds."""
        return worst(self.conclusions.values()) if self.bounds is not None else None

    def standing(self, precision: str) -> str:
        """What became of a precision, in a word or two."""
        if self.bounds is None:
            return "left out" if precision in self.refused else "kept"
        found = self.conclusions.get(precision)
        return "reference" if found is None else str(found.state)

    def not_looked_at(self, precision: str) -> dict[str, int]:
        """Boards that were rejected before the model saw them, by reason."""
        reasons = Counter(verdict.reason for verdict in self.runs[precision].verdicts)
        return {reason.name: reasons[reason] for reason in (Reason.OPTICS, Reason.REGISTRATION) if reasons[reason]}

    def escapes(self, precision: str) -> list[int]:
        """Bad boards (indices) that passed."""
        passed = self.runs[precision].passed
        return [i for i, board in enumerate(self.boards) if passed[i] and not board.pair.is_good]

    def false_calls(self, precision: str) -> list[int]:
        """Good boards (indices) that were rejected."""
        passed = self.runs[precision].passed
        return [i for i, board in enumerate(self.boards) if not passed[i] and board.pair.is_good]

    def flips(self, precision: str) -> list[int]:
        """Boards (indices) whose verdict is not FP32's."""
        return list(self.measured[precision].flips)


def now_utc() -> str:
    """The time, UTC, ISO 8601 to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def versions() -> dict[str, str]:
    """What took part in a qualification."""
    found = {"aoi-daemon": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # another distribution of the same module, or not needed here
    return found


def figures_of(measured: Measured) -> Figures:
    """The part of a run's figures that the manifest carries."""
    seen = measured.agreement
    return Figures(
        map33=round(measured.map33, 6), map50=round(measured.map50, 6), map50_95=round(measured.map50_95, 6),
        f_score=round(measured.at_limits.f_score, 6),
        bad_boards=seen.escapes.of, escapes=seen.escapes.count,
        good_boards=seen.false_calls.of, false_calls=seen.false_calls.count,
        flips=len(measured.flips), kappa=None if seen.kappa is None else round(seen.kappa, 6),
    )  # fmt: skip


def as_json(report: Report) -> dict[str, Any]:
    """The record as JSON: every figure with what it was measured on, every verdict by board."""
    sizes = sorted({(board.pair.width_px, board.pair.height_px) for board in report.boards})
    return {
        "bundle": report.bundle,
        "made_at": report.made_at,
        "versions": versions(),
        "notes": dict(report.notes),
        "boards": {
            "from": report.boards_from,
            "set_sha256": report.set_sha256,
            "count": len(report.boards),
            "bad": report.bad_count,
            "good": len(report.boards) - report.bad_count,
            "labels": sum(len(board.pair.boxes) for board in report.boards),
            "sizes_px": [list(size) for size in sizes],
        },
        "task": report.task,
        "gate": {
            "map50_loss_allowed": MAX_MAP_LOSS if report.task in BOX_TASKS else None,
            "share_allowed": None if report.task == "top100" else MOST_SHARE,
            "golden_parts": report.golden_parts,
            "golden_flips_allowed": 0,
        },
        "outcome": None if report.state is None else str(report.state),
        "bounds": None if report.bounds is None else asdict(report.bounds),
        "limits_from": report.limits_from,
        "thresholds": dict(zip(report.classes, report.thresholds, strict=True)),
        "recommended": {
            "from": report.recommended_from,
            "classes": {name: row._asdict() for name, row in zip(report.classes, report.recommended, strict=False)},
        },
        "precisions": {precision: _precision(report, precision) for precision in report.runs},
        "refused": dict(report.refused),
        "skipped": dict(report.skipped),
        "registration": report.registration,
        "int8": report.int8,
        "verdicts": {
            board.pair.name: {
                "good": board.pair.is_good,
                "passed": {precision: run.verdicts[i].passed for precision, run in report.runs.items()},
                "reason": {precision: run.verdicts[i].reason.name for precision, run in report.runs.items()},
            }
            for i, board in enumerate(report.boards)
        },
    }


def _precision(report: Report, precision: str) -> dict[str, Any]:
    run, measured = report.runs[precision], report.measured[precision]
    seen = measured.agreement

    def names(indices: Sequence[int]) -> list[str]:
        return [report.boards[i].pair.name for i in indices]

    false = (~measured.matches.right) & (
        measured.matches.scores >= np.array(report.thresholds)[measured.matches.classes]
    )
    return {
        "standing": report.standing(precision),
        "conclusion": _conclusion(report.conclusions.get(precision)),
        "not_looked_at": report.not_looked_at(precision),
        "executor": run.executor,
        "map33": measured.map33,
        "map33_voc": measured.map33_voc,
        "map50": measured.map50,
        "map50_95": measured.map50_95,
        "ap33": dict(zip(report.classes, measured.ap33, strict=True)),
        "f_score": _point(measured.at_limits),
        "best_f_score": _point(measured.best),
        "false_detections_per_board": float(false.sum() / len(report.boards)),
        "escapes": {**_rate(seen.escapes), "boards": names(report.escapes(precision))},
        "false_calls": {**_rate(seen.false_calls), "boards": names(report.false_calls(precision))},
        "kappa": seen.kappa,
        "flips": names(report.flips(precision)),
        "of_task": asdict(measured.of_task),
        "golden_wrong": sorted(report.golden_wrong.get(precision, ())),
        "latency": {
            "median_ms": measured.median_ms,
            "p99_ms": measured.p99_ms,
            "threads": run.threads,
            "frames": len(run.took_ns),
        },
    }


def _conclusion(found: Conclusion | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "state": str(found.state), "words": str(found), "reasons": list(found.reasons), "more_good": found.more_good,
        "more_bad": found.more_bad,
    }  # fmt: skip


def _point(point: Point) -> dict[str, float | None]:
    return dict(point._asdict())


def _rate(rate: Rate) -> dict[str, float | int | None]:
    return {"count": rate.count, "of": rate.of, "rate": rate.rate, "limits95": [rate.low, rate.high]}  # type: ignore[dict-item]
