"""Which pictures a power cut took: their rows go, and a gap says so.

Process: recorder, its disk thread, at its start. Rows are synced when they are written, pictures are not (see
`pictures`): the kernel writes them within half a minute. Until then a file may be gone, empty, or of the right length
with zeros in it. Bounded: the newest rows, and a time for reading their pictures.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from aoi_daemon.errors import PictureError
from aoi_daemon.pictures import picture_size
from aoi_daemon.records.parts import Gap, insert_gap

NEWEST: Final = 4000
_UNSURE_S: Final = 120.0
"""The kernel writes what is older than 30 s, and looks each 5 s (vm.dirty_expire_centisecs, dirty_writeback_...)."""
_READ_S: Final = 1.0
WHY: Final = "the power was cut, or the recorder killed, before it was on the disk"

_IMAGES: Final = "SELECT id, at, file, bytes, part_id, kind, why FROM images ORDER BY id DESC LIMIT ?"
_MISSING: Final = """
SELECT p.run_id, p.part, p.at FROM (SELECT * FROM parts ORDER BY id DESC LIMIT ?) p
WHERE NOT p.passed AND p.run_id NOT IN (SELECT id FROM runs WHERE run = ?)
AND NOT EXISTS (SELECT 1 FROM images i WHERE i.part_id = p.id AND i.kind <> 'template')
AND NOT EXISTS (SELECT 1 FROM gaps g WHERE g.run_id = p.run_id AND g.what = 'images'
                AND p.part BETWEEN g.first_part AND g.last_part)
"""


class _Row(NamedTuple):
    id: int
    at: float
    file: str
    size_bytes: int
    part_id: int | None
    kind: str
    why: str


def forget_lost(
    connection: sqlite3.Connection, folder: Path, run: str, clock: Callable[[], float] = time.monotonic
) -> tuple[int, int]:
    """Remove rows without their picture, and write what is missing of earlier runs than `run`.

    Within a transaction of the caller's.

    Returns:
        How many rows were removed, and how many parts have a gap for it.
    """
    gone = _gone([_Row(*row) for row in connection.execute(_IMAGES, (NEWEST,))], folder, clock)
    lost = {row.part_id for row in gone if row.part_id is not None and row.kind == "frame"}
    connection.executemany("DELETE FROM images WHERE id = ?", ((row.id,) for row in gone))
    # A part of this very run comes once more from the ring, and with it its picture or its gap.
    parts = {(run_row, part): at for run_row, part, at in connection.execute(_MISSING, (NEWEST, run))}
    for part_id in lost:
        found = connection.execute("SELECT run_id, part, at FROM parts WHERE id = ?", (part_id,)).fetchone()
        parts[found[0], found[1]] = found[2]
    for (run_row, part), at in sorted(parts.items()):
        insert_gap(connection, run_row, Gap("images", part, part, 1, at, WHY))
    return len(gone), len(parts)


def _gone(rows: list[_Row], folder: Path, clock: Callable[[], float]) -> list[_Row]:
    until = clock() + _READ_S
    newest_at = rows[0].at if rows else 0.0
    judged: dict[str, bool] = {}  # a template is named by many rows

    def is_whole(row: _Row) -> bool:
        path = folder / row.file
        try:
            if path.stat().st_size != row.size_bytes:
                return False
            if abs(newest_at - row.at) < _UNSURE_S and clock() < until:
                picture_size(path)
        except (OSError, PictureError):
            return False
        return True

    for row in rows:
        if row.file not in judged:
            judged[row.file] = is_whole(row)
    return [row for row in rows if not judged[row.file]]
