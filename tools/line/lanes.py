"""`tools/bench_lanes`: two cameras in one lane with all threads, and in two lanes with half of them each, in turns.

A part's time counts from the frame that came last to the PLC's verified answer, both views judged.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.kit.files import kept_folder
from aoi_daemon.kit.line.ending import exit_code
from aoi_daemon.kit.line.run import simulated_line
from aoi_daemon.kit.line.setup import DEMO_BOARDS, demo_boards
from aoi_daemon.kit.report_file import check_report
from tools.lib.numbers import bounded

_EXAMPLES: Final = """examples:
  ./tools/bench_lanes                                     ten pairs of 100 parts each, ONNX Runtime, all cores
  ./tools/bench_lanes --threads 16 --parts 300 --takt-ms 100 --backend openvino --report lanes.json

exit codes: 0 no part was missed; 1 one was; 2 the command line is wrong; 130 stopped with Ctrl-C.
"""
_RESAMPLED: Final = 2000


def arguments(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tools/bench_lanes", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--pairs", type=bounded(1, 1000), default=10, metavar="N", help="of runs (10)")
    parser.add_argument("--parts", type=bounded(20, 10**6), default=100, metavar="N", help="in each run (100)")
    parser.add_argument("--takt-ms", type=bounded(10, 60_000), default=200, metavar="MS", help="takt (200)")
    parser.add_argument(
        "--threads", type=bounded(2, 64), default=min(64, max(2, os.cpu_count() or 2)), metavar="N",
        help="of all lanes together (default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--backend", choices=("onnx", "openvino"), default="onnx", help="default onnx")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default fp32")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the figures as JSON")
    found = parser.parse_args(argv)
    check_report(parser, "--report", found.report)
    return found


def order(pairs: int) -> list[int]:
    """Lanes of each run, two a pair; each comes first in every second pair."""
    return [lanes for pair in range(pairs) for lanes in ((1, 2) if pair % 2 == 0 else (2, 1))]


def ratios(p50_ms: list[tuple[int, float]]) -> list[float]:
    """By pair: two lanes' median over that of one."""
    found = []
    for first, second in zip(p50_ms[::2], p50_ms[1::2], strict=True):
        of = dict((first, second))
        found.append(of[2] / of[1])
    return found


def interval(values: list[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    drawn = np.random.default_rng(0).choice(values, (_RESAMPLED, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return float(low), float(high)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """All runs; the report. Raises DaemonError: a line did not run."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("drawing boards", total=DEMO_BOARDS)
        boards = demo_boards(kept_folder(), lambda done: progress.update(task, completed=done))
        runs = order(options.pairs)
        task = progress.add_task("runs", total=len(runs))
        reports = []
        for lanes in runs:
            reports.append(_one(options, boards, lanes))
            progress.advance(task)
    p50_ms = [(lanes, report["latency_ms"]["p50"]) for lanes, report in zip(runs, reports, strict=True)]
    found = ratios(p50_ms)
    last = reports[-1]
    return last | {
        "deadline_misses": sum(report["deadline_misses"] for report in reports),
        "rejected_late": {
            str(lanes): sum(
                report["rejected_for"].get("LATE", 0)
                for of, report in zip(runs, reports, strict=True)
                if of == lanes
            )
            for lanes in (1, 2)
        },
        "p50_ms": {str(lanes): [ms for of, ms in p50_ms if of == lanes] for lanes in (1, 2)},
        "ratios": found, "ratio": statistics.median(found), "interval": interval(found),
        "cores": os.cpu_count(), "threads": options.threads, "takt_ms": options.takt_ms,
        "engine": f"{options.backend} {options.precision}", "parts_a_run": options.parts,
    }  # fmt: skip


def _one(options: argparse.Namespace, boards: Path, lanes: int) -> dict[str, Any]:
    inspection = {
        "backend": options.backend, "precision": options.precision, "lanes": lanes, "threads": options.threads // lanes,
    }  # fmt: skip
    with simulated_line(
        boards, parts=options.parts, takt_ms=options.takt_ms, deadline_ms=options.takt_ms, inspection=inspection,
        change=two_cameras(options.takt_ms),
    ) as line:  # fmt: skip
        line.run(options.parts, lambda *_: None)
        return line.report()


def two_cameras(takt_ms: float) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """What makes a line of one camera one of two, which show the same boards; no golden part is of both."""

    def change(config: dict[str, Any], recipe: dict[str, Any]) -> None:
        first = {"name": "camera-1", **config["cameras"][0]}
        second = {key: value for key, value in first.items() if key != "photo_eye"} | {"name": "camera-2"}
        config["cameras"] = [first, second]
        # Each replayed camera has a clock of its own, begun within some ms of the other's.
        config["views_ms"] = min(1000.0, takt_ms / 3)
        recipe["accept_unproven"] = "a benchmark, no real part passes it"

    return change


def summary(report: dict[str, Any]) -> Table:
    """The figures as a table."""
    low, high = report["interval"]
    title = (
        f"two cameras, {report['parts_a_run']} parts a run at {report['takt_ms']:g} ms, {report['engine']}, "
        f"{report['cores']} cores"
    )
    table = Table(
        "lanes", "threads each", "p50 by run, ms", "rejected as LATE", title=title, title_justify="left"
    )  # fmt: skip
    for lanes, values in report["p50_ms"].items():
        table.add_row(
            lanes, str(report["threads"] // int(lanes)), " ".join(f"{value:.1f}" for value in values),
            str(report["rejected_late"][lanes]),
        )  # fmt: skip
    table.caption = (
        f"two lanes over one, median of {len(report['ratios'])} pairs {report['ratio']:.3f} ({low:.3f} to {high:.3f}); "
        f"deadlines missed {report['deadline_misses']}"
    )
    table.caption_justify = "left"
    return table


def main() -> int:
    """Run the benchmark; 1 when a part was missed."""
    options = arguments(sys.argv[1:])
    return exit_code(lambda console: run(options, console), summary, options.report)


if __name__ == "__main__":
    sys.exit(main())
