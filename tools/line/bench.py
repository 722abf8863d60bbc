"""`tools/bench_line`: latency from ready to verified PLC answer, by stage, over its floor.

The floor is measured in the same run on the same machine, before and after the
line: the bare model alone and the bare FC15 round trip by raw socket.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from aoi_daemon.supervisor.status import quantiles
from tools.line import floor
from tools.line.ending import exit_code
from tools.line.run import simulated_line
from tools.line.setup import DEMO_BOARDS, DEMO_BUNDLE, ROOT, demo_boards
from tools.simulator.client import SimulatorProcess

_EXAMPLES = """examples:
  ./tools/bench_line --parts 2000 --takt-ms 50 --report bench.json
  ./tools/bench_line --parts 20000 --takt-ms 5 --memory --bundle FOLDER
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
    parser.add_argument("--precision", default="fp32", choices=("fp32", "fp16", "int8"), help="default fp32")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, metavar="N", help="of the CPU back end")
    parser.add_argument("--floor-runs", type=int, default=200, metavar="N", help="samples of each floor, twice")
    parser.add_argument("--memory", action="store_true", help="watch each process' memory as well")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the figures as JSON")
    return parser.parse_args(argv)


def main() -> int:
    """Run the benchmark; 1 when a part was missed."""
    options = arguments(sys.argv[1:])
    return exit_code(lambda console: run(options, console), summary, options.report)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Floor, line, floor; the report."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        boards = options.boards
        if boards is None:
            task = progress.add_task("drawing boards", total=DEMO_BOARDS)
            boards = demo_boards(ROOT / "runs", lambda done: progress.update(task, completed=done))
        samples: dict[str, list[float]] = {"model": [], "plc": [], "model_flat_out": [], "plc_flat_out": []}

        def measure_floor() -> None:
            task = progress.add_task("bare model, bare FC15", total=4)
            model = [str(boards), str(options.bundle), options.precision, str(options.threads)]
            with SimulatorProcess(scan_ms=0) as plc:
                wire = [plc.host, str(plc.port)]
                for name, rest in (("model", model), ("plc", wire)):
                    for suffix, takt_ms in (("", options.takt_ms), ("_flat_out", 0.0)):
                        samples[name + suffix] += floor.measure(name, rest, options.floor_runs, takt_ms)
                        progress.advance(task)

        measure_floor()
        task = progress.add_task("the line", total=options.parts)
        inspection = {"threads": options.threads, "precision": options.precision}
        with simulated_line(
            boards, parts=options.parts, takt_ms=options.takt_ms, deadline_ms=options.takt_ms, bundle=options.bundle,
            inspection=inspection,
        ) as line:  # fmt: skip
            memory = Memory(line.daemon.status()["stages"]) if options.memory else None

            def show(_tally: object, plc: dict[str, Any]) -> None:
                progress.update(task, completed=plc["parts"])
                if memory is not None:
                    memory.look(plc["parts"])

            line.run(options.parts, show)
            report = line.report()
            if memory is not None:
                report["memory_kib"] = memory.figures()
        measure_floor()
    report["machine"] = {"cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version()}
    report["takt_ms"] = options.takt_ms
    report["floor_ms"] = {name: quantiles(values) for name, values in samples.items()}
    bare = report["floor_ms"]["model"]["p50"] + report["floor_ms"]["plc"]["p50"]
    report["over_floor_ms"] = round(report["latency_ms"]["p50"] - bare, 3)
    report["over_floor_ratio"] = round(report["latency_ms"]["p50"] / bare, 3)
    return report


class Memory:
    """Resident memory of each process over the run, KiB, from /proc."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._seen: dict[str, list[tuple[int, int]]] = {name: [] for name in pids}

    def look(self, parts: int) -> None:
        """Take a sample at `parts`."""
        for name, pid in self._pids.items():
            resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
            self._seen[name].append((parts, resident))

    def figures(self) -> dict[str, dict[str, int]]:
        """By process: at a tenth of the run, at its end, and the most."""
        found = {}
        for name, samples in self._seen.items():
            last = samples[-1][0]
            early = next(kib for parts, kib in samples if parts >= last // 10)
            found[name] = {"early": early, "end": samples[-1][1], "most": max(kib for _, kib in samples)}
        return found


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def summary(report: dict[str, Any]) -> Table:
    """The figures as a table."""
    machine = report["machine"]
    title = f"{report['parts']} parts at {report['takt_ms']:g} ms, {machine['cores']} cores, {machine['cpu']}, ms"
    table = Table("", "p50", "p99", "p99.9", "max", title=title, title_justify="left")
    rows = [("ready to verified answer", report["latency_ms"])]
    rows += [(f"  {name}", values) for name, values in report["stages_ms"].items()]
    rows += [(f"floor: {name.replace('_', ' ')}", values) for name, values in report["floor_ms"].items()]
    for name, values in rows:
        table.add_row(name, *(f"{values[key]:.3f}" for key in ("p50", "p99", "p999", "max")))
    table.caption = (
        f"deadlines missed {report['deadline_misses']}, undelivered {report['undelivered']}; "
        f"p50 over the bare medians {report['over_floor_ms']:+.3f} ms (ratio {report['over_floor_ratio']:.3f})"
    )
    for name, values in report.get("memory_kib", {}).items():
        table.add_row(f"memory of {name}, MiB", *(f"{values[key] / 1024:.1f}" for key in ("early", "end", "most")), "")
    return table


if __name__ == "__main__":
    sys.exit(main())
