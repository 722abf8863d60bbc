"""A walk through a table of the records, from the oldest row to the newest, by age or by row."""

from __future__ import annotations

import math
from typing import Final

from aoi_daemon.recorder.removed import Table

_DAY_S: Final = 86_400.0
_REVIEWED: Final = {
    "images": "EXISTS (SELECT 1 FROM reviews v WHERE v.part_id IN (t.part_id, t.around_id))",
    "parts": "EXISTS (SELECT 1 FROM reviews v WHERE v.part_id = t.id)",
}
_COLUMNS: Final = {
    "images": f"t.id, t.at, {_REVIEWED['images']}, t.file, t.kind",
    "parts": f"t.id, t.at, {_REVIEWED['parts']}",
}
_BY_AGE: Final = """
SELECT {columns} FROM {table} t
WHERE (t.at, t.id) > (?, ?) AND t.at < ? AND t.id > ? AND t.id <= ? ORDER BY t.at, t.id LIMIT ?
"""
_BY_ROW: Final = "SELECT {columns} FROM {table} t WHERE t.id > ? AND t.id < ? ORDER BY t.id LIMIT ?"
_FIRST_LEFT: Final = """
SELECT t.at FROM {table} t
WHERE (t.at, t.id) > (?, ?) AND t.id > ? AND t.id <= ? AND NOT {reviewed} ORDER BY t.at, t.id LIMIT 1
"""
BEGIN: Final = (-1e12, -1)


class Sweep:
    """How far a walk has come. Reviewed parts are passed by, and not looked at again."""

    def __init__(self, table: Table, days: int) -> None:
        self.table = table
        self.kept_s = days * _DAY_S
        self.by_age = _BY_AGE.format(table=table, columns=_COLUMNS[table])
        self.by_row = _BY_ROW.format(table=table, columns=_COLUMNS[table])
        self.first_left = _FIRST_LEFT.format(table=table, reviewed=_REVIEWED[table])
        self.row = 0
        self.due_s: float | None = None
        self.rest_until_s = 0.0
        self.restart()

    def restart(self, rest_until_s: float = 0.0) -> None:
        """Begin anew, not before `rest_until_s` of the clock."""
        self.span = 0
        self.at: tuple[float, int] = BEGIN
        self.least_due_s = math.inf
        self.rest_until_s = rest_until_s
