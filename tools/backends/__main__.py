"""`tools/bench_backends`: the measurement that the command line asks for, its table and its files."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from aoi_daemon.errors import AoiError
from aoi_daemon.files import replace_file
from tools.backends import executors, line, report, threads
from tools.backends.arguments import arguments
from tools.backends.chart import chart
from tools.backends.machine import machine, quiet_problem, watched

_WIDTH: Final = 170
_OPTIONS: Final = ("threads", "device", "wait", "runs", "seconds", "rounds", "parts", "takt_ms", "seed")
_STOPPED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, tell, write; the exit code."""
    options = arguments(argv)
    console = Console(stderr=True)
    kind = "line" if options.line else "threads" if options.onnx_threads else "executors"
    found: dict[str, Any] = {
        "version": report.VERSION, "kind": kind, "machine": machine(), "complete": False,
        "options": {name: getattr(options, name) for name in _OPTIONS}, "notes": [], "cases": [],
    }  # fmt: skip

    def keep(part: dict[str, Any]) -> None:
        found.update(part)
        if options.json is not None:
            replace_file(options.json, (json.dumps(found, indent=1) + "\n").encode())

    stopped = False
    try:
        with watched(found["machine"], witness=not options.no_witness and kind == "executors"):
            _measure(kind, options, console, keep)
        found["complete"] = True
    except KeyboardInterrupt:
        stopped = True
        console.print("stopped; what follows is what was measured until then")
    except (AoiError, OSError) as error:
        console.print(f"bench_backends: {error}", style="red", markup=False, soft_wrap=True)
        return 2
    return _told(found, options, console, stopped=stopped)


def _measure(kind: str, options: Any, console: Console, keep: executors.Keep) -> None:
    with tempfile.TemporaryDirectory(prefix="aoi-backends-") as work:
        if kind == "line":
            line.measure_lines(options, Path(work), console, keep)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            if kind == "threads":
                threads.measure_threads(options, progress, keep)
            else:
                executors.measure_all(options, Path(work), progress, keep)


def _told(found: dict[str, Any], options: Any, console: Console, *, stopped: bool) -> int:
    """Print the table, write the files; the exit code."""
    kind = found["kind"]
    head = {"line": line.HEAD, "threads": threads.HEAD, "executors": report.HEAD}[kind]
    has_any = bool(found.get("variants") if kind == "threads" else report.measured(found))
    body = {"line": line.rows, "threads": threads.rows, "executors": report.rows}[kind](found) if has_any else []
    below = [report.machine_line(found), *found["notes"], *report.refusals(found)]
    busy = quiet_problem(found["machine"]["load_before"], found["machine"]["cores"])
    below += [busy] if busy else []
    below += line.remarks(found) if kind == "line" else report.remarks(found)
    Console(width=_WIDTH).print(report.table(f"tools/bench_backends, {kind}, ms", head, body, below))
    files = {options.json: json.dumps(found, indent=1) + "\n"}
    if has_any:
        files[options.markdown] = report.markdown(head, body, below)
        if options.svg is not None:
            files[options.svg] = str(chart(found, title="Floor and executor, ms"))
    try:
        for file, text in files.items():
            if file is not None:
                replace_file(file, text.encode())
    except OSError as error:
        console.print(f"bench_backends: {error}", style="red", markup=False, soft_wrap=True)
        return 2
    if stopped:
        return _STOPPED
    failed = [case for case in found["cases"] if case.get("refused", "").startswith("FAILED") or case.get("failed")]
    return 2 if not has_any else 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
