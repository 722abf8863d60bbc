"""`aoi-daemon export`: recorded parts as a file, or as a data set. It appears complete, or not at all.

Process: offline, beside a running daemon or without one. Blocks: on the disk.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TextIO

from aoi_daemon.files import put_in_place
from aoi_daemon.recorder.export.choice import Choice, Progress, Walk
from aoi_daemon.recorder.export.csv import CsvRows
from aoi_daemon.recorder.export.sets import WRITERS, choose
from aoi_daemon.recorder.export.table import write_csv, write_jsonl
from aoi_daemon.records.database import RecordsError, open_reader
from aoi_daemon.records.rows import Part

Format = Literal["csv", "jsonl", "coco", "yolo", "boards"]
TABLES: Final = ("csv", "jsonl")
STDOUT: Final = Path("-")
_ROWS_AT_ONCE: Final = 2000
_PNG_HEAD: Final = struct.Struct(">8s8xII")
_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Exported:
    """How many parts there are in the export, and how many of the chosen ones are not, by why."""

    parts: int
    left_out: Counter[str]


def export(records: Path, choice: Choice, kind: Format, out: Path, *, unreviewed: bool = False) -> Exported:
    """Write the chosen parts to `out`.

    Args:
        records: the records folder.
        choice: which parts.
        kind: the format.
        out: a file for a table (`-`: stdout), else a folder that does not exist yet.
        unreviewed: data sets also take what nobody has reviewed, with the model's word as its label.

    Raises:
        RecordsError: no records there, or nothing to export, or `out` is not free.
        OSError: the disk is full, or `out` may not be written.
    """
    with closing(open_reader(records)) as connection:
        if kind in TABLES:
            return _table(connection, choice, kind, out)
        return _set(connection, records, choice, kind, out, unreviewed=unreviewed)


def _table(connection: sqlite3.Connection, choice: Choice, kind: Format, out: Path) -> Exported:
    if out == STDOUT:
        return Exported(_write_table(connection, choice, kind, sys.stdout), Counter())
    partial = _beside(out)
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            parts = _write_table(connection, choice, kind, file)
        put_in_place(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return Exported(parts, Counter())


def _write_table(connection: sqlite3.Connection, choice: Choice, kind: Format, out: TextIO) -> int:
    """Write the chosen parts; how many."""
    if kind == "csv" and choice.single is None:
        return _write_rows(connection, choice, out)
    counted = _Counted(connection, choice)
    (write_csv if kind == "csv" else write_jsonl)(iter(counted), out)
    return counted.parts


def _write_rows(connection: sqlite3.Connection, choice: Choice, out: TextIO) -> int:
    walk, rows = Walk(connection, choice), CsvRows(connection, out, choice.recipe)
    progress = Progress("parts", walk.most)
    parts = 0
    try:
        for ids in walk.pieces(_ROWS_AT_ONCE):
            parts += rows.write(ids)
            progress.step(len(ids))
    finally:
        progress.end()
    return parts


def _set(
    connection: sqlite3.Connection, records: Path, choice: Choice, kind: Format, out: Path, *, unreviewed: bool
) -> Exported:
    if out.exists():
        raise RecordsError(f"{out}: is there already; name a folder that is not")

    def size_of(file: str) -> tuple[int, int] | None:
        return png_size(records / file)

    parts, left = choose(iter(_Counted(connection, choice)), size_of, unreviewed=unreviewed, template=kind == "boards")
    if not parts:
        why = "; ".join(f"{number} {reason}" for reason, number in left.most_common()) or "no part was chosen"
        raise RecordsError(f"{out}: nothing to export ({why}); --unreviewed takes what nobody has reviewed, too")
    partial = _beside(out)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        WRITERS[kind](parts, records, partial, size_of)
        put_in_place(partial, out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Exported(len(parts), left)


class _Counted:
    """The chosen parts, with progress."""

    def __init__(self, connection: sqlite3.Connection, choice: Choice) -> None:
        self._connection = connection
        self._choice = choice
        self.parts = 0

    def __iter__(self) -> Iterator[Part]:
        walk = Walk(self._connection, self._choice)
        progress = Progress("parts", walk.most)
        try:
            for part in walk:
                self.parts += 1
                progress.step()
                yield part
        finally:
            progress.end()


def png_size(file: Path) -> tuple[int, int] | None:
    """(width_px, height_px) from the head of a PNG file; None where there is none, or it is no PNG."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_PNG_HEAD.size)
    except OSError:
        return None
    if len(head) < _PNG_HEAD.size or not head.startswith(_PNG):
        return None
    _, width_px, height_px = _PNG_HEAD.unpack(head)
    return int(width_px), int(height_px)


def _beside(out: Path) -> Path:
    parent = out.absolute().parent
    if not parent.is_dir():
        raise RecordsError(f"{out}: the folder that it is to lie in does not exist")
    return parent / f".{out.name}.partial"
