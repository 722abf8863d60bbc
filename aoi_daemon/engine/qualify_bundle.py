"""Hold a finished bundle against boards, or against its own golden parts.

Process: offline. Needs no more than the core: it runs on the line PC too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aoi_daemon.config.load import read_model
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.engine.frames import Frame, folder_name, pairs_hash, spread
from aoi_daemon.engine.labels import read_pairs
from aoi_daemon.engine.progress import Progress
from aoi_daemon.engine.qualify import (
    Board,
    Golden,
    Judging,
    Measured,
    Run,
    boards_of,
    golden_wrong,
    measure,
    refusal,
    run_boards,
)
from aoi_daemon.engine.registration_gain import SHIFTS_PX, measure_gain
from aoi_daemon.engine.registration_gain import as_json as gain_as_json
from aoi_daemon.engine.report import REFERENCE, Report, now_utc
from aoi_daemon.engine.thresholds import recommend
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.infer.onnx import OnnxExecutor


def qualify_bundle(
    folder: Path,
    boards_folder: Path,
    *,
    recipe_file: Path | None,
    precisions: Sequence[str],
    limit: int | None,
    threads: int,
    progress: Progress,
    registration: int | None = None,
) -> Report:
    """Run the bundle's models over labelled boards; FP32 always, as the reference.

    Args:
        folder: the bundle.
        boards_folder: NAME_test, NAME_temp and NAME.txt.
        recipe_file: judge by this recipe; None: by the bundle's golden limits, over the whole frame.
        precisions: empty: all that the bundle has.
        limit: at most so many boards, evenly spread; None: all.
        threads: of ONNX Runtime.
        progress: shows how far it is.
        registration: measure its gain on so many of the boards; None: do not.

    Raises:
        AoiError: naming what is wrong.
    """
    bundle = load_bundle(folder)
    manifest = bundle.manifest
    recipe = None if recipe_file is None else read_model(recipe_file, Recipe)
    judging, by_golden_limits = Judging(manifest, recipe), Judging(manifest, None)
    pairs = read_pairs(boards_folder, class_count=len(manifest.classes))
    pairs = pairs if limit is None else spread(pairs, limit)
    boards = boards_of(pairs, manifest)
    golden = golden_of(bundle)
    runs: dict[str, Run] = {}
    measured: dict[str, Measured] = {}
    wrong: dict[str, list[str]] = {}
    refused: dict[str, str] = {}
    for precision in dict.fromkeys((REFERENCE, *(precisions or manifest.models))):
        advance = progress.task(f"qualifying {precision}", len(boards))
        with OnnxExecutor(bundle.model_path(precision), manifest, threads=threads) as executor:
            run = run_boards(precision, executor, boards, judging, threads=threads, advance=advance)
            wrong[precision] = golden_wrong(executor, golden, by_golden_limits)
        runs[precision] = run
        measured[precision] = measure(run, boards, judging, None if precision == REFERENCE else runs[REFERENCE])
        reason = refusal(measured[precision], measured[REFERENCE], wrong[precision])
        if reason:
            refused[precision] = reason
    return Report(
        bundle=manifest.name,
        classes=manifest.classes,
        boards_from=folder_name(boards_folder),
        set_sha256=pairs_hash(pairs),
        boards=tuple(boards),
        thresholds=tuple(float(np.round(score, 6)) for score in judging.thresholds),
        limits_from="the bundle's golden limits" if recipe is None else f"recipe {recipe.name}",
        runs=runs,
        measured=measured,
        golden_parts=len(golden),
        golden_wrong=wrong,
        refused=refused,
        recommended=recommend(runs[REFERENCE].found, pairs, len(manifest.classes)),
        recommended_from="these boards",
        notes={"bundle's hash": bundle.hash, **_left_out(recipe)},
        made_at=now_utc(),
        registration=None if registration is None else _gain(bundle, boards, registration, threads, progress),
    )


def _gain(bundle: Bundle, boards: Sequence[Board], count: int, threads: int, progress: Progress) -> dict[str, Any]:
    some = spread(boards, count)
    advance = progress.task("moving boards", len(some) * len(SHIFTS_PX))
    return gain_as_json(measure_gain(bundle, some, threads=threads, advance=advance))


def _left_out(recipe: Recipe | None) -> dict[str, str]:
    """What of the recipe was not part of the test: it judges the model, on boards as they are on disk."""
    parts = () if recipe is None else (("optics", recipe.optics), ("registration", recipe.registration))
    names = [name for name, section in parts if section is not None]
    return {"not applied": f"the recipe's {' and '.join(names)}"} if names else {}


def golden_of(bundle: Bundle) -> dict[str, Golden]:
    """The bundle's golden parts by name."""
    found = {}
    for part in bundle.manifest.golden:
        template = None if part.template is None else bundle.folder / part.template
        frame = Frame(part.image, bundle.folder / part.image, template, bundle.manifest.channels)
        found[part.image] = Golden(frame, part.passed, part.boxes)
    return found


def verify_bundle(folder: Path, *, threads: int, progress: Progress) -> tuple[Bundle, list[str]]:
    """Check every hash, the report's too, and run the golden parts with every precision.

    Returns:
        The bundle, and a line for each golden verdict that does not hold.

    Raises:
        ModelError: a file is missing or not the one that the manifest names, or a model does not load.
    """
    bundle = load_bundle(folder)
    _check_report(bundle)
    golden, judging = golden_of(bundle), Judging(bundle.manifest, None)
    lines = []
    advance = progress.task("running golden parts", len(bundle.manifest.models))
    for precision in bundle.manifest.models:
        with OnnxExecutor(bundle.model_path(precision), bundle.manifest, threads=threads) as executor:
            lines += [
                f"{precision}: {name} must be {'PASS' if golden[name].passed else _must_be(golden[name])} and is not"
                for name in golden_wrong(executor, golden, judging)
            ]
        advance()
    return bundle, lines


def _must_be(part: Golden) -> str:
    return "REJECT" if not part.boxes else f"REJECT with a defect in {' and '.join(map(str, part.boxes))}"


def _check_report(bundle: Bundle) -> None:
    file = bundle.folder / "report.json"
    # A line needs no report: a bundle that was copied without it is as good.
    if bundle.manifest.qualification is None or not file.exists():
        return
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != bundle.manifest.qualification.report_sha256:
        raise ModelError(
            f"{file}: has SHA-256 {found}, the manifest says {bundle.manifest.qualification.report_sha256}; "
            "it was changed, copy the bundle again"
        )
