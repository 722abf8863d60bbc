"""The verdict ring: what became of each part, for every process off the critical path. Written by plc alone."""

from __future__ import annotations

from typing import Final

from aoi_daemon.messages import OUTCOME, Outcome
from aoi_daemon.ring.journal import JournalLayout, JournalReader, JournalWriter
from aoi_daemon.ring.memory import SharedMemory

RECORDS: Final = 8192
"""Parts that are kept: 6.8 minutes at 50 ms, 41 s at 5 ms."""

_LAYOUT: Final = JournalLayout(RECORDS, OUTCOME.size)
SIZE_BYTES: Final = _LAYOUT.size_bytes


class VerdictWriter:
    """Appends outcomes; the one writer of the ring.

    A record is prepared before its verdict is sent and appended once that is
    done. A writer that was killed in between leaves a prepared record, which
    its successor appends: no PASS that the PLC may have seen is without its
    record. `recovered` is that record.
    """

    def __init__(self, memory: SharedMemory) -> None:
        self._journal = JournalWriter(memory, _LAYOUT)
        body = self._journal.recovered
        self.recovered = None if body is None else Outcome.unpack(body)

    @property
    def cursor(self) -> int:
        """How many records have been appended."""
        return self._journal.cursor

    def prepare(self, outcome: Outcome) -> None:
        """Write `outcome` as it would be if this were its end; readers do not see it yet."""
        self._journal.prepare(outcome.pack())

    def append(self, outcome: Outcome) -> None:
        """Write `outcome` as the next record; never waits, never fails."""
        self._journal.append(outcome.pack())


class VerdictReader:
    """Reads outcomes in order, from the newest at the time it was made, or from the oldest kept."""

    def __init__(self, memory: SharedMemory, *, from_start: bool = False) -> None:
        self._journal = JournalReader(memory, _LAYOUT, from_start=from_start)

    @property
    def lost(self) -> int:
        """Records that were overwritten before they were read."""
        return self._journal.lost

    def read(self, at_most: int = RECORDS) -> list[Outcome]:
        """Up to `at_most` outcomes not read yet, oldest first; empty when there are none."""
        return [Outcome.unpack(body) for _, body in self._journal.read(at_most)]
