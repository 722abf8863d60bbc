"""Judge a bundle's models anew, into a new bundle: the same files and golden parts, today's figures.

Process: offline. For a bundle that was made before this program knew bf16, or on a CPU without it; and for a report of
old words or other boards. Nothing is trained, quantised or chosen again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from aoi_daemon.config.precision import PRECISIONS, Precision
from aoi_daemon.config.recipe import Manifest, Provenance
from aoi_daemon.engine.bundle.make import LIMITS, REPORT_JSON, check_out, making, settle, write_manifest, write_report
from aoi_daemon.engine.bundle.records import Outcome, qualification_of
from aoi_daemon.engine.faults import InputError, RefusedError
from aoi_daemon.engine.frames import folder_name, pairs_hash
from aoi_daemon.engine.labels import read_labelled
from aoi_daemon.engine.labels.formats import Format
from aoi_daemon.engine.precision.variants import Bench, Refusable, Variant
from aoi_daemon.engine.progress import Progress
from aoi_daemon.engine.qualify.asked import asked_for
from aoi_daemon.engine.qualify.qualify import Judging, boards_of
from aoi_daemon.engine.qualify.thresholds import Recommendation
from aoi_daemon.engine.qualify.verify import check_report, golden_of
from aoi_daemon.engine.report.report import REFERENCE, Report, now_utc
from aoi_daemon.files import put_in_place
from aoi_daemon.infer.bundle import Bundle, load_bundle

_THEN = "; then: "


@dataclass(frozen=True)
class Renewal:
    """What `aoi-daemon bundle renew` was asked for.

    Attributes:
        bundle: its folder; it is not changed.
        qualification: labelled boards that all figures are of.
        out: a new folder.
        precisions: these and no fewer; None: all of the bundle's, and bf16, that keep up with fp32.
        command: as it goes into the manifest.
        bits: depth of the boards' images whose samples have 16 bits; see `pictures`.
        labels: their layout; None: by what lies in the folder.
    """

    bundle: Path
    qualification: Path
    out: Path
    precisions: tuple[Precision, ...] | None
    threads: int
    command: str
    bits: int | None = None
    labels: Format | None = None


def renew_bundle(order: Renewal, progress: Progress) -> Report:
    """Make `order.out` from `order.bundle`; what was measured.

    Raises:
        RefusedError: FP32, or a precision that was asked for by name, does not keep up.
        AoiError: naming the file and the value that is wrong.
    """
    check_out(order.out)
    bundle = load_bundle(order.bundle)
    check_report(bundle)
    manifest = bundle.manifest
    wanted = _wanted(order, manifest)
    asked = asked_for(manifest, layout=order.labels, bits=order.bits)
    pairs = read_labelled(order.qualification, asked)
    with making(order.out) as folder:
        bench = Bench(
            folder=folder, manifest=manifest, judging=Judging(manifest, None), boards=boards_of(pairs, manifest),
            choosing=(), golden=golden_of(bundle), threads=order.threads, progress=progress,
        )  # fmt: skip
        outcome = _judge_all(bench, bundle, wanted, must=order.precisions is not None)
        report = _report(order, bundle, bench, outcome)
        _copy_golden(bundle, folder)
        sha256 = write_report(folder, report)
        write_manifest(folder, _renewed(manifest, order, outcome, report, sha256))
        load_bundle(folder)  # the check that a line makes
        put_in_place(folder, order.out)
    return report


def _wanted(order: Renewal, manifest: Manifest) -> list[Precision]:
    """What is judged, FP32 first. Raises InputError where the bundle has no file for one."""
    there = [p for p in PRECISIONS if p in manifest.models or p == "bf16"]
    if REFERENCE not in there:
        raise InputError(f"{order.bundle}: has no fp32 to compare with; make the bundle again: aoi-daemon bundle make")
    missing = [p for p in order.precisions or () if p not in there]
    if missing:
        have, make = ", ".join(manifest.models), "aoi-daemon bundle make"
        raise InputError(
            f"--precisions: {order.bundle} has no {', '.join(missing)} (there: {have}); {make} makes one"
        )
    return [p for p in there if p == REFERENCE or p in (order.precisions or there)]


def _judge_all(bench: Bench, bundle: Bundle, wanted: Sequence[Precision], *, must: bool) -> Outcome:
    """Copy and judge each model; the files of those that are refused are removed."""

    def judged(precision: Precision) -> Variant:
        file = Path(shutil.copyfile(bundle.model_path(precision), bench.folder / bundle.model_path(precision).name))
        return bench.judged(precision, file, bundle.manifest.models[precision].sha256)

    reference = judged("fp32")
    if reference.refused:
        raise RefusedError(f"{bundle.folder}: fp32 is refused: {reference.refused}")
    bench = replace(bench, reference=reference)
    makes = {p: bench.try_bf16 if p == "bf16" else partial(judged, p) for p in wanted if p != "fp32"}
    outcome = settle(bundle.folder, reference, makes, must=must, notes=bench.notes)
    return replace(outcome, refused={**_left_out_before(bundle.manifest), **outcome.refused})


def _report(order: Renewal, bundle: Bundle, bench: Bench, outcome: Outcome) -> Report:
    manifest, old = bundle.manifest, _old_report(bundle)
    stale = {f"{p} refused" for p in PRECISIONS}
    chosen = old.get("recommended", {})
    rows = [Recommendation(**row) for row in chosen.get("classes", {}).values()]
    return Report(
        bundle=manifest.name,
        classes=manifest.classes,
        boards_from=folder_name(order.qualification),
        set_sha256=pairs_hash([board.pair for board in bench.boards]),
        boards=tuple(bench.boards),
        thresholds=tuple(round(float(score), 6) for score in bench.judging.thresholds),
        limits_from=old.get("limits_from", "the bundle's golden limits"),
        runs={v.precision: v.run for v in outcome.variants},
        measured={v.precision: v.measured for v in outcome.variants},
        golden_parts=len(bench.golden),
        golden_wrong={v.precision: v.golden_wrong for v in outcome.variants},
        refused={p: reason for p, reason in outcome.refused.items()},
        recommended=rows if len(rows) == len(manifest.classes) else (),
        recommended_from=chosen.get("from", ""),
        task=manifest.task,
        notes={
            **{name: words for name, words in old.get("notes", {}).items() if name not in stale},
            **{f"{p} refused": reason for p, reason in outcome.refused.items()},
            "judged anew": order.command,
        },
        made_at=now_utc(),
    )


def _old_report(bundle: Bundle) -> dict[str, Any]:
    """The bundle's report, whose hash is checked; empty where it came without."""
    file = bundle.folder / REPORT_JSON
    if bundle.manifest.qualification is None or not file.exists():
        return {}
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found


def _left_out_before(manifest: Manifest) -> dict[Refusable, str]:
    """Why precisions whose file is gone were left out when the bundle was made."""
    before = {} if manifest.qualification is None else manifest.qualification.refused
    return {p: reason for p, reason in before.items() if p != "bf16" and p not in manifest.models}


def _copy_golden(bundle: Bundle, folder: Path) -> None:
    names = [n for part in bundle.manifest.golden for n in (part.image, part.template) if n is not None]
    for name in [*names, *([LIMITS] if (bundle.folder / LIMITS).exists() else [])]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.folder / name, folder / name)


def _renewed(manifest: Manifest, order: Renewal, outcome: Outcome, report: Report, report_sha256: str) -> Manifest:
    made: Provenance | None = manifest.provenance
    if made is not None:
        made = made.model_copy(update={"command": made.command.split(_THEN)[0] + _THEN + order.command})
    return manifest.model_copy(
        update={
            # The files are the same; bf16 is fp32's.
            "models": {p: manifest.models.get(p, manifest.models["fp32"]) for p in outcome.shipped},
            "calibration": manifest.calibration if "int8" in outcome.shipped else None,
            "qualification": qualification_of(report, outcome, report_sha256),
            "provenance": made,
        }
    )
