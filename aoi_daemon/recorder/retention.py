"""Remove what is too old, or what the disk has no room for: oldest first, in small bites.

How old something is, and what a wrong clock may not do, is `recorder/clock/wall.py`'s.

Process: recorder, its disk thread. Blocks: on the disk. A bite is one short transaction, so that the page may
write a review in between. A reviewed part stays: its row, its pictures, and those around it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.recorder import RecorderSection
from aoi_daemon.recorder.clock.wall import Span
from aoi_daemon.recorder.removed import Reason, Removed, Table
from aoi_daemon.recorder.sweep import BEGIN, Sweep
from aoi_daemon.records import audit
from aoi_daemon.records.copies import remove_copies
from aoi_daemon.records.database import DATABASE, TEMPLATES, writing

_DAY_S: Final = 86_400.0
_SWEEP_S: Final = 60.0
"""Between two sweeps that found nothing more to remove."""
_BITE_S: Final = 0.03
"""What a bite is sized for; it holds the database for no more than about twice that."""
_LEAST, _MOST = 8, 2000
_VACUUM_PAGES: Final = 256
_FREE_PAGES: Final = 1024
"""Pages (4 KiB) that may lie unused in the file: they are taken by the next rows."""
_LEAST_BYTES: Final = 64 * 1024
"""With less the next write fails, whatever is configured."""
_WAL_BYTES: Final = 16 * 1024 * 1024

_EVER: Final = 2**62
_WHOLE: Final = (Span({}, {}, 0.0),)


def free_bytes(folder: Path) -> int:
    """Room for this process on the disk of `folder`; 0 where that cannot be told."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize




class Retention:
    """Keeps the records of `folder` within the bounds of `section`.

    Times of the records come from `RecordsClock`: its `deleting_s` or `now_s`, and the `spans` by which dates are
    read. `clock` is any that does not go back.
    """

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, section: RecorderSection,
        clock: Callable[[], float] = time.monotonic, removed: Removed | None = None,
    ) -> None:  # fmt: skip
        self._connection = connection
        self._folder = folder
        self._section = section
        self._clock = clock
        self._images, self._parts = Sweep("images", section.days_images), Sweep("parts", section.days_records)
        self._at_once = 64
        self._removed = removed or Removed(None)
        self.removed_images = 0
        self.removed_parts = 0

    def short_bytes(self) -> int:
        """How much less room there is than is asked for; 0: enough."""
        least = max(int(self._section.min_free_gb * 1e9), _LEAST_BYTES)
        return max(0, least - free_bytes(self._folder))

    def bite(self, deleting_s: float, spans: Sequence[Span] = _WHOLE) -> bool:
        """One step of what is due for its age at `deleting_s` (Unix seconds); whether there may be more at once."""
        now_s = self._clock()
        for sweep in (self._images, self._parts):
            if now_s >= sweep.rest_until_s:
                return self._bite(sweep, deleting_s, spans, now_s)
        return self._give_back()

    @property
    def first_due_s(self) -> float | None:
        """When the first of what the last sweeps left is due; inf: nothing ever is; None: not known yet."""
        images_s, parts_s = self._images.due_s, self._parts.due_s
        return None if images_s is None or parts_s is None else min(images_s, parts_s)

    def restart(self) -> None:
        """Dates are read in another way from now on."""
        for sweep in (self._images, self._parts):
            sweep.due_s = None
            sweep.restart()

    def make_room(self, now_s: float, spans: Sequence[Span] = _WHOLE) -> bool:
        """One step of what must go for want of room, whatever its age: by row, for a date may be wrong.

        False: nothing is left that may.
        """
        if remove_copies(self._folder / DATABASE):
            return True
        before = self.removed_images + self.removed_parts

        def parts() -> bool:
            # A row is small: the last day's are worth more than the room that they take.
            return self._bite_row(self._parts, self._first_of_last_day(now_s, spans), now_s, spans)

        def images() -> bool:
            return self._bite_row(self._images, _EVER, now_s, spans)

        for step in (images, parts):
            while step():
                if self.removed_images + self.removed_parts > before:
                    self._give_back(all_of_it=True)
                    return True
        return False

    # -- bites ---------------------------------------------------------------

    def _bite(self, sweep: Sweep, deleting_s: float, spans: Sequence[Span], now_s: float) -> bool:
        if sweep.span >= len(spans):
            sweep.due_s = sweep.least_due_s
            sweep.restart(now_s + _SWEEP_S)
            return False
        began_s = self._clock()
        span = spans[sweep.span]
        before = deleting_s - sweep.kept_s - span.shift_s
        rows = self._connection.execute(
            sweep.by_age, (*sweep.at, before, *_ids(span, sweep.table), self._at_once)
        ).fetchall()
        if not rows:
            self._end_of_span(sweep, span, before, deleting_s)
            return sweep.span < len(spans) or self._bite(sweep, deleting_s, spans, now_s)
        going = self._remove(sweep, rows)
        self._count("age", sweep.table, [deleting_s - span.shift_s - row[1] for row in going])
        sweep.at = (rows[-1][1], rows[-1][0])
        self._size_bites(self._clock() - began_s)
        return True

    def _bite_row(self, sweep: Sweep, before_row: int, now_s: float, spans: Sequence[Span]) -> bool:
        began_s = self._clock()
        rows = self._connection.execute(sweep.by_row, (sweep.row, before_row, self._at_once)).fetchall()
        if not rows:
            sweep.row = 0
            return False
        going = self._remove(sweep, rows)
        self._count("room", sweep.table, [now_s - _shift(spans, sweep.table, row[0]) - row[1] for row in going])
        sweep.row = rows[-1][0]
        self._size_bites(self._clock() - began_s)
        return True

    def _remove(self, sweep: Sweep, rows: Sequence[Any]) -> list[Any]:
        """Remove those of `rows` that nobody has reviewed; they are given back."""
        going = [row for row in rows if not row[2]]
        if sweep is self._parts:
            with writing(self._connection):
                self._delete("parts", (row[0] for row in going))
            self.removed_parts += len(going)
            return going
        # Files first: on a full disk it is they that make the room which the database needs to forget them. What is
        # left of a kill in between is a row without a file, which whoever reads has to bear anyway.
        for _, _, _, file, kind in going:
            if kind != "template":
                (self._folder / file).unlink(missing_ok=True)
        with writing(self._connection):
            self._delete("images", (row[0] for row in going))
        self._unlink_templates({row[3] for row in going if row[4] == "template"})
        self.removed_images += len(going)
        return going

    def _end_of_span(self, sweep: Sweep, span: Span, before: float, deleting_s: float) -> None:
        """Nothing more of `span` is due: events and losses go with the parts of their time, and what is due next?"""
        ids = _ids(span, sweep.table)
        left = [self._connection.execute(sweep.first_left, (*sweep.at, *ids)).fetchone()]
        if sweep is self._parts:
            others: tuple[Table, ...] = ("events", "gaps")
            left += [self._delete_old(table, span, before, deleting_s) for table in others]
        due_s = [at[0] + span.shift_s + sweep.kept_s for at in left if at is not None]
        sweep.least_due_s = min([sweep.least_due_s, *due_s])
        sweep.span += 1
        sweep.at = BEGIN

    def _delete_old(self, table: Table, span: Span, before: float, deleting_s: float) -> Any:
        """All of it at once, for it is little; (at,) of the first that is left, or None."""
        where, values = "at < ? AND id > ? AND id <= ?", (before, *_ids(span, table))
        count, oldest, newest = self._connection.execute(
            f"SELECT count(*), min(at), max(at) FROM {table} WHERE {where}", values
        ).fetchone()
        if count:
            with writing(self._connection):
                gone = self._forget_old(table, where, values)
            if gone:
                now_s = deleting_s - span.shift_s
                self._removed.add("age", table, gone, now_s - oldest, now_s - newest)
        # By the index's order, and not `min`, which would read all of it.
        return self._connection.execute(
            f"SELECT at FROM {table} WHERE at >= ? AND id > ? AND id <= ? ORDER BY at LIMIT 1", values
        ).fetchone()

    def _forget_old(self, table: Table, where: str, values: tuple[float, int, int]) -> int:
        if table == "events":
            return audit.forget(self._connection, *values)
        return self._connection.execute(f"DELETE FROM {table} WHERE {where}", values).rowcount

    def _first_of_last_day(self, now_s: float, spans: Sequence[Span]) -> int:
        """The first part of the last day that was recorded; all before it may go."""
        first = _EVER
        for span in spans:
            row = self._connection.execute(
                "SELECT id FROM parts WHERE at >= ? AND at <= ? AND id > ? AND id <= ? ORDER BY at, id LIMIT 1",
                (now_s - span.shift_s - _DAY_S, now_s - span.shift_s + _DAY_S, *_ids(span, "parts")),
            ).fetchone()
            first = first if row is None else min(first, row[0])
        return first

    def _count(self, reason: Reason, table: Table, ages_s: Sequence[float]) -> None:
        if ages_s:
            self._removed.add(reason, table, len(ages_s), max(ages_s), min(ages_s))

    def _delete(self, table: str, ids: Iterable[int]) -> None:
        self._connection.executemany(f"DELETE FROM {table} WHERE id = ?", ((row,) for row in ids))

    def _unlink_templates(self, files: Iterable[str]) -> None:
        for file in files:
            used = self._connection.execute(
                "SELECT 1 FROM images WHERE kind = 'template' AND file = ? LIMIT 1", (file,)
            ).fetchone()
            if used is None and file.startswith(TEMPLATES):
                (self._folder / file).unlink(missing_ok=True)

    def _size_bites(self, took_s: float) -> None:
        if took_s > _BITE_S:
            self._at_once = max(_LEAST, self._at_once // 2)
        elif took_s < _BITE_S / 4:
            self._at_once = min(_MOST, self._at_once * 2)

    # -- giving back ---------------------------------------------------------

    def _give_back(self, *, all_of_it: bool = False) -> bool:
        """Shrink the file by what lies free in it; whether there is more."""
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        if free > (0 if all_of_it else _FREE_PAGES):
            # As a script: `execute` takes one step of it, which is one page.
            self._connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES});")
            if all_of_it:
                self._empty_log()
            return not all_of_it
        wal = self._folder / f"{DATABASE}-wal"
        if wal.exists() and wal.stat().st_size > _WAL_BYTES:
            self._empty_log()
        return False

    def _empty_log(self) -> None:
        # A reader in the midst of something is not waited for: there is a next time.
        self._connection.execute("PRAGMA busy_timeout = 0")
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            self._connection.execute("PRAGMA busy_timeout = 5000")


def _ids(span: Span, table: Table) -> tuple[int, int]:
    """After which row `span` begins in `table`, and with which it ends."""
    return span.after.get(table, 0), span.up_to.get(table, _EVER)


def _shift(spans: Sequence[Span], table: Table, row: int) -> float:
    return next((span.shift_s for span in spans if row <= _ids(span, table)[1]), 0.0)
