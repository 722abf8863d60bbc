"""The command `aoi-daemon audit verify`: is the audit as it was written?

Process: offline, beside a running daemon or without one. Blocks: on the disk. Loaded by every command, so it loads
nothing itself before it is run.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any, Final

from aoi_daemon.errors import AoiError

_CONFIG: Final = Path("/etc/aoi-daemon/line.toml")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_EPILOG: Final = """examples:
  aoi-daemon audit verify                              the records of the service
  aoi-daemon audit verify --records /srv/copy          of a copy, or of another PC
  journalctl -u aoi-daemon -g audit_head               heads that the journal has kept
  aoi-daemon audit verify --head 5f0c...e1             nothing up to this one was written anew

What it shows: a row that was changed, removed, put in or moved, and rows that were cut off the end. What it cannot:
whoever may write the file may write all rows and all hashes anew. Against that, keep a head elsewhere, in a journal
that is sent away or on paper, and give it with --head. Rows that went for their age ([recorder] days_records) leave an
anchor, and a head from before it is no longer known; rows of before version 5 of the records have no link. A damaged
database that the recorder has put aside has its own chain: name a folder with a copy of it.

exit code: 0 all rows hold; 1 some do not, or the head is not there; 2 a file or option is wrong.
"""


def add_parsers(subparsers: Any) -> None:
    """Add the command `audit` to a parser's `add_subparsers()`."""
    raw = argparse.RawDescriptionHelpFormatter
    audit = subparsers.add_parser(
        "audit", help="is the record of who did what as it was written?", epilog=_EPILOG, formatter_class=raw
    )
    commands = audit.add_subparsers(dest="audit_command", required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify", help="look through the chain of hashes, and say which row does not hold", epilog=_EPILOG,
        formatter_class=raw,
        description="Each row of the audit holds a hash over the row before it and over itself; look whether all do.",
    )  # fmt: skip
    verify.add_argument("--config", type=Path, default=_CONFIG, metavar="FILE", help="line.toml (default: %(default)s)")
    verify.add_argument(
        "--records", type=Path, metavar="DIR", help="the records folder (default: that of [recorder] in --config)"
    )
    verify.add_argument("--head", type=_hash, metavar="HASH", help="a head that was kept elsewhere")


def _hash(text: str) -> str:
    if not _HASH.fullmatch(text.lower()):
        raise argparse.ArgumentTypeError(f"{text!r} is no hash: 64 hex digits, as the journal has it")
    return text.lower()


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit code."""
    from contextlib import closing  # noqa: PLC0415

    from aoi_daemon.recorder.export.choice import records_folder  # noqa: PLC0415
    from aoi_daemon.records.audit import verify  # noqa: PLC0415
    from aoi_daemon.records.database import open_reader  # noqa: PLC0415

    try:
        folder = records_folder(arguments.records, arguments.config)
        with closing(open_reader(folder)) as connection:
            found = verify(connection, arguments.head or "")
    except AoiError as error:
        sys.stderr.write(f"aoi-daemon: {error}\n")
        return 2
    except sqlite3.Error as error:
        sys.stderr.write(f"aoi-daemon: the records cannot be read: {error}\n")
        return 1
    for problem in found.problems:
        sys.stdout.write(f"BROKEN  {problem}\n")
    span = f", from row {found.first} on: the older ones went for their age" if found.anchored else ""
    sys.stdout.write(f"{folder}: {found.rows} rows of the audit hold{span}\n")
    if found.older:
        sys.stdout.write(f"{found.older} rows are older than the chain: nothing says whether they are as they were\n")
    if found.head.n:
        sys.stdout.write(f"head: row {found.head.n}, {found.head.hash}\n")
    missing = arguments.head is not None and found.since is None
    if missing:
        why = "rows were written anew or cut off, or it went for its age"
        sys.stdout.write(f"BROKEN  the given head is in no row: {why}\n")
    elif arguments.head is not None:
        sys.stdout.write(f"the given head is there; {found.since} rows came after it\n")
    return 1 if found.problems or missing else 0
