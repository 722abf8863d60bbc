"""Copy SQLite databases of a running line: as they were at one moment, in small steps.

Process: offline. Blocks: on the disk. A read transaction is open while a database is copied: nobody waits for it, but
the write-ahead log grows by what is recorded meanwhile.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aoi_daemon.backup.copying import Pace
from aoi_daemon.backup.faults import BackupError
from aoi_daemon.recorder.clock.wall import Span
from aoi_daemon.records import audit

_MAGIC: Final = b"SQLite format 3\0"
_PAGES: Final = 256
_DAY_S: Final = 86_400.0
_TABLES: Final = ("images", "parts", "gaps", "events")
_EVER: Final = 2**62


def is_database(file: Path) -> bool:
    """Whether `file` is a SQLite database, by what is in it."""
    with file.open("rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC


def copy_database(source: Path, target: Path, pace: Pace) -> None:
    """Copy `source` to `target`, which is made anew.

    Raises:
        BackupError: the source is damaged, or locked for longer than 30 s.
    """
    remove(target)
    target.touch(0o600)
    try:
        with closing(_opened(source, "ro")) as here, closing(sqlite3.connect(target, isolation_level=None)) as there:
            here.execute("PRAGMA busy_timeout = 30000")
            # One moment for all steps; else each row that is written makes it begin again.
            here.execute("BEGIN")
            here.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (page_bytes,) = here.execute("PRAGMA page_size").fetchone()
            there.execute("PRAGMA synchronous = OFF")  # it is synced as any file of the backup is, when it is complete
            left: list[int] = []

            def step(_status: int, remaining: int, total: int) -> None:
                pace.took(page_bytes * ((left[-1] if left else total) - remaining))
                left.append(remaining)

            here.backup(there, pages=_PAGES, progress=step)
            (found,) = there.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise BackupError(f"{source}: is damaged ({found}); let the recorder put it aside: restart the service")
            there.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise BackupError(f"{source}: cannot be copied: {error}; check the disks") from error


def remove(file: Path) -> None:
    """Remove a database with its log."""
    for ending in ("", "-wal", "-shm", "-journal"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


@contextmanager
def changing(file: Path) -> Iterator[sqlite3.Connection]:
    """The copy of the records, to take rows out of it; one file with no log beside it afterwards."""
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise BackupError(f"{file}: {error}; check the disk of the backup") from error


def keep_days(connection: sqlite3.Connection, days: float, spans: Sequence[Span], now_s: float = math.inf) -> None:
    """Leave the parts of the last `days` days before the newest, and what a person has reviewed.

    `spans` say how dates are to be read, oldest rows first; nothing is from after `now_s`, whatever its date.
    """
    # By row: a clock that once ran ahead has left parts of a later date.
    newest = connection.execute("SELECT at, id FROM parts ORDER BY id DESC LIMIT 1").fetchone()
    if newest is None:
        return
    newest_s = newest[0] + next((span.shift_s for span in spans if newest[1] <= span.up_to.get("parts", _EVER)), 0.0)
    reviewed = "EXISTS (SELECT 1 FROM reviews v WHERE v.part_id {})"
    chained = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit_chain'").fetchone()
    due = "at < ? AND id > ? AND id <= ?"
    connection.execute("BEGIN")
    for span in spans:
        before = min(newest_s, now_s) - days * _DAY_S - span.shift_s
        values = {table: (before, span.after.get(table, 0), span.up_to.get(table, _EVER)) for table in _TABLES}
        connection.execute(
            f"DELETE FROM images WHERE {due} AND NOT {reviewed.format('IN (images.part_id, images.around_id)')}",
            values["images"],
        )
        connection.execute(f"DELETE FROM parts WHERE {due} AND NOT {reviewed.format('= parts.id')}", values["parts"])
        connection.execute(f"DELETE FROM gaps WHERE {due}", values["gaps"])
        if chained:
            audit.forget(connection, *values["events"])
        else:  # records of an older version
            connection.execute(f"DELETE FROM events WHERE {due}", values["events"])
    connection.execute("COMMIT")
    connection.execute("VACUUM")


def pictures(connection: sqlite3.Connection) -> list[str]:
    """The files of all pictures, each once, relative to the records folder."""
    return [file for (file,) in connection.execute("SELECT DISTINCT file FROM images ORDER BY file")]


def forget(connection: sqlite3.Connection, files: list[str] | None = None) -> None:
    """Rows of pictures that the backup does not have: `files`, None for all."""
    connection.execute("BEGIN")
    if files is None:
        connection.execute("DELETE FROM images")
    else:
        connection.executemany("DELETE FROM images WHERE file = ?", ((file,) for file in files))
    connection.execute("COMMIT")


def _opened(file: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode={mode}", uri=True, isolation_level=None)
