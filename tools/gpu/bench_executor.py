"""Latency of the TensorRT executor, and its agreement with ONNX Runtime: `tools/bench_executor --help`.

Builds the bundle's engines for this GPU in a folder of its own (`--built` takes those it has), then runs each
case in a process of its own.
Exit codes: 0 measured; 1 a case failed, a verdict flipped or a golden part was judged wrongly; 2 the command
line or the bundle is wrong.
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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from aoi_daemon.engine.build.arguments import parse_size
from aoi_daemon.engine.build.bundle import build_for_bundle
from aoi_daemon.engine.build.progress import shown
from aoi_daemon.errors import AoiError
from aoi_daemon.infer.trt.driver import load_driver
from aoi_daemon.infer.trt.vendor import load_vendor
from tools.gpu.report import show, write_json

PARTS: Final = ("executor", "bare", "eager", "agreement")
_CASE_LIMIT_S: Final = 600


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as asked."""
    asked = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        gpu = load_driver().gpu(0)
        vendor = load_vendor()
        with tempfile.TemporaryDirectory(prefix="aoi-bench-") as work:
            folder = Path(work) / "bundle"
            shutil.copytree(asked.bundle, folder)
            built = _build(folder, asked)
            results: dict[str, Any] = {
                "gpu": f"{gpu.name} ({gpu.target})",
                "tensorrt": f"{vendor.flavour} {vendor.version}",
                "python": platform.python_version(),
                "kernel": platform.release(),
                "cores": os.cpu_count(),
                "takt_ms": asked.takt_ms,
                "plans": built,
                "cases": [],
            }
            for case in _cases(asked, folder):
                console.print(f"{case['kind']} {case['precision']} ...", end=" ")
                began = time.monotonic()
                results["cases"].append(_run(case))
                console.print(f"{time.monotonic() - began:.0f} s")
                if asked.json is not None:
                    write_json(asked.json, results)
    except (AoiError, OSError) as error:
        console.print(f"bench_executor: {error}", markup=False)
        return 2
    show(results, Console(width=120))
    bad = [c for c in results["cases"] if "failed" in c or c.get("verdict_flips") or c.get("golden_wrong")]
    return 1 if bad else 0


def _build(folder: Path, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """The plans of all precisions, for the size asked for; none where they are there."""
    if asked.built:
        return []
    with shown() as progress:
        plans = build_for_bundle(folder, None, asked.precisions, [asked.size], progress=progress)
    return [plan.manifest.model_dump(mode="json") | {"bytes": len(plan.content)} for plan in plans]


def _cases(asked: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    common = {
        "bundle": str(folder), "size": list(asked.size), "fifo": not asked.no_fifo, "takt_ms": asked.takt_ms,
        "warm_up_runs": asked.warm_up_runs,
    }  # fmt: skip
    for precision in asked.precisions:
        for kind in PARTS:
            if kind not in asked.only or (kind == "eager" and precision == "int8"):
                continue
            case = {**common, "kind": kind, "precision": precision, "wait": "spin", "graph": True}
            if kind == "agreement":
                yield {**case, "boards": asked.boards}
            elif kind == "eager":
                runs = max(1, asked.runs // 10)
                yield {**case, "runs": runs, "paced_runs": 0, "checkpoint": asked.checkpoint}
            else:
                # The floor is at its lowest flat out; at takt, clocks decide, and they do for both.
                paced = asked.paced_runs if kind == "executor" else 0
                for wait in asked.waits:
                    for graph in (True, False):
                        yield {**case, "wait": wait, "graph": graph, "runs": asked.runs, "paced_runs": paced}


def _run(case: dict[str, Any]) -> dict[str, Any]:
    try:
        result = subprocess.run(
            [sys.executable, "-m", "tools.gpu.case", json.dumps(case)],
            capture_output=True, text=True, timeout=_CASE_LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {**case, "failed": f"not done after {_CASE_LIMIT_S} s"}
    lines = result.stdout.strip().splitlines()
    if result.returncode or not lines:
        return {**case, "failed": f"exit code {result.returncode}: {result.stderr.strip()[-2000:]}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


_EXAMPLES: Final = """examples:
  ./tools/bench_executor --bundle config/bundles/demo --json executor.json
  ./tools/bench_executor --bundle config/bundles/demo --only executor --precisions fp16 --runs 2000
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench_executor", description=__doc__.partition("\n")[0], epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--bundle", type=Path, required=True, metavar="FOLDER", help="the bundle; it is not changed")
    parser.add_argument(
        "--size", type=parse_size, default=(640, 640), metavar="WxH", help="of the frames (default: 640x640)"
    )
    parser.add_argument("--built", action="store_true", help="take the bundle's engines as they are; build none")
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "fp16", "int8"), default=["fp32", "fp16"])
    parser.add_argument("--waits", nargs="+", choices=("spin", "block"), default=["spin", "block"])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure (default: all)")
    parser.add_argument("--runs", type=int, default=20_000, metavar="N", help="one after the other (default: 20000)")
    parser.add_argument("--paced-runs", type=int, default=400, metavar="N", help="at takt (default: 400)")
    parser.add_argument("--takt-ms", type=float, default=50.0, metavar="MS", help="(default: 50)")
    parser.add_argument("--warm-up-runs", type=int, default=200, metavar="N", help="at most (default: 200)")
    parser.add_argument("--boards", type=int, default=200, metavar="N", help="compared with the CPU (default: 200)")
    parser.add_argument("--checkpoint", metavar="FILE", help="weights for PyTorch (default: random, as quick)")
    parser.add_argument("--no-fifo", action="store_true", help="SCHED_OTHER at takt too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all results, written after each case")
    return parser


if __name__ == "__main__":
    sys.exit(main())
