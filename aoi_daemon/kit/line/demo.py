"""`aoi-daemon demo`: boards pass a simulated line, and the PLC has a verdict for each in time."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from aoi_daemon.config.checks.hmi import packages_missing
from aoi_daemon.kit.files import kept_folder
from aoi_daemon.kit.line import page
from aoi_daemon.kit.line.ending import exit_code
from aoi_daemon.kit.line.report import Tally
from aoi_daemon.kit.line.run import simulated_line
from aoi_daemon.kit.line.setup import DEMO_BOARDS, demo_boards
from aoi_daemon.kit.line.views import BOARDS, MOST, TAKT_MS, view_boards, with_views
from aoi_daemon.kit.report_file import check_report
from aoi_daemon.kit.simulator.options import Options

MOST_PARTS = next(int(option.metadata["most"]) for option in fields(Options) if option.name == "keep")
"""All of them are kept by the PLC simulator, until the report is made."""
_EXAMPLES = """examples:
  aoi-daemon demo                       400 generated boards at 50 ms
  aoi-daemon demo --views 3             three pictures of each part: a large one in tiles, one resized, one as it is
  aoi-daemon demo --takt-ms 20 --parts 1000   faster
  aoi-daemon demo --boards FOLDER       your own: NAME_test.png, NAME_temp.png, NAME.txt (x1 y1 x2 y2 class)
  aoi-daemon demo --parts 0             until Ctrl-C, with the operator's page at the address that is shown
  aoi-daemon demo --records DIR         keep the records: aoi-daemon export --records DIR --help
  aoi-daemon demo --report run.json     the figures as JSON

exit codes: 0 every part had its verdict in time; 1 a part was missed, or passed without
the daemon's PASS, or none passed and hardly one was judged; 2 the command line or a folder is
wrong; 130 stopped with Ctrl-C.
"""


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="aoi-daemon demo", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--parts", type=int, default=400, metavar="N", help="parts to pass (default 400); 0: until Ctrl-C"
    )
    parser.add_argument(
        "--takt-ms", type=float, metavar="MS", help=f"time from part to part (default 50, with views {TAKT_MS:g})"
    )
    parser.add_argument(
        "--views", type=int, default=0, metavar="N",
        help=f"so many pictures of each part, 1 to {MOST}: a large one in tiles, one resized, one as it is",
    )  # fmt: skip
    parser.add_argument("--deadline-ms", type=float, metavar="MS", help="trigger to verdict (default: the takt)")
    parser.add_argument("--scan-ms", type=float, default=2.0, metavar="MS", help="the PLC's scan cycle (default 2)")
    parser.add_argument("--boards", type=Path, metavar="DIR", help="boards in DeepPCB's layout (default: generated)")
    parser.add_argument(
        "--page", type=int, default=page.PAGE_PORT, metavar="PORT",
        help="port of the operator's page (default %(default)s, or a free one); 0: no page",
    )  # fmt: skip
    parser.add_argument("--records", type=Path, metavar="DIR", help="where records are kept (default: gone at the end)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the figures as JSON")
    found = parser.parse_args(argv)
    found.takt_ms = (TAKT_MS if found.views else 50.0) if found.takt_ms is None else found.takt_ms
    found.deadline_ms = found.takt_ms if found.deadline_ms is None else found.deadline_ms
    if not 0 <= found.parts <= MOST_PARTS:
        parser.error(f"--parts {found.parts}: 0 (until Ctrl-C) to {MOST_PARTS}")
    if not 0 <= found.views <= MOST:
        parser.error(f"--views {found.views}: 0 (a recipe without views) to {MOST}")
    if found.views and found.boards is not None:
        parser.error("--boards: are of one view; the boards of --views are generated")
    if not 0 <= found.page <= 65_535:
        parser.error(f"--page {found.page}: 0 to 65535")
    if not 2 <= found.takt_ms <= 60_000:
        parser.error(f"--takt-ms {found.takt_ms:g}: 2 to 60000")
    if not 2 <= found.deadline_ms <= found.takt_ms:
        parser.error(f"--deadline-ms {found.deadline_ms:g}: 2 to the takt ({found.takt_ms:g})")
    if found.boards is not None and not found.boards.is_dir():
        parser.error(f"--boards {found.boards}: no such folder")
    if found.records is not None and (there := _not_a_folder(found.records)):
        parser.error(f"--records {found.records}: {there} is a file; name a folder")
    check_report(parser, "--report", found.report)
    return found


def _not_a_folder(path: Path) -> Path | None:
    """What is in the way of a folder at `path`; None: nothing."""
    there = next(each for each in (path.absolute(), *path.absolute().parents) if os.path.lexists(each))
    return None if there.is_dir() else there


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; the exit code."""
    options = arguments(sys.argv[1:] if argv is None else argv)
    return exit_code(lambda console: run(options, console), summary, options.report)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Make boards where none are given, start the line, and watch it; its report."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[figures]}"), console=console) as progress:
        boards, *others = _boards(options, progress)
        task = progress.add_task("starting (once, back ends are measured)", total=options.parts or None, figures="")
        with ExitStack() as owned:
            folder = Path(owned.enter_context(TemporaryDirectory(prefix="aoi-demo-")))
            more: dict[str, Any] = {"inspection": {"backend": "auto", "precision": "auto"}, **_kept()}
            missing = packages_missing()
            if options.page and missing:
                console.print(f"no page: needs {', '.join(missing)}: pip install 'aoi-daemon[hmi]'", markup=False)
                options.page = 0
            if options.records is not None:
                more = page.records_section(options.records.resolve())
            if options.page:
                port = page.free_port(options.page)
                more |= page.sections(port, options.records)
                password = page.make_users(folder)
            line = owned.enter_context(
                simulated_line(
                    boards, parts=options.parts, takt_ms=options.takt_ms, deadline_ms=options.deadline_ms,
                    scan_ms=options.scan_ms, folder=folder,
                    change=_change([boards, *others], folder) if options.views else None, **more,
                )
            )  # fmt: skip
            if options.page:
                console.print(f"page     http://127.0.0.1:{port}   (metrics: /metrics, health: /readyz)")
                console.print(f"log in   operator, quality or maintenance; password {password}", highlight=False)
            engine = line.daemon.status()["engine"]
            console.print(f"engine   {engine['name']}: {engine['why']}", highlight=False, markup=False)
            if line.daemon.is_refused_realtime():
                console.print(
                    "note     this user is given no real-time priority: when something else runs on this PC, "
                    "parts are rejected as late and deadlines may be missed; root and the service are given it",
                    highlight=False,
                )
            progress.update(task, description="inspecting")

            def show(tally: Tally, plc: dict[str, Any]) -> None:
                latency = tally.latency(1000)
                figures = (
                    f"rejects {plc['ejected']}  p50 {latency['p50']:.1f} ms  p99 {latency['p99']:.1f} ms  "
                    f"misses {tally.misses}"
                )
                progress.update(task, completed=plc["parts"], figures=figures)

            try:
                line.run(options.parts, show)
            except KeyboardInterrupt:
                if options.parts:
                    raise
                return line.report(cut_short=True)
            return line.report()


def _boards(options: argparse.Namespace, progress: Progress) -> list[Path]:
    """The folder of boards, of several views one for each; generated where none is given."""
    if options.boards is not None:
        return [options.boards]
    drawing = progress.add_task("drawing boards", total=BOARDS * options.views or DEMO_BOARDS, figures="")

    def drawn(done: int) -> None:
        progress.update(drawing, completed=done)

    found = view_boards(kept_folder(), options.views, drawn) if options.views else [demo_boards(kept_folder(), drawn)]
    progress.remove_task(drawing)
    return found


def _change(boards: list[Path], folder: Path) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """What makes a line of several views of the demo's."""
    return lambda config, recipe: with_views(boards, folder, config, recipe)


def _kept() -> dict[str, Any]:
    """`[supervisor]` of line.toml: what was measured once, kept with the boards, is not measured at each demo."""
    folder = kept_folder()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return {"supervisor": {"state_folder": str(folder)}} if os.access(folder, os.W_OK | os.X_OK) else {}


def summary(report: dict[str, Any]) -> Table:
    """The figures as a table."""
    table = Table("", "value", title="What the PLC saw", title_justify="left", show_header=False)
    table.add_row("parts", str(report["parts"]))
    table.add_row("passed / rejected", f"{report['passed']} / {report['rejected']}")
    reasons = ", ".join(f"{name} {count}" for name, count in sorted(report["rejected_for"].items())) or "-"
    table.add_row("rejected for", reasons)
    table.add_row("escapes / false calls (of the model)", f"{report['escapes']} / {report['false_calls']}")
    table.add_row("deadlines missed / undelivered", f"{report['deadline_misses']} / {report['undelivered']}")
    for name, values in (("frame to verified PLC answer", report["latency_ms"]), *report["stages_ms"].items()):
        figures = "  ".join(f"{key} {value:.2f}" for key, value in values.items())
        table.add_row(f"{name}, ms", figures)
    return table


if __name__ == "__main__":
    sys.exit(main())
