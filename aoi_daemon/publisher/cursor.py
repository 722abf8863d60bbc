"""How far the broker has confirmed: a small database of its own beside the records.

SQLite in WAL mode without a sync for each commit: a power cut may take the last
moments back, which sends some messages twice, and never half of a number.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from aoi_daemon.errors import AoiError
from aoi_daemon.publisher.stream import Cursor
from aoi_daemon.stage.logs import logger

FILE: Final = "publisher.sqlite"
_APPLICATION_ID: Final = 0x616F6970  # "aoip"
_VERSION: Final = 1
_BUSY_S: Final = 0.25
_SCHEMA: Final = f"""
BEGIN;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
CREATE TABLE cursors (stream TEXT PRIMARY KEY, id INTEGER NOT NULL, key TEXT NOT NULL);
CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
COMMIT;
"""


class CursorError(AoiError):
    """The cursor cannot be read or written. Names the file and the remedy."""


class CursorFile:
    """The cursors of all streams, and how many results were lost. A context manager.

    A file that is damaged, or is none of ours, is moved aside: the streams begin as if for the first
    time, and who listens knows the repeated ones by their ids.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        try:
            try:
                self._connection = _open(self.path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self._move_aside(error)
                self._connection = _open(self.path)
        except (sqlite3.Error, OSError) as error:
            raise CursorError(f"{self.path}: {error}; the service's user must be able to write there") from error

    def read(self, stream: str) -> Cursor | None:
        """The cursor of `stream`; None: it has none yet."""
        found = self._run("SELECT id, key FROM cursors WHERE stream = ?", (stream,)).fetchone()
        return None if found is None else Cursor(*found)

    def write(self, stream: str, cursor: Cursor, lost: int = 0) -> None:
        """Keep `cursor`, and count `lost` more results, in one step; a process killed after that goes on after it."""
        self._run("BEGIN IMMEDIATE")
        try:
            self._run("INSERT OR REPLACE INTO cursors (stream, id, key) VALUES (?, ?, ?)", (stream, *cursor))
            if lost:
                self._run(
                    "INSERT INTO counts VALUES ('lost', ?) "
                    "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                    (lost,),
                )
            self._run("COMMIT")
        except CursorError:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    @property
    def lost(self) -> int:
        """Results that were never published, and never will be."""
        found = self._run("SELECT value FROM counts WHERE name = 'lost'").fetchone()
        return int(found[0]) if found else 0

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _run(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql, values)
        except sqlite3.Error as error:
            raise CursorError(f"{self.path}: {error}; free the disk of the records, or move the file away") from error

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        aside = self.path.with_name(f"{FILE}.damaged-{time.time_ns()}")
        self.path.rename(aside)
        for end in ("-wal", "-shm"):
            self.path.with_name(FILE + end).unlink(missing_ok=True)
        logger().error(
            "cursor_damaged", file=str(self.path), moved_to=str(aside), error=str(error),
            remedy="what the records still hold is published again; the ids tell it from what is new",
        )  # fmt: skip

    def __enter__(self) -> CursorFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        (found,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and (found, version) != (_APPLICATION_ID, _VERSION):
            raise sqlite3.DatabaseError("not a cursor file of this version")
        (fault,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if fault != "ok":
            raise sqlite3.DatabaseError(fault)
        connection.execute("PRAGMA synchronous = NORMAL")
        if not tables:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
