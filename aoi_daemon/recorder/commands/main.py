"""The commands `aoi-daemon export` and `aoi-daemon replay`; the way to `aoi-daemon audit`.

Process: offline. This module is loaded by every command, so it loads nothing itself before it is run.
Exit codes: 0 done; 1 a replayed verdict differs, nothing could be compared, or the disk is full; 2 the command
line, a file or a folder is wrong; 130 interrupted. Nothing half-written is left by either.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aoi_daemon.errors import AoiError, InferenceError, ModelError
from aoi_daemon.files.modes import for_our_group
from aoi_daemon.files.offline import run_offline
from aoi_daemon.recorder.commands import arguments as command_line
from aoi_daemon.recorder.commands.audit import add_parsers as add_audit_parsers
from aoi_daemon.recorder.commands.audit import run as run_audit
from aoi_daemon.records.faults import RecordsError

if TYPE_CHECKING:
    from aoi_daemon.config.schema import InspectionSection
    from aoi_daemon.recorder.commands.replay import Result
    from aoi_daemon.recorder.export.choice import Choice

__all__ = ["add_parsers", "run"]


def add_parsers(subparsers: Any) -> None:
    """Add the commands of the records to a parser's `add_subparsers()`."""
    command_line.add_parsers(subparsers)
    add_audit_parsers(subparsers)


def run(arguments: argparse.Namespace) -> int:
    """Do what one of the commands asks; the exit code."""
    if arguments.command == "audit":
        return run_offline(lambda: run_audit(arguments))
    return run_offline(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    try:
        return _export(arguments) if arguments.command == "export" else _replay(arguments)
    except (AoiError, ValueError) as error:
        sys.stderr.write(f"aoi-daemon: {error}\n")
        return 1 if isinstance(error, InferenceError) and not isinstance(error, ModelError) else 2
    except sqlite3.Error as error:
        sys.stderr.write(f"aoi-daemon: the records cannot be read: {error}\n")
        return 1


def _choice(arguments: argparse.Namespace, recipe: str | None) -> Choice:
    from aoi_daemon.recorder.export.choice import Choice  # noqa: PLC0415

    given = {"since": arguments.since, "until": arguments.until, "only": arguments.only}
    choice = Choice(recipe=recipe, single=arguments.part, **{k: v for k, v in given.items() if v is not None})
    if choice.since >= choice.until:
        raise RecordsError("--from is not before --to: no part can be meant")
    return choice


def _folder(arguments: argparse.Namespace) -> Path:
    from aoi_daemon.recorder.export.choice import records_folder  # noqa: PLC0415

    return records_folder(arguments.records, arguments.config)


def _export(arguments: argparse.Namespace) -> int:
    from aoi_daemon.recorder.export.make import STDOUT, TABLES, export  # noqa: PLC0415

    out: Path = arguments.out
    if out == STDOUT and arguments.format not in TABLES:
        raise RecordsError(f"--out -: {arguments.format} is a folder of pictures; name a folder")
    with for_our_group():
        done = export(
            _folder(arguments), _choice(arguments, arguments.recipe), arguments.format, out,
            unreviewed=arguments.unreviewed,
        )  # fmt: skip
    if out != STDOUT:
        left = "".join(f"; left out: {number} {why}" for why, number in done.left_out.most_common())
        sys.stdout.write(f"{out}: {done.parts} parts{left}\n")
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    from contextlib import closing  # noqa: PLC0415
    from itertools import islice  # noqa: PLC0415

    from aoi_daemon.config.load import load  # noqa: PLC0415
    from aoi_daemon.recorder.commands.replay import Replay  # noqa: PLC0415
    from aoi_daemon.recorder.export.choice import Progress, Walk  # noqa: PLC0415
    from aoi_daemon.records.database import open_reader  # noqa: PLC0415

    configuration = load(arguments.config)
    if arguments.recipe is not None and arguments.recipe not in configuration.recipes:
        raise RecordsError(
            f"--recipe {arguments.recipe}: no such recipe beside {arguments.config} "
            f"(there: {', '.join(configuration.recipes)})"
        )
    section = _section(configuration.line.inspection, arguments.backend, arguments.precision)
    folder, choice = _folder(arguments), _choice(arguments, None)
    with (
        closing(open_reader(folder)) as connection,
        Replay(folder, configuration, section, arguments.recipe, lambda said: sys.stderr.write(f"{said}\n")) as replay,
    ):
        walk = Walk(connection, choice)
        progress = Progress("parts", min(walk.most, arguments.limit or sys.maxsize))
        try:
            result = replay.run(islice(walk, arguments.limit), progress.step)
        finally:
            progress.end()
    sys.stdout.write(f"{json.dumps(_as_object(result))}\n" if arguments.json else _as_text(result))
    compared = [part for part in result.parts if part.differs is not None]
    return 0 if compared and not result.differences else 1


def _section(inspection: InspectionSection, backend: str | None, precision: str | None) -> InspectionSection:
    """What [inspection] says, or the command line in its place. Raises RecordsError where they do not fit."""
    from pydantic import ValidationError  # noqa: PLC0415

    wanted: dict[str, Any] = {k: v for k, v in (("backend", backend), ("precision", precision)) if v is not None}
    if backend is not None and backend != inspection.backend:
        wanted["device"] = None  # the line's is another back end's
    try:
        return type(inspection).model_validate(inspection.model_dump() | wanted)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise RecordsError(f"{problem} (--backend, --precision, over [inspection] of --config)") from error


def _as_object(result: Result) -> dict[str, Any]:
    return {
        "replayed": len(result.parts),
        "compared": sum(part.differs is not None for part in result.parts),
        "differ": len(result.differences),
        "skipped": dict(result.skipped),
        "parts": [part.as_object() for part in result.parts],
    }


def _as_text(result: Result) -> str:
    lines = []
    for part in result.parts:
        if part.differs is False:
            continue
        row = part.as_object()
        review = f"  (reviewed: {row['review']})" if row["review"] else ""
        note = "" if part.differs else "  (not looked at then)"
        lines.append(
            f"{row['id']:>8}  {row['time']}  {row['recipe']:<16}  was {_words(row['was']):<20}  "
            f"now {_words(row['now'])}{review}{note}"
        )
    if lines:
        lines.insert(0, f"{'part':>8}  {'time':<29}  {'recipe':<16}")
    found = _as_object(result)
    lines.append(f"{found['replayed']} parts replayed, {found['compared']} compared: {found['differ']} verdicts differ")
    lines += [f"  {number} skipped: {why}" for why, number in result.skipped.most_common()]
    return "\n".join(lines) + "\n"


def _words(verdict: dict[str, Any]) -> str:
    if verdict["passed"]:
        return "PASS"
    return f"REJECT {verdict['worst_class'] or verdict['reason']}"
