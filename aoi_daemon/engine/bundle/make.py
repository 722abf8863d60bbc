"""Make a bundle folder, complete or not at all.

Process: offline. Needs the extra `engine`. Everything is written to a folder beside the wanted one and
renamed into place at the end; an error or Ctrl-C removes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.bundle import golden
from aoi_daemon.engine.bundle.chosen import Fp32, choose_golden, choose_limits
from aoi_daemon.engine.bundle.exported import begin, frame_of_model
from aoi_daemon.engine.bundle.records import Outcome, Request, complete, limits_of, limits_toml, make_report
from aoi_daemon.engine.bundle.sets import Sets, read_sets
from aoi_daemon.engine.faults import InputError, RefusedError
from aoi_daemon.engine.frames import Frame, folder_name
from aoi_daemon.engine.precision.graph import Model as OnnxModel
from aoi_daemon.engine.precision.graph import save_model
from aoi_daemon.engine.precision.prune import check_prunable
from aoi_daemon.engine.precision.variants import Bench, Refusable, Variant, attempt
from aoi_daemon.engine.progress import Progress
from aoi_daemon.engine.qualify.qualify import Golden, Judging
from aoi_daemon.engine.report.html import page
from aoi_daemon.engine.report.report import Report, as_json
from aoi_daemon.errors import ModelError
from aoi_daemon.files import put_in_place
from aoi_daemon.infer.bundle import MANIFEST, load_bundle
from aoi_daemon.infer.onnx.executor import OnnxExecutor

REPORT_JSON: Final = "report.json"
REPORT_HTML: Final = "report.html"
LIMITS: Final = "limits.toml"


def make_bundle(request: Request, progress: Progress) -> Report:
    """Make `request.out`; what was measured.

    Raises:
        RefusedError: FP32, or a precision that was asked for by name, cannot be kept.
        AoiError: naming the file and the value that is wrong.
    """
    check_out(request.out)
    begun = begin(request.model, request.name, request.classes, request.exported, request.stride_px)
    model, manifest = begun.model, begun.manifest
    request = replace(request, classes=manifest.classes, notes=begun.notes)
    if request.prune:
        _check_prune(request, model)
    sets = read_sets(request, manifest, frame_of_model(model))
    with making(request.out) as folder:
        report = _fill(folder, request, manifest, model, sets=sets, progress=progress)
        load_bundle(folder)  # the check that a line makes
        put_in_place(folder, request.out)
    return report


def _fill(
    folder: Path, request: Request, manifest: Manifest, model: OnnxModel, *, sets: Sets, progress: Progress
) -> Report:
    """Write everything that the bundle holds into `folder`."""
    file = folder / "fp32.onnx"
    save_model(model, file)

    with OnnxExecutor(file, manifest, threads=request.threads) as executor:
        fp32 = Fp32(executor, request.threads, progress)
        manifest, chosen = choose_limits(fp32, manifest, sets.validation, request.least_score)
        judging = Judging(manifest, None, limits_of(manifest, chosen))
        asked = golden.Wanted(manifest, judging.thresholds, request.golden_count, all_classes=request.exported is None)
        parts = choose_golden(fp32, asked, sets.golden, judging)
    if request.exported is not None and (unproven := golden.unproven(parts, asked)):
        words = f"nothing proves {', '.join(unproven)}: no part of {folder_name(request.golden)} shows one"
        request = replace(request, notes={**request.notes, "golden parts": words})
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
    report_sha256 = write_report(folder, report)
    (folder / LIMITS).write_text(limits_toml(report, manifest), encoding="utf-8")
    manifest = complete(
        manifest,
        request,
        outcome,
        report,
        golden=golden.write_golden(folder, parts),
        calibration=sets.calibration,
        report_sha256=report_sha256,
    )
    write_manifest(folder, manifest)
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
    pruned = bench.try_pruned(model, frames) if request.prune else None
    makes: dict[Refusable, Callable[[], Variant]] = {
        "bf16": bench.try_bf16,
        "fp16": partial(bench.sparse_or_dense, "fp16", bench.try_fp16, pruned, model),
        "int8": partial(
            bench.sparse_or_dense, "int8", lambda given: bench.try_int8(given, frames, request.cache, request.int8),
            pruned, model
        ),
    }
    wanted = {precision: make for precision, make in makes.items() if precision in request.precisions}
    return settle(request.model, reference, wanted, must=request.must, notes=bench.notes)


def settle(
    source: Path, reference: Variant, makes: Mapping[Refusable, Callable[[], Variant]], *, must: bool,
    notes: Mapping[str, str],
) -> Outcome:  # fmt: skip
    """Make and judge each precision; the files of those that are refused are removed.

    Args:
        source: named in the error.
        reference: FP32's.
        makes: what makes and judges each of the others, in this order.
        must: refuse all where one cannot be kept; else it is left out.
        notes: what else is worth telling; may be added to while the precisions are made.

    Raises:
        RefusedError: a precision cannot be kept or not be made, and `must`.
    """
    variants: list[Variant] = [reference]
    refused: dict[Refusable, str] = {}
    for precision, make in makes.items():
        made = attempt(make)
        reason = made if isinstance(made, str) else made.refused
        if reason is not None and must:
            rest = ",".join(p for p in (reference.precision, *makes) if p != precision)
            raise RefusedError(f"{source}: {precision} is refused: {reason}; leave it out: --precisions {rest}")
        if reason is not None:
            refused[precision] = reason
        if not isinstance(made, str):
            variants.append(made)
            # bf16 has no file of its own: it is the reference's.
            if reason is not None and made.file != reference.file:
                made.file.unlink()
    return Outcome(tuple(variants), refused, notes)


def _check_prune(request: Request, model: OnnxModel) -> None:
    """Before anything is computed. Raises InputError."""
    if not {"fp16", "int8"} & set(request.precisions):
        raise InputError("--prune 2:4 is of fp16 and int8, sparse kernels are for those: name one in --precisions")
    if request.calibration is None:
        raise InputError("--prune 2:4 needs --calibration DIR, a folder of real frames, to repair what is left on")
    try:
        check_prunable(model)
    except ModelError as error:
        raise InputError(f"{request.model}: {error}") from error


def check_out(out: Path) -> None:
    """Raises InputError where a bundle cannot be made in the folder `out`."""
    if out.exists():
        raise InputError(f"{out}: exists already; choose another folder, a bundle is never changed")
    if not out.absolute().parent.is_dir():
        make_it = f"mkdir -p {shlex.quote(str(out.parent))}"
        raise InputError(f"{out}: the folder that it is to lie in does not exist; {make_it}")


def write_report(folder: Path, report: Report) -> str:
    """Write record and page; the record's SHA-256."""
    raw = (json.dumps(as_json(report), indent=1) + "\n").encode()
    (folder / REPORT_JSON).write_bytes(raw)
    (folder / REPORT_HTML).write_text(page(report), encoding="utf-8")
    return hashlib.sha256(raw).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it, as every bundle's is written."""
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


@contextmanager
def making(out: Path) -> Iterator[Path]:
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
