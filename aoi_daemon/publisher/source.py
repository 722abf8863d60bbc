"""Read what is to be published from the records, without ever being in the recorder's way.

A read-only connection, and reads of some ms: a reader that keeps a transaction
open would keep the recorder's write-ahead log from being emptied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from aoi_daemon.config.lens import Lens
from aoi_daemon.publisher import payloads
from aoi_daemon.publisher.stream import Cursor, Row
from aoi_daemon.records.database import DATABASE, RecordsError, is_damage, open_reader
from aoi_daemon.records.queries import events_after, parts_after
from aoi_daemon.records.rows import Event, Part

T = TypeVar("T")
_BUSY_MS: Final = 250
"""Less than a reader's usual patience: this process has a broker to listen to meanwhile."""


class Source:
    """The records of `folder`, opened when they are first asked for, and again when they were moved or replaced."""

    def __init__(
        self, folder: Path, line: str, *, passes: bool, lenses: Mapping[str, Lens] = MappingProxyType({})
    ) -> None:
        """Read later; `lenses`: by camera what was measured of it."""
        self._lenses = lenses
        self._folder = folder
        self._line = line
        self._passes = passes
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self.opened = 0
        """Counts how often they were opened: each time, the cursors must be looked at anew."""

    def look(self) -> None:
        """See that the database is there, and is the one that is open. Raises RecordsError, as all that follow."""
        path = self._folder / DATABASE
        try:
            found = path.stat()
        except OSError as error:
            self.close()
            raise RecordsError(f"{path}: {error.strerror}; the recorder makes it: does it run?") from error
        file = (found.st_dev, found.st_ino)
        if file != self._file:
            self.close()
            self._connection = open_reader(self._folder)
            self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            self._file = file
            self.opened += 1

    def results(self, after: int, limit: int) -> list[Row]:
        """Up to `limit` parts after row `after`."""
        found = self._ask(lambda connection: parts_after(connection, after, limit))
        return [self._result(part) for part in found]

    def alarms(self, after: int, limit: int) -> list[Row]:
        """Up to `limit` events after row `after`; those that are no alarm have no message."""
        found = self._ask(lambda connection: events_after(connection, after, limit))
        return [self._alarm(event) for event in found]

    def newest(self, table: str) -> int:
        """The last id that was ever given out in `table` (parts, events); 0 for none."""
        return self._number("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = ?", table)

    def first_since(self, table: str, at_s: float) -> int:
        """The id of the first row of `table` that is there, and was recorded at `at_s` (Unix seconds) or later.

        One past the newest where there is none.
        """
        # One statement sees one moment: between two, the recorder may write the first row that is wanted.
        sql = (
            f"SELECT ifnull((SELECT id FROM {table} WHERE at >= ? ORDER BY at, id LIMIT 1), "
            "(SELECT ifnull(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = ?))"
        )
        return self._number(sql, at_s, table)

    def belongs(self, table: str, cursor: Cursor) -> bool:
        """Whether `cursor` was made with this database: not with one that has been replaced since."""
        if cursor.id > self.newest(table):
            return False
        name = {"parts": "p.part", "events": "p.number"}[table]
        sql = f"SELECT r.run || '-' || {name} FROM {table} p JOIN runs r ON r.id = p.run_id WHERE p.id = ?"
        found = self._ask(lambda connection: connection.execute(sql, (cursor.id,)).fetchone())
        # A row that retention has removed tells nothing; its number alone speaks for it.
        return found is None or not cursor.key or found[0] == cursor.key

    def close(self) -> None:
        """Let go of the database."""
        self._file = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _number(self, sql: str, *values: str | float) -> int:
        return int(self._ask(lambda connection: connection.execute(sql, values).fetchone()[0]))

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self.look()
        assert self._connection is not None
        try:
            return question(self._connection)
        except sqlite3.Error as error:
            self.close()
            path = self._folder / DATABASE
            remedy = "the recorder moves it aside and begins a new one" if is_damage(error) else "it is tried again"
            raise RecordsError(f"{path}: {error}; {remedy}") from error

    def _result(self, part: Part) -> Row:
        wanted = self._passes or not part.passed
        return Row(part.id, part.uid, payloads.result(part, self._lenses.get(part.camera)) if wanted else None)

    def _alarm(self, event: Event) -> Row:
        wanted = event.kind == "alarm" and "name" in event.body
        return Row(event.id, f"{event.run}-{event.number}", payloads.alarm(event, self._line) if wanted else None)
