"""Hold a finished bundle against boards, or against its own golden parts.

Process: offline. Needs no more than the core: it runs on the line PC too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aoi_daemon.config.load import read_recipe
from aoi_daemon.config.recipe import Manifest, Recipe
from aoi_daemon.config.views import chosen, recipe_of
from aoi_daemon.engine.faults import InputError
from aoi_daemon.engine.frames import folder_name, pairs_hash, spread
from aoi_daemon.engine.labels import Pair, read_labelled
from aoi_daemon.engine.labels.formats import Format
from aoi_daemon.engine.progress import Progress
from aoi_daemon.engine.qualify.asked import asked_for
from aoi_daemon.engine.qualify.backend import asked_here, open_judge, shape_of
from aoi_daemon.engine.qualify.by_task import recommend_frames
from aoi_daemon.engine.qualify.conclusion import Bounds
from aoi_daemon.engine.qualify.gate import refusal
from aoi_daemon.engine.qualify.qualify import (
    Board,
    Judging,
    Measured,
    Run,
    boards_of,
    golden_wrong,
    measure,
    run_boards,
)
from aoi_daemon.engine.qualify.registration_gain import SHIFTS_PX, measure_gain
from aoi_daemon.engine.qualify.registration_gain import as_json as gain_as_json
from aoi_daemon.engine.qualify.task_figures import MAP_TASKS
from aoi_daemon.engine.qualify.thresholds import LEAST_SCORE, Recommendation, recommend
from aoi_daemon.engine.qualify.verify import golden_of
from aoi_daemon.engine.report.report import REFERENCE, Report, now_utc
from aoi_daemon.errors import ConfigError, ModelError
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.infer.executor import Executor, frame_problems
from aoi_daemon.infer.fit.cutting import Cutting
from aoi_daemon.infer.fit.executor import FittedExecutor
from aoi_daemon.infer.fit.takes import plan_for


def qualify_bundle(
    folder: Path | None,
    boards_folder: Path,
    *,
    recipe_file: Path | None,
    precisions: Sequence[str],
    limit: int | None,
    threads: int,
    progress: Progress,
    bounds: Bounds,
    fov: int | None = None,
    view: str | None = None,
    registration: int | None = None,
    bits: int | None = None,
    labels: Format | None = None,
) -> Report:
    """Run the bundle's models over labelled boards; FP32 always, as the reference.

    Args:
        folder: the bundle; None: the recipe's.
        boards_folder: in any layout that engine/labels reads.
        recipe_file: judge by this recipe, as the line does; None: by the bundle's golden limits, over the whole frame.
        precisions: what is concluded is of these; empty: all that the bundle has.
        limit: at most so many boards, evenly spread; None: all.
        threads: of ONNX Runtime.
        progress: shows how far it is.
        bounds: the rates that are asked for.
        fov: the field of view of the recipe that the boards are of; None: 0, where the recipe has that.
        view: the view of the recipe that the boards are of; None: its only one.
        registration: measure its gain on so many of the boards; None: do not.
        bits: depth of the boards' images whose samples have 16 bits; see `pictures`.
        labels: the boards' layout; None: by what lies in the folder.

    Raises:
        AoiError: naming what is wrong.
    """
    recipe, fov = _recipe(recipe_file, view, fov)
    bundle = _bundle(folder, recipe, recipe_file)
    manifest = bundle.manifest
    fov = _view(recipe, fov)
    judging, by_golden_limits = Judging(manifest, recipe, fov=fov), Judging(manifest, None)
    need_templates = _need_templates(manifest, recipe, fov)
    asked_labels = asked_for(manifest, layout=labels, bits=bits, need_defects=False, need_templates=need_templates)
    pairs = read_labelled(boards_folder, asked_labels)
    pairs = pairs if limit is None else spread(pairs, limit)
    boards = _as_taken(pairs, manifest, recipe, registration)
    asked, skipped = asked_here(bundle, precisions)
    found = _run_all(bundle, boards, (judging, by_golden_limits), asked, recipe, threads=threads, progress=progress)
    return Report(
        bundle=manifest.name,
        classes=manifest.classes,
        boards_from=folder_name(boards_folder),
        set_sha256=pairs_hash(pairs),
        boards=tuple(_as_compared(board, recipe, fov) for board in boards),
        thresholds=tuple(float(np.round(score, 6)) for score in judging.thresholds),
        limits_from="the bundle's golden limits" if recipe is None else f"recipe {recipe.name}{_of(view)}",
        bounds=bounds,
        asked=asked,
        runs=found.runs,
        measured=found.measured,
        golden_parts=len(bundle.manifest.golden),
        golden_wrong=found.wrong,
        refused=found.refused,
        skipped=skipped,
        # Of maps no threshold can be told from areas that were drawn at one.
        recommended=() if manifest.task in MAP_TASKS else _recommended(found.runs[REFERENCE], pairs, manifest),
        recommended_from="these boards",
        task=manifest.task,
        notes={"bundle's hash": bundle.hash, "judged by": _judged_by(recipe, fov, view)}, made_at=now_utc(),
        registration=None if registration is None else _gain(bundle, boards, registration, threads, progress),
    )


def _recipe(file: Path | None, view: str | None, fov: int | None) -> tuple[Recipe | None, int | None]:
    """The recipe that the boards are judged by, of its view where it has views, and the field of view of that.

    Raises:
        InputError: the view is not there, or not named.
    """
    if file is None:
        if view is not None:
            raise InputError(f"--view {view}: views are a recipe's; give --recipe FILE")
        return None, fov
    recipe = read_recipe(file)
    try:
        found = chosen(recipe, view)
    except ValueError as error:
        raise InputError(f"{file}: {error}") from None
    if found is None:
        return recipe, fov
    if fov is not None:
        raise InputError(f"--fov {fov}: view {found.name} has its own; leave --fov out")
    return recipe_of(recipe, found), (found.fov or 0) if found.template is not None else None


def _of(view: str | None) -> str:
    return "" if view is None else f", view {view}"


class _Found(NamedTuple):
    """By precision: what it answered, its figures, the golden parts that it got wrong, and why it may not ship."""

    runs: dict[str, Run]
    measured: dict[str, Measured]
    wrong: dict[str, list[str]]
    refused: dict[str, str]


def _run_all(
    bundle: Bundle, boards: Sequence[Board], judging: tuple[Judging, Judging], asked: Sequence[str],
    recipe: Recipe | None, *, threads: int, progress: Progress,
) -> _Found:  # fmt: skip
    """Run FP32, then each precision that is asked for; `judging` is that of the boards, then that of golden parts."""
    golden, found = golden_of(bundle), _Found({}, {}, {}, {})
    for precision in dict.fromkeys((REFERENCE, *asked)):
        advance = progress.task(f"qualifying {precision}", len(boards))
        with _opened(bundle, precision, boards[0], threads, recipe) as executor:
            run = run_boards(precision, executor, boards, judging[0], threads=threads, advance=advance)
            found.wrong[precision] = golden_wrong(executor, golden, judging[1])
        reference = None if precision == REFERENCE else found.runs[REFERENCE]
        found.runs[precision] = run
        found.measured[precision] = measure(run, boards, judging[0], reference)
        reason = refusal(found.measured[precision], found.measured[REFERENCE], found.wrong[precision])
        if reason:
            found.refused[precision] = reason
    return found


def _need_templates(manifest: Manifest, recipe: Recipe | None, fov: int) -> bool:
    """Whether each board must bring its own template: it is compared with one, and the recipe has none of this view."""
    if recipe is None:
        return manifest.has_template
    has_one = fov in {template.fov for template in recipe.templates}
    return (manifest.has_template or recipe.registration is not None) and not has_one


def _recommended(run: Run, pairs: Sequence[Pair], manifest: Manifest) -> list[Recommendation]:
    count = len(manifest.classes)
    if manifest.task == "classify":
        return recommend_frames(run.found, pairs, count, LEAST_SCORE)
    return recommend(run.found, pairs, count)


def _opened(bundle: Bundle, precision: str, first: Board, threads: int, recipe: Recipe | None) -> Executor:
    # The file of bf16 is fp32's: a bundle that was made where no CPU had it can be asked all the same.
    file = bundle.model_path(REFERENCE if precision == "bf16" else precision)
    manifest = bundle.manifest
    plan = None if recipe is None else plan_for(recipe.fit, recipe.shape, file, manifest)
    if recipe is None or plan is None:
        return open_judge(precision, file, manifest, shape_of(first, manifest), threads=threads)
    judge = open_judge(precision, file, manifest, plan.model, threads=threads)
    cutting = Cutting(plan, has_template=manifest.has_template)
    return FittedExecutor(judge, plan, manifest, cutting, least_score=recipe.least_score)


def _as_taken(
    pairs: Sequence[Pair], manifest: Manifest, recipe: Recipe | None, registration: int | None
) -> list[Board]:
    if recipe is None:
        return boards_of(pairs, manifest)
    is_fitted = recipe.fit.kind != "exact"
    if is_fitted and registration is not None:
        raise InputError("--registration: measures boards as the model takes them; the recipe has a fit, leave it out")
    return boards_of(pairs, manifest, aligned=recipe.registration is not None, fitted=is_fitted)


def _gain(bundle: Bundle, boards: Sequence[Board], count: int, threads: int, progress: Progress) -> dict[str, Any]:
    some = spread(boards, count)
    advance = progress.task("moving boards", len(some) * len(SHIFTS_PX))
    return gain_as_json(measure_gain(bundle, some, threads=threads, advance=advance))


def _bundle(folder: Path | None, recipe: Recipe | None, recipe_file: Path | None) -> Bundle:
    """The bundle that is asked for: what the recipe runs with, where there is one.

    Raises:
        InputError: neither is named, or the recipe runs with another bundle.
        ConfigError: the recipe does not fit its bundle.
    """
    if recipe is None or recipe_file is None:
        if folder is None:
            raise InputError("qualify: give --bundle DIR, or --recipe FILE, whose bundle is taken then")
        return load_bundle(folder)
    bundle = load_bundle(recipe.bundle)
    if folder is not None and load_bundle(folder).hash != bundle.hash:
        raise InputError(
            f"{recipe_file}: bundle = '{recipe.bundle}' is another than --bundle {folder}: the line would not run "
            "that; leave --bundle out, or name this one in (a copy of) the recipe"
        )
    try:
        plan = plan_for(recipe.fit, recipe.shape, bundle.model_path(REFERENCE), bundle.manifest)
    except ModelError as error:
        raise ConfigError(recipe_file, [str(error)]) from error
    problems = frame_problems(recipe.shape if plan is None else plan.model, bundle.manifest)
    if problems:
        raise ConfigError(recipe_file, problems)
    return bundle


def _view(recipe: Recipe | None, fov: int | None) -> int:
    """The field of view that the boards are of.

    Raises:
        InputError: the recipe does not have it.
    """
    if recipe is None:
        if fov is not None:
            raise InputError(f"--fov {fov}: fields of view are a recipe's; give --recipe FILE")
        return 0
    marks = () if recipe.registration is None else recipe.registration.fiducials
    fovs = {part.fov for parts in (recipe.templates, recipe.regions, marks) for part in parts}
    named = {each for each in fovs if each is not None}
    there = ", ".join(map(str, sorted(named)))
    if fov is None and named and 0 not in named:
        raise InputError(f"recipe {recipe.name} has fov {there}: say with --fov N which one the boards are of")
    if fov and fov not in named:
        raise InputError(f"--fov {fov}: recipe {recipe.name} names it nowhere (there: {there or '0'})")
    return fov or 0


def _as_compared(board: Board, recipe: Recipe | None, fov: int) -> Board:
    """The board beside the template that it was compared with: the recipe's, where it has one."""
    images = [template.image for template in (recipe.templates if recipe is not None else ()) if template.fov == fov]
    return replace(board, frame=replace(board.frame, template=images[0])) if images else board


def _judged_by(recipe: Recipe | None, fov: int, view: str | None) -> str:
    """In words, all that boards went through."""
    if recipe is None:
        return "the bundle's golden limits over the whole frame, each board beside its own template"
    which = f"fov {fov}" if view is None else f"view {view}"
    parts = [f"recipe {recipe.name} as the line runs it, {which}: limits"]
    if recipe.regions:
        parts.append("regions")
    if recipe.fit.kind != "exact":
        parts.append(f"fit {recipe.fit.kind}")
    parts += [name for name in ("optics", "registration", "maps") if getattr(recipe, name) is not None]
    has_template = fov in {template.fov for template in recipe.templates}
    return f"{', '.join(parts)}, {'its own template' if has_template else 'the template of each board'}"
