"""Remove what is too old, or what the disk has no room for: oldest first, in small bites.

Process: recorder, its disk thread. Blocks: on the disk. A bite is one short transaction, so that the page may
write a review in between. A reviewed part stays: its row, its pictures, and those around it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from aoi_daemon.config.recorder import RecorderSection
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

_REVIEWED: Final = "EXISTS (SELECT 1 FROM reviews v WHERE v.part_id IN (i.part_id, i.around_id))"
_OLDEST_IMAGES: Final = f"""
SELECT i.id, i.at, i.file, i.kind, {_REVIEWED} FROM images i
WHERE (i.at, i.id) > (?, ?) AND i.at < ? ORDER BY i.at, i.id LIMIT ?
"""
_OLDEST_PARTS: Final = """
SELECT p.id, p.at, EXISTS (SELECT 1 FROM reviews v WHERE v.part_id = p.id) FROM parts p
WHERE (p.at, p.id) > (?, ?) AND p.at < ? ORDER BY p.at, p.id LIMIT ?
"""
_BEGIN: Final = (-1e12, -1)
_END: Final = 1e12


def free_bytes(folder: Path) -> int:
    """Room for this process on the disk of `folder`; 0 where that cannot be told."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


class _Sweep:
    """Where a walk from the oldest to the newest stands. Reviewed ones are passed by, and not looked at again."""

    def __init__(self) -> None:
        self.at: tuple[float, int] = _BEGIN
        self.rest_until_s = 0.0

    def restart(self, now_s: float) -> None:
        self.at = _BEGIN
        self.rest_until_s = now_s + _SWEEP_S


class Retention:
    """Keeps the records of `folder` within the bounds of `section`."""

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, section: RecorderSection,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._connection = connection
        self._folder = folder
        self._section = section
        self._clock = clock
        self._images, self._parts = _Sweep(), _Sweep()
        self._at_once = 64
        self.removed_images = 0
        self.removed_parts = 0

    def short_bytes(self) -> int:
        """How much less room there is than is asked for; 0: enough."""
        least = max(int(self._section.min_free_gb * 1e9), _LEAST_BYTES)
        return max(0, least - free_bytes(self._folder))

    def bite(self, wall_s: float) -> bool:
        """One step of what is due for its age at `wall_s` (Unix seconds); whether there may be more at once."""
        now_s = self._clock()
        if now_s >= self._images.rest_until_s:
            return self._bite_images(self._images, wall_s - self._section.days_images * _DAY_S, now_s)
        if now_s >= self._parts.rest_until_s:
            return self._bite_parts(self._parts, wall_s - self._section.days_records * _DAY_S, now_s)
        return self._give_back()

    def make_room(self, wall_s: float) -> bool:
        """One step of what must go for want of room, whatever its age; False: nothing is left that may."""
        if remove_copies(self._folder / DATABASE):
            return True
        before = self.removed_images + self.removed_parts

        def images() -> bool:
            return self._bite_images(self._images, _END, self._clock())

        def parts() -> bool:
            # A row is small: the last day's are worth more than the room that they take.
            return self._bite_parts(self._parts, wall_s - _DAY_S, self._clock())

        for step in (images, parts):
            while step():
                if self.removed_images + self.removed_parts > before:
                    self._give_back(all_of_it=True)
                    return True
        return False

    # -- bites ---------------------------------------------------------------

    def _bite_images(self, sweep: _Sweep, before: float, now_s: float) -> bool:
        began_s = self._clock()
        rows = self._connection.execute(_OLDEST_IMAGES, (*sweep.at, before, self._at_once)).fetchall()
        if not rows:
            sweep.restart(now_s)
            return False
        going = [row for row in rows if not row[4]]
        # Files first: on a full disk it is they that make the room which the database needs to forget them. What is
        # left of a kill in between is a row without a file, which whoever reads has to bear anyway.
        for _, _, file, kind, _ in going:
            if kind != "template":
                (self._folder / file).unlink(missing_ok=True)
        with writing(self._connection):
            self._delete("images", (row[0] for row in going))
        self._unlink_templates({row[2] for row in going if row[3] == "template"})
        sweep.at = (rows[-1][1], rows[-1][0])
        self.removed_images += len(going)
        self._size_bites(self._clock() - began_s)
        return True

    def _bite_parts(self, sweep: _Sweep, before: float, now_s: float) -> bool:
        began_s = self._clock()
        rows = self._connection.execute(_OLDEST_PARTS, (*sweep.at, before, self._at_once)).fetchall()
        if not rows:
            sweep.restart(now_s)
            with writing(self._connection):
                audit.forget(self._connection, before)
                self._connection.execute("DELETE FROM gaps WHERE at < ?", (before,))
            return False
        going = [row[0] for row in rows if not row[2]]
        with writing(self._connection):
            self._delete("parts", going)
        sweep.at = (rows[-1][1], rows[-1][0])
        self.removed_parts += len(going)
        self._size_bites(self._clock() - began_s)
        return True

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
