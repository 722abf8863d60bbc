"""The table over back ends, precisions, sizes and bundles: the cases in random order, round after round."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import Progress

from aoi_daemon.engine.build.bundle import build_for_bundle
from aoi_daemon.errors import AoiError
from tools.backends.cases import Case, Prepared, every_case, in_random_order, inspection_of, prepared, refusal
from tools.backends.measure import Found, child, measure_round
from tools.backends.turns import CaseError, RefusedError

Keep = Callable[[dict[str, Any]], None]


def measure_all(options: argparse.Namespace, work: Path, progress: Progress, keep: Keep) -> None:
    """Measure as asked; `keep` is given `cases` and `notes` of the report after each round of each case.

    Args:
        options: of the command line.
        work: an empty folder for copies of the bundles.
        progress: shows how far it is.
        keep: called again and again; what it was given last is all that there is, after Ctrl-C too.

    Raises:
        AoiError: a folder is no bundle.
    """
    bundles = [prepared(folder, work / str(place)) for place, folder in enumerate(options.bundle)]
    notes = [note for each in bundles for note in each.notes]
    if options.build_engines:
        notes += _build(bundles, options, progress)
    settings = {"threads": options.threads, "device": options.device, "wait": options.wait}
    cases = every_case(bundles, options.pairs, options.sizes)
    folders = {each.label: each.bundle for each in bundles}
    found: dict[Case, Found] = {}
    for case in cases:
        why = refusal(case, folders[case.bundle], inspection_of(case, **settings))
        found[case] = Found(refused=why)
    todo = [case for case in cases if found[case].refused is None]
    task = progress.add_task("", total=len(todo) * options.rounds)
    for number, case in in_random_order(todo, options.rounds, options.seed):
        progress.update(task, description=f"round {number + 1}: {case}")
        one = found[case]
        if one.refused is None:
            start = partial(
                child, bundle=folders[case.bundle].folder, inspection=inspection_of(case, **settings),
                size_px=case.size_px,
            )  # fmt: skip
            try:
                measure_round(
                    one, start, runs=-(-options.runs // options.rounds), seconds=options.seconds / options.rounds,
                    is_first=number == 0,
                )  # fmt: skip
            except RefusedError as error:
                one.refused = str(error)
            except CaseError as error:
                one.refused = f"FAILED: {error}"
        progress.advance(task)
        keep({"cases": [case._asdict() | found[case].as_json() for case in cases], "notes": notes})
    if not todo:
        keep({"cases": [case._asdict() | found[case].as_json() for case in cases], "notes": notes})


def _build(bundles: list[Prepared], options: argparse.Namespace, progress: Progress) -> list[str]:
    """Build the engines of the cases that want one; what could not be built, as notes."""
    notes = []
    wanted: list[Any] = [precision for backend, precision in options.pairs if backend == "tensorrt"]
    for each in bundles:
        there = [precision for precision in wanted if precision in each.bundle.manifest.models and precision != "bf16"]
        stride_px = each.bundle.manifest.stride_px
        sizes = [(px, px) for px in options.sizes if px % stride_px == 0]
        for precision in there:
            try:
                build_for_bundle(each.bundle.folder, None, [precision], sizes, progress=None)
            except AoiError as error:
                notes.append(f"engine of {each.label}, {precision}: {error}")
        progress.refresh()
    return notes
