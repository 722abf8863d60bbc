"""Every task on this machine's GPU: `python3 -m tools.gpu.bench_tasks --out DIR`.

Makes a bundle for each task (tools/gpu/task_bundles.py; top100 is the demo bundle), builds its engines in FP16 and
FP32, and runs each in a process of its own (tools/gpu/pair.py): verdicts beside ONNX Runtime's, then the executor
beside its floor.
Exit codes: 0 all did; 1 a case failed, was left out for want of time, or a verdict flipped that rounding does not
explain; 2 the command line is wrong, or there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from aoi_daemon.engine.build.arguments import parse_size
from aoi_daemon.engine.build.bundle import build_for_bundle
from aoi_daemon.errors import AoiError
from aoi_daemon.infer.trt.driver import load_driver
from aoi_daemon.infer.trt.vendor import load_vendor
from tools.gpu.frames import keep_boards
from tools.gpu.report import write_json
from tools.gpu.task_bundles import KINDS, make_bundle

TOP100: Final = "top100"
PRECISIONS: Final = ("fp16", "fp32")
FIXED: Final = ("yolo", "yolo80")
"""Made for one frame size, as detectors are mostly exported."""
MOST_RATIO: Final = 1.1
MOST_TAIL: Final = 2.0
"""p99.99 of the executor over its p50."""
ROUNDING: Final = 0.02
"""A verdict that flips where both scores lie so near the limit is one of rounding; FP32 has no such excuse."""
_LIMIT_SCORE: Final = 0.5
_CASE_LIMIT_S: Final = 150
_DEMO: Final = Path(__file__).parents[2] / "config/bundles/demo"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as asked."""
    asked = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        gpu, vendor = load_driver().gpu(0), load_vendor()
        asked.out.mkdir(parents=True, exist_ok=True)
        results: dict[str, Any] = {
            "gpu": f"{gpu.name} ({gpu.target})", "tensorrt": f"{vendor.flavour} {vendor.version}",
            "python": platform.python_version(), "kernel": platform.release(), "cores": os.cpu_count(),
            "size": list(asked.size), "boards": asked.boards, "plans": {}, "cases": [],
        }  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="aoi-tasks-") as work:
            _measure(Path(work), results, asked, console)
    except (AoiError, OSError) as error:
        console.print(f"bench_tasks: {error}", markup=False)
        return 2
    show(results, Console(width=150))
    return 1 if any(wrong(case) for case in results["cases"]) else 0


def _measure(work: Path, results: dict[str, Any], asked: argparse.Namespace, console: Console) -> None:
    """Fill `results`, and write them after each case."""
    began = time.monotonic()
    boards = work / "boards.npy"
    keep_boards(boards, asked.boards, *asked.size)
    cases: list[dict[str, Any]] = results["cases"]
    for kind in asked.kinds:
        try:
            results["plans"][kind] = _built(work / kind, kind, asked)
        except (AoiError, OSError, ValueError) as error:
            cases.append({"kind": kind, "precision": "all", "failed": f"{type(error).__name__}: {error}"})
    # FP16 first: it is what a line runs, should the time be up.
    for precision in asked.precisions:
        for kind in results["plans"]:
            case = {
                "kind": kind, "precision": precision, "bundle": str(work / kind), "size": list(asked.size),
                "boards_file": str(boards), "runs": asked.runs if precision == "fp16" else asked.fp32_runs,
                "warm_up_runs": 200, "wait": asked.wait, "graph": True,
            }  # fmt: skip
            cases.append(_run(case, asked.limit_s - (time.monotonic() - began)))
            results["took_s"] = round(time.monotonic() - began)
            console.print(f"{results['took_s']} s: {kind} {precision}", highlight=False)
            write_json(asked.out / "tasks.json", {**results, "wrong": {_name(c): wrong(c) for c in cases if wrong(c)}})


def _name(case: dict[str, Any]) -> str:
    return f"{case['kind']} {case['precision']}"


def wrong(case: dict[str, Any]) -> list[str]:
    """What must not be in a case; empty: nothing. How fast it is, is judged by `slow`."""
    if "failed" in case:
        return [case["failed"]]
    agreement = case["agreement"]
    found = [f"golden part {name} is judged otherwise" for name in agreement["golden_wrong"]]
    for name, scores in agreement["flip_scores"].items():
        if case["precision"] == "fp32" or max(abs(score - _LIMIT_SCORE) for score in scores) > ROUNDING:
            found.append(f"{name}: the verdict flips, CPU {scores[0]:g}, GPU {scores[1]:g}")
    if agreement["passed"] in (0, agreement["parts"]):
        found.append(f"{agreement['passed']} of {agreement['parts']} parts pass: that shows no flip")
    return found


def slow(case: dict[str, Any]) -> list[str]:
    """Where a case is beyond MOST_RATIO or MOST_TAIL; empty: nowhere, or too few runs to tell."""
    executor = case["flat_out_ms"]["executor"]
    found = []
    if case["ratio_p50"] > MOST_RATIO:
        found.append(f"{case['ratio_p50']:.3f} times its bare loop")
    tail = executor["p99.99"]
    if tail is not None and tail > MOST_TAIL * executor["p50"]:
        found.append(f"p99.99 is {tail / executor['p50']:.2f} times p50")
    return found


def show(results: dict[str, Any], console: Console) -> None:
    """A line for each case, and what is wrong or slow below."""
    table = Table(title=f"{results['gpu']}, {results['tensorrt']}, ms", title_justify="left")
    for heading in ("bundle", "precision"):
        table.add_column(heading)
    headings = (
        "out kB", "bare p50", "exec p50", "ratio", "no decode", "decode p50", "p99", "p99.9", "p99.99", "max", "flips",
        "of", "score diff",
    )  # fmt: skip
    for heading in headings:
        table.add_column(heading, justify="right")
    for case in results["cases"]:
        if "failed" in case:
            continue
        took, agreement = case["flat_out_ms"], case["agreement"]
        ours = [took["executor"][name] for name in ("p99", "p99.9", "p99.99", "max")]
        table.add_row(
            case["kind"], case["precision"], f"{case['outputs_bytes'] / 1e3:.0f}", f"{took['bare']['p50']:.3f}",
            f"{took['executor']['p50']:.3f}", f"{case['ratio_p50']:.3f}", f"{case['ratio_p50_without_decode']:.3f}",
            f"{took['decode']['p50']:.3f}", *("-" if ms is None else f"{ms:.3f}" for ms in ours),
            str(len(agreement["verdict_flips"])), f"{agreement['passed']}/{agreement['parts']}",
            f"{agreement['greatest_score_difference'] or 0:.5f}",
        )  # fmt: skip
    console.print(table)
    for case in results["cases"]:
        told = [*case.get("notes", ()), *wrong(case), *(() if "failed" in case else slow(case))]
        for line in told:
            console.print(f"{_name(case)}: {line}", markup=False, highlight=False)


def _built(folder: Path, kind: str, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """The bundle with its engines; what the plans say of themselves."""
    if kind == TOP100:
        shutil.copytree(_DEMO, folder)
    else:
        make_bundle(folder, kind, asked.size, fixed=kind in FIXED)
    plans = build_for_bundle(folder, None, asked.precisions, [asked.size])
    return [
        {**plan.manifest.model_dump(mode="json", include={"precision", "build_s", "types"}), "bytes": len(plan.content)}
        for plan in plans
    ]


def _run(case: dict[str, Any], left_s: float) -> dict[str, Any]:
    if left_s < 1:
        return {**case, "failed": "left out: the time is up (--limit-s)"}
    try:
        result = subprocess.run(
            [sys.executable, "-m", "tools.gpu.case", json.dumps({**case, "kind": "pair"})],
            capture_output=True, text=True, timeout=min(_CASE_LIMIT_S, left_s), check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return {**case, "failed": f"not done after {error.timeout:.0f} s"}
    lines = result.stdout.strip().splitlines()
    if result.returncode or not lines:
        return {**case, "failed": f"exit code {result.returncode}: {result.stderr.strip()[-2000:]}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return {**found, "kind": case["kind"]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench_tasks", description=__doc__.partition("\n")[0],
        epilog="examples:\n  python3 -m tools.gpu.bench_tasks --out /tmp/tasks\n"
        "  python3 -m tools.gpu.bench_tasks --out /tmp/tasks --kinds segment --precisions fp16 --runs 2000",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    kinds = (TOP100, *KINDS)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="tasks.json goes here, after each case")
    parser.add_argument(
        "--size", type=parse_size, default=(640, 640), metavar="WxH", help="of the frames (default: 640x640)"
    )
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=list(kinds), help="(default: all)")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--wait", choices=("spin", "block"), default="spin")
    parser.add_argument("--runs", type=int, default=20_000, metavar="N", help="in FP16, of each (default: 20000)")
    parser.add_argument("--fp32-runs", type=int, default=5_000, metavar="N", help="in FP32 (default: 5000)")
    parser.add_argument("--boards", type=int, default=200, metavar="N", help="compared with the CPU (default: 200)")
    parser.add_argument(
        "--limit-s", type=float, default=420, metavar="S", help="what is not begun by then is left out (default: 420)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
