"""The complete line for each back end and precision: `tools/bench_line`, one case after the other, in one table.

Each case has a fresh line, and its floors before and after it. In the report a case has, beside bundle, task, backend
and precision, either `refused`, or `parts`, `latency_ms` (p50, p99, p999, max: frame ready to verified answer),
`floor_ms` (model and plc, at the line's takt: p50, p99, max), `floor_sum_ms`, `over_floor_ms`, `over_floor_ratio`,
`deadline_misses`, `late` (rejected as LATE), `undelivered`, `engine`, and `failed`: what makes the run no good.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from aoi_daemon.errors import AoiError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.kit.line.daemon import DaemonError
from aoi_daemon.kit.line.report import line_failed
from aoi_daemon.kit.simulator.client import SimulatorError
from aoi_daemon.stage.control import NotRunningError
from tools.backends.cases import Case, every_case, inspection_of, prepared, refusal
from tools.backends.report import number
from tools.line import bench

_FRAME_PX: Final = 640
"""Of the boards that bench_line draws."""
HEAD: Final = (
    "back end", "p50", "p99", "p99.9", "max", "floor: model", "floor: FC15", "over both", "missed", "late", "parts",
)  # fmt: skip
_KEYS: Final = ("p50", "p99", "p999", "max")
_ENOUGH: Final = 1000

Keep = Callable[[dict[str, Any]], None]


def measure_lines(options: argparse.Namespace, work: Path, console: Console, keep: Keep) -> None:
    """Run a line for each case, in random order; `keep` as in `executors.measure_all`.

    Raises:
        AoiError: a folder is no bundle.
    """
    bundles = [prepared(folder, work / str(place)) for place, folder in enumerate(options.bundle)]
    folders = {each.label: each.bundle for each in bundles}
    # As it is, where it names the precision itself: the demo's line then proves its product, too.
    own = {each.label: folder for each, folder in zip(bundles, options.bundle, strict=True)}
    cases = every_case(bundles, options.pairs, [_FRAME_PX])
    results: dict[Case, dict[str, Any]] = {case: {"refused": "stopped before it was measured"} for case in cases}
    for case in cases:
        why = refusal(case, folders[case.bundle], inspection_of(case, threads=options.threads))
        if why is not None:
            results[case] = {"refused": why}
    todo = [case for case in cases if results[case]["refused"].startswith("stopped")]
    random.Random(options.seed).shuffle(todo)
    notes = [note for each in bundles for note in each.notes]
    for place, case in enumerate(todo):
        console.print(f"{place + 1} of {len(todo)}: {case.backend} {case.precision}, {case.bundle}", markup=False)
        names_it = case.precision in load_bundle(own[case.bundle]).manifest.models
        folder = own[case.bundle] if names_it else folders[case.bundle].folder
        results[case] = _line(case, folder, options, console)
        keep({"cases": [case._asdict() | results[case] for case in cases], "notes": notes})
    if not todo:
        keep({"cases": [case._asdict() | results[case] for case in cases], "notes": notes})


def _line(case: Case, folder: Path, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    asked = [
        "--parts", str(options.parts), "--takt-ms", f"{options.takt_ms:g}", "--bundle", str(folder),
        "--backend", case.backend, "--precision", case.precision, "--threads", str(options.threads),
        "--wait", options.wait, "--floor-runs", str(options.floor_runs), *([] if options.no_witness else ["--witness"]),
    ]  # fmt: skip
    try:
        return of_line(bench.run(bench.arguments(asked), console))
    except (AoiError, DaemonError, NotRunningError, SimulatorError) as error:
        return {"refused": f"FAILED: {error}" if isinstance(error, DaemonError) else str(error)}


def of_line(report: dict[str, Any]) -> dict[str, Any]:
    """What the table says of a report of `tools/bench_line`."""
    floors = {kind: {key: report["floor_ms"][kind][key] for key in ("p50", "p99", "max")} for kind in ("model", "plc")}
    return {
        "parts": report["parts"],
        "latency_ms": {key: report["latency_ms"][key] for key in _KEYS},
        "floor_ms": floors,
        "floor_sum_ms": round(floors["model"]["p50"] + floors["plc"]["p50"], 3),
        "over_floor_ms": report["over_floor_ms"],
        "over_floor_ratio": report["over_floor_ratio"],
        "deadline_misses": report["deadline_misses"],
        "late": report["rejected_for"].get("LATE", 0),
        "undelivered": report["undelivered"],
        "engine": report["daemon"].get("engine", ""),
        "stalls": report.get("machine_stalls", {}).get("stalls"),
        "stalls_longest_ms": report.get("machine_stalls", {}).get("longest_ms"),
        "failed": line_failed(report),
    }


def rows(report: dict[str, Any]) -> list[list[str]]:
    """A row of text for each line that ran, as HEAD says."""
    found = []
    for case in report["cases"]:
        if "refused" not in case:
            took, floors = case["latency_ms"], case["floor_ms"]
            found.append(
                [
                    f"{case['backend']} {case['precision']}",
                    *(number(took[key] if key != "p999" or case["parts"] >= _ENOUGH else None) for key in _KEYS),
                    number(floors["model"]["p50"]), number(floors["plc"]["p50"]), f"{case['over_floor_ms']:+.2f}",
                    str(case["deadline_misses"]), str(case["late"]), str(case["parts"]),
                ]
            )  # fmt: skip
    return found


def remarks(report: dict[str, Any]) -> list[str]:
    """What a reader of the table must know of single lines."""
    found = []
    for case in report["cases"]:
        if "refused" not in case:
            who = f"{case['backend']} {case['precision']}"
            found += [f"{who}: {problem}" for problem in case["failed"]]
            if case["stalls"]:
                found.append(
                    f"{who}: the machine was held up {case['stalls']} times, {case['stalls_longest_ms']:.1f} ms at most"
                )
    return found
