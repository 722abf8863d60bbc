"""Make a bundle folder, complete or not at all.

Process: offline. Needs the extra `engine`. Everything is written to a folder beside the wanted one and
renamed into place at the end; an error or Ctrl-C removes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.engine.bundle import golden
from aoi_daemon.engine.bundle.records import Outcome, Request, complete, limits_of, limits_toml, make_report
from aoi_daemon.engine.faults import InputError, RefusedError
from aoi_daemon.engine.frames import Frame, list_frames, spread
from aoi_daemon.engine.labels import read_pairs
from aoi_daemon.engine.precision.graph import Graph, save_model, stride
from aoi_daemon.engine.precision.graph import Model as OnnxModel
from aoi_daemon.engine.precision.prepare import prepare_fp32
from aoi_daemon.engine.precision.variants import Bench, Variant, attempt, check_contract
from aoi_daemon.engine.progress import Progress
from aoi_daemon.engine.qualify.qualify import Board, Golden, Judging, Run, boards_of, run_boards
from aoi_daemon.engine.qualify.thresholds import recommend
from aoi_daemon.engine.report.html import page
from aoi_daemon.engine.report.report import Report, as_json
from aoi_daemon.files import put_in_place
from aoi_daemon.infer.bundle import MANIFEST, load_bundle
from aoi_daemon.infer.onnx.executor import OnnxExecutor

REPORT_JSON: Final = "report.json"
REPORT_HTML: Final = "report.html"
LIMITS: Final = "limits.toml"


@dataclass(frozen=True)
class _Sets:
    """The folders, read and checked before anything is computed."""

    qualification: list[Board]
    golden: list[Board]
    validation: list[Board]
    calibration: list[Frame]


def make_bundle(request: Request, progress: Progress) -> Report:
    """Make `request.out`; what was measured.

    Raises:
        RefusedError: FP32, or a precision that was asked for by name, cannot be kept.
        AoiError: naming the file and the value that is wrong.
    """
    if request.out.exists():
        raise InputError(f"{request.out}: exists already; choose another folder, a bundle is never changed")
    if not request.out.absolute().parent.is_dir():
        raise InputError(f"{request.out}: the folder that it is to lie in does not exist")
    model = prepare_fp32(request.model)
    has_template, channels = check_contract(model, request.model)
    manifest = Manifest(
        name=request.name,
        classes=request.classes,
        channels=channels,
        stride_px=request.stride_px or stride(Graph(model)),
        has_template=has_template,
        # Until the files are there: executors hold a model to the rest of the manifest.
        models={"fp32": Model(file="fp32.onnx", sha256="0" * 64)},
    )
    sets = _read_sets(request, manifest)
    with _making(request.out) as folder:
        report = _fill(folder, request, manifest, model, sets=sets, progress=progress)
        load_bundle(folder)  # the check that a line makes
        put_in_place(folder, request.out)
    return report


def _fill(
    folder: Path, request: Request, manifest: Manifest, model: OnnxModel, *, sets: _Sets, progress: Progress
) -> Report:
    """Write everything that the bundle holds into `folder`."""
    file = folder / "fp32.onnx"
    save_model(model, file)

    def run_fp32(what: str, boards: Sequence[Board], judging: Judging) -> Run:
        advance = progress.task(what, len(boards))
        with OnnxExecutor(file, manifest, threads=request.threads) as executor:
            return run_boards("fp32", executor, boards, judging, threads=request.threads, advance=advance)

    seen = run_fp32("choosing thresholds", sets.validation, Judging(manifest, None))
    chosen = recommend(seen.found, [b.pair for b in sets.validation], len(manifest.classes), request.least_score)
    judging = Judging(manifest, None, limits_of(manifest.classes, chosen))
    seen = run_fp32("choosing golden parts", sets.golden, judging)
    parts = golden.choose(sets.golden, seen, judging.thresholds, manifest.classes, count=request.golden_count)
    bench = Bench(
        folder=folder,
        manifest=manifest,
        judging=judging,
        boards=sets.qualification,
        choosing=sets.validation,
        golden={part.name: Golden(part.frame, part.passed, part.boxes) for part in parts},
        threads=request.threads,
        progress=progress,
    )
    outcome = _try_all(bench, request, model, sets.calibration)
    report = make_report(request, outcome, boards=sets.qualification, calibration=sets.calibration, chosen=chosen)
    raw = (json.dumps(as_json(report), indent=1) + "\n").encode()
    (folder / REPORT_JSON).write_bytes(raw)
    (folder / REPORT_HTML).write_text(page(report), encoding="utf-8")
    (folder / LIMITS).write_text(limits_toml(report), encoding="utf-8")
    manifest = complete(
        manifest,
        request,
        outcome,
        report,
        golden=golden.write_golden(folder, parts),
        calibration=sets.calibration,
        report_sha256=hashlib.sha256(raw).hexdigest(),
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return report


def _try_all(bench: Bench, request: Request, model: OnnxModel, frames: Sequence[Frame]) -> Outcome:
    """Make and judge every precision; the files of those that are refused are removed.

    Raises:
        RefusedError: FP32, or a precision that was asked for by name, cannot be kept or not be made.
    """
    reference = bench.try_model("fp32", model)
    if reference.refused:
        raise RefusedError(f"{request.model}: fp32 is refused: {reference.refused}")
    bench = replace(bench, reference=reference)
    variants: list[Variant] = [reference]
    refused: dict[Literal["fp16", "int8"], str] = {}
    for precision in request.precisions:
        if precision == "fp32":
            continue
        make = partial(bench.try_fp16, model) if precision == "fp16" else partial(
            bench.try_int8, model, frames, request.cache, request.int8
        )  # fmt: skip
        made = attempt(make)
        reason = made if isinstance(made, str) else made.refused
        if reason is not None:
            if request.must:
                rest = ",".join(p for p in request.precisions if p != precision)
                raise RefusedError(
                    f"{request.model}: {precision} is refused: {reason}; leave it out: --precisions {rest}"
                )
            refused[precision] = reason
        if not isinstance(made, str):
            variants.append(made)
            if reason is not None:
                made.file.unlink()
    return Outcome(tuple(variants), refused, bench.notes)


def _read_sets(request: Request, manifest: Manifest) -> _Sets:
    def labelled(folder: Path) -> list[Board]:
        return boards_of(read_pairs(folder, class_count=len(manifest.classes), bits=request.bits), manifest)

    calibration: list[Frame] = []
    if "int8" in request.precisions:
        if request.calibration is None:
            raise InputError("int8 needs --calibration DIR, a folder of real frames; or leave it out of --precisions")
        calibration = spread(list_frames(request.calibration, manifest, request.bits), request.calibration_count)
    return _Sets(labelled(request.qualification), labelled(request.golden), labelled(request.validation), calibration)


@contextmanager
def _making(out: Path) -> Iterator[Path]:
    """A folder beside `out`, removed unless it was renamed away."""
    out = out.absolute()
    folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.making-"))
    try:
        # mkdtemp's folder is for its owner alone; a bundle is read by the service's user.
        umask = os.umask(0)
        os.umask(umask)
        folder.chmod(0o777 & ~umask)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
