"""`tools/bench_line`: latency from ready to verified PLC answer, by stage, over its floor.

The floor is measured in the same run on the same machine, before and after the
line: the bare model alone and the bare FC15 round trip by raw socket.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.kit.files import kept_folder
from aoi_daemon.kit.line import page
from aoi_daemon.kit.line.ending import exit_code
from aoi_daemon.kit.line.run import simulated_line
from aoi_daemon.kit.line.setup import DEMO_BOARDS, DEMO_BUNDLE, demo_boards
from aoi_daemon.kit.report_file import check_report
from aoi_daemon.kit.simulator.client import SimulatorProcess
from tools.lib.numbers import bounded
from tools.line import beside
from tools.line.awake import Awake
from tools.line.bench_report import over_floor, summary, told
from tools.line.floor import floor
from tools.line.memory import Memory
from tools.line.witness import Witness

_EXAMPLES = """examples:
  ./tools/bench_line --parts 2000 --takt-ms 50 --report bench.json
  ./tools/bench_line --parts 20000 --takt-ms 5 --memory --bundle FOLDER
  aoi-daemon build-engine --bundle FOLDER --fp16 && ./tools/bench_line --bundle FOLDER \\
      --backend tensorrt --precision fp16 --wait spin --parts 100000 --takt-ms 5 --floor-runs 100
      on the GPU, with the engine that was built for it; about nine minutes

exit codes: 0 every part had its verdict in time; 1 a part was missed, or passed without
the daemon's PASS; 2 the command line, a folder or the engine is wrong; 130 stopped with Ctrl-C.
"""


def arguments(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tools/bench_line",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--parts", type=int, default=2000, metavar="N", help="parts to pass (default 2000)")
    parser.add_argument("--takt-ms", type=float, default=50.0, metavar="MS", help="time from part to part (default 50)")
    parser.add_argument("--boards", type=Path, metavar="DIR", help="boards in DeepPCB's layout (default: generated)")
    parser.add_argument("--bundle", type=Path, default=DEMO_BUNDLE, metavar="DIR", help="model bundle")
    parser.add_argument("--floor-runs", type=int, default=200, metavar="N", help="samples of each floor, twice")
    parser.add_argument("--beside", action="store_true", help="with recorder and page off the critical path")
    parser.add_argument("--browser", action="store_true", help="...and the page open in a headless Chromium")
    parser.add_argument("--memory", action="store_true", help="watch each process' memory and page faults as well")
    parser.add_argument(
        "--witness", action="store_true", help="watch whether the machine itself stands still (a process a core)"
    )
    parser.add_argument(
        "--cpu-latency-us", type=bounded(0, 10_000), metavar="US",
        help="realtime.cpu_latency_us (default: not asked for)",
    )  # fmt: skip
    parser.add_argument(
        "--awake", action="store_true", help="keep the cores from halting, as idle=poll does (a process a core)"
    )
    parser.add_argument(
        "--spin-us", type=bounded(0, 2000), default=0, metavar="US",
        help="plc stays awake for so long for judgement and answer (realtime.spin_us; default 0)",
    )  # fmt: skip
    parser.add_argument(
        "--settle-s", type=bounded(0, 600), default=0, metavar="S",
        help="pause between the first floor and the line (default 0)",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the figures as JSON")
    add_inspection(parser)
    found = parser.parse_args(argv)
    found.beside |= found.browser
    if found.parts < 1:
        parser.error(f"--parts {found.parts}: at least 1")
    if not 2 <= found.takt_ms <= 60_000:
        parser.error(f"--takt-ms {found.takt_ms:g}: 2 to 60000")
    if found.floor_runs < 1:
        parser.error(f"--floor-runs {found.floor_runs}: at least 1")
    for option, folder in (("boards", found.boards), ("bundle", found.bundle)):
        if folder is not None and not folder.is_dir():
            parser.error(f"--{option} {folder}: no such folder")
    check_report(parser, "--report", found.report)
    return found


def add_inspection(parser: argparse.ArgumentParser) -> None:
    """The options that become the section [inspection] of the line."""
    parser.add_argument("--precision", default="fp32", choices=PRECISIONS, help="default fp32")
    parser.add_argument(
        "--backend", default="onnx", choices=("onnx", "openvino", "tensorrt"),
        help="onnx, openvino: the CPU (default onnx); tensorrt: the GPU",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=bounded(1, 64), default=min(64, os.cpu_count() or 1), metavar="N",
        help="of the CPU back end (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--device", type=bounded(0, 15), default=0, metavar="N", help="tensorrt: number of the GPU (default 0)"
    )
    parser.add_argument(
        "--wait", default="block", choices=("block", "spin"), help="tensorrt: how a run's end is waited for"
    )
    parser.add_argument("--no-cuda-graph", action="store_true", help="tensorrt: launch each kernel by itself")


def inspection_of(options: argparse.Namespace) -> dict[str, Any]:
    """The section [inspection] that the options ask for."""
    section = {
        "backend": options.backend,
        "precision": options.precision,
        "threads": options.threads,
        "wait": options.wait,
        "cuda_graph": not options.no_cuda_graph,
    }
    # Left out, not None: TOML has no word for it.
    return {**section, "device": options.device} if options.backend == "tensorrt" else section


def realtime_of(options: argparse.Namespace) -> dict[str, int]:
    """The section [realtime] that the options ask for."""
    asked = {"spin_us": options.spin_us, "cpu_latency_us": options.cpu_latency_us}
    return {key: value for key, value in asked.items() if value is not None}


def main() -> int:
    """Run the benchmark; 1 when a part was missed."""
    options = arguments(sys.argv[1:])
    return exit_code(lambda console: run(options, console), summary, options.report)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Floor, line, floor; the report.

    Raises:
        AoiError: boards, bundle or engine are not what can be run.
        DaemonError: the line did not run.
    """
    inspection = inspection_of(options)
    load_bundle(options.bundle)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Awake() if options.awake else nullcontext(), Progress(*columns, console=console) as progress:
        boards = options.boards
        if boards is None:
            task = progress.add_task("drawing boards", total=DEMO_BOARDS)
            boards = demo_boards(kept_folder(), lambda done: progress.update(task, completed=done))
        floors: dict[str, list[dict[str, Any]]] = {"model": [], "plc": []}

        def measure_floor() -> None:
            task = progress.add_task("bare model, bare FC15", total=2)
            for kind, found in floors.items():
                with SimulatorProcess(scan_ms=0) as plc:
                    settings: dict[str, Any] = {"host": plc.host, "port": plc.port}
                    if kind == "model":
                        settings = {"boards": str(boards), "bundle": str(options.bundle), **inspection}
                    found.append(floor(kind, options.floor_runs, options.takt_ms, **settings))
                progress.advance(task)

        measure_floor()
        if options.settle_s:
            for _ in progress.track(range(options.settle_s), description="settling"):
                time.sleep(1)
        task = progress.add_task("the line", total=options.parts)
        port = page.free_port() if options.beside else 0
        with ExitStack() as owned:
            line = owned.enter_context(
                simulated_line(
                    boards, parts=options.parts, takt_ms=options.takt_ms, deadline_ms=options.takt_ms,
                    bundle=options.bundle, inspection=inspection, realtime=realtime_of(options),
                    **(page.sections(port) if port else {}),
                )
            )  # fmt: skip
            if options.browser:
                owned.enter_context(beside.browser_at(f"http://127.0.0.1:{port}"))
            memory = Memory(line.daemon.status()["stages"]) if options.memory else None
            witness = Witness() if options.witness else None

            def show(_tally: object, plc: dict[str, Any]) -> None:
                progress.update(task, completed=plc["parts"])
                if memory is not None:
                    memory.look(plc["parts"])

            with witness or nullcontext():
                line.run(options.parts, show)
            report = line.report()
            if witness is not None:
                report["machine_stalls"] = witness.report(line.tally.missed_ns)
            if memory is not None:
                report["memory_kib"] = memory.figures()
            report["daemon"] = told(line.daemon.log_file)
            report["beside"] = line.daemon.status()["beside"]
        measure_floor()
    report |= _conditions(options, inspection)
    return report | over_floor(report["latency_ms"]["p50"], floors)


def _conditions(options: argparse.Namespace, inspection: dict[str, Any]) -> dict[str, Any]:
    """Under what the figures were taken."""
    return {
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version()},
        "takt_ms": options.takt_ms,
        "inspection": inspection,
        "realtime": realtime_of(options),
        "awake": options.awake,
        "settle_s": options.settle_s,
        "browser": options.browser,
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main())
