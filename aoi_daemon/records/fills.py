"""Fill the tables that a newer version has added from the rows of the older one: in bites, newest first.

Process: recorder, its disk thread, between two looks at what waits. Each bite is one short transaction that writes the
figures together with the mark how far it is, so that a kill or a full disk costs a bite and nothing else.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from aoi_daemon.records.database import writing
from aoi_daemon.records.versions import FILLS

_BITE_S: Final = 0.03
"""What a bite is sized for, in seconds of CPU; it holds the database for about so long."""
_WAITED: Final = 8
"""Waiting for a core or the disk counts an eighth: bites that got smaller on a busy PC would never come to an end."""
_LEAST, _MOST = 50, 50_000


class Filling:
    """What is yet to be filled in the database of `connection`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._at_once = 1000
        self._pending = self._read()
        self._all = len(self._pending)

    @property
    def pending(self) -> bool:
        """Whether anything is."""
        return bool(self._pending)

    @property
    def percent(self) -> int:
        """How much is done of what was pending; 100: all of it."""
        if not self._pending:
            return 100
        _, below, top = self._pending[0]
        done = self._all - len(self._pending) + 1 - below / max(top, 1)
        return min(99, int(100 * done / self._all))

    def bite(self) -> bool:
        """One step; whether there is more.

        Raises:
            sqlite3.Error: the disk is full, or does not do what it should; the step is as if it had not been.
        """
        if not self._pending:
            return False
        name, below, _ = self._pending[0]
        fill = FILLS[name]
        began_s, began_cpu_s = time.monotonic(), time.thread_time()
        with writing(self._connection):
            low = self._low(fill.table, below)
            for statement in fill.statements:
                self._connection.execute(statement, {"low": low, "below": below})
            if low:
                self._connection.execute("UPDATE fills SET below = ? WHERE name = ?", (low, name))
            else:
                self._connection.execute("DELETE FROM fills WHERE name = ?", (name,))
        self._pending = self._read()
        took_s = max(time.thread_time() - began_cpu_s, (time.monotonic() - began_s) / _WAITED)
        if took_s > _BITE_S:
            self._at_once = max(_LEAST, self._at_once // 2)
        elif took_s < _BITE_S / 3:
            self._at_once = min(_MOST, self._at_once * 2)
        return self.pending

    def _low(self, table: str, below: int) -> int:
        """Where the next bite begins; 0: with it all is done. By rows, for retention may have removed any of them."""
        found = self._connection.execute(
            f"SELECT id FROM {table} WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?", (below, self._at_once - 1)
        ).fetchone()
        return 0 if found is None else int(found[0])

    def _read(self) -> list[tuple[str, int, int]]:
        return self._connection.execute("SELECT name, below, top FROM fills ORDER BY name").fetchall()
