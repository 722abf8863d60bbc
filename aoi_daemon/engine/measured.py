"""The command `aoi-daemon engines`: what runs a product's bundle on this PC, measured.

Process: offline. This module is loaded by every command, so it loads nothing itself before it is run.
Exit codes: 0 one holds the golden parts; 1 none does; 2 the command line or a file is wrong; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aoi_daemon.engine.faults import InputError
from aoi_daemon.errors import AoiError
from aoi_daemon.files.offline import run_offline

if TYPE_CHECKING:
    from aoi_daemon.inspection.auto.choice import Row, Table

__all__ = ["add_parser", "run"]

_CONFIG: Final = Path("/etc/aoi-daemon/line.toml")
_NICE: Final = 10
_MOST_S: Final = 120.0
_EPILOG: Final = """examples:
  aoi-daemon engines                         the product of line.recipe
  aoi-daemon engines --recipe left --json    another one, for scripts
  aoi-daemon engines --config line.toml      before line.toml says backend = "auto"

Each back end and precision is opened in a process of its own, judges the golden parts, and runs for about a second.
Nothing is changed: the line measures for itself at its start (inspection.backend = "auto"), and `aoi-daemon status`
says which it took. Beside a running line the figures are those of a loaded PC.

exit codes: 0 one holds the golden parts; 1 none does; 2 the command line or a file is wrong; 130 interrupted
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to a parser's `add_subparsers()`."""
    command = subparsers.add_parser(
        "engines", help="measure what runs a product's bundle on this PC", epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument(
        "--config", type=Path, default=_CONFIG, metavar="FILE", help="line.toml (default: %(default)s)"
    )
    command.add_argument("--recipe", metavar="NAME", help="of recipes/NAME.toml (default: line.recipe)")
    command.add_argument("--view", metavar="NAME", help="of a recipe with several views: which one")
    command.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Do what the command asks; the exit code."""
    return run_offline(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    from aoi_daemon.config.views import one_of  # noqa: PLC0415
    from aoi_daemon.inspection.auto.told import measured  # noqa: PLC0415
    from aoi_daemon.preflight import check  # noqa: PLC0415

    def begin(name: str) -> None:
        sys.stderr.write(f"measuring {name}\n")
        sys.stderr.flush()

    try:
        configuration = check(arguments.config)
        name = arguments.recipe or configuration.line.line.recipe
        if name not in configuration.recipes:
            there = ", ".join(configuration.recipes)
            raise InputError(f"--recipe {name}: there is no such recipe beside {arguments.config} (there: {there})")
        os.nice(_NICE)  # a line may run beside it
        try:
            view = one_of(configuration.recipes[name], configuration.line.cameras, arguments.view)
        except ValueError as error:
            raise InputError(str(error)) from None
        table, chosen = measured(configuration, name, view, begin, _MOST_S)
    except AoiError as error:
        sys.stderr.write(f"aoi-daemon: {error}\n")
        return 2
    named = configuration.line.inspection
    if arguments.json:
        rows = [row.model_dump(mode="json") for row in table.rows]
        sys.stdout.write(f"{json.dumps({'recipe': name, 'chosen': chosen and chosen.name, 'rows': rows})}\n")
    else:
        sys.stdout.write(_text(table, chosen))
        if named.backend != "auto":
            is_named = f"inspection.backend = {named.backend!r} is named: the line takes that, {named.precision}"
            sys.stdout.write(f"{is_named}\n")
    return 0 if chosen is not None else 1


def _text(table: Table, chosen: Row | None) -> str:
    """The table, the one that `auto` takes marked."""
    lines = []
    for row in table.rows:
        figure = "-" if row.p95_ms is None else f"{row.p95_ms:.1f} ms"
        mark = "*" if chosen is not None and row.name == chosen.name else " "
        lines.append(f"{mark} {row.name:<20} {figure:>10}  {row.why or 'golden parts hold'}")
    end = "* auto takes it" if chosen is not None else "none holds the golden parts: auto takes the reference"
    return "\n".join([f"  {'':<20} {'p95':>10}", *lines, end]) + "\n"
