"""The verdict ring: what became of each part, for everybody beside the path.

One writer (plc), any number of readers, none of which it knows or waits for:
a reader that falls behind loses the oldest records and is told how many. Each
record carries a CRC over its sequence and body, so a torn read is seen on any
processor without a memory barrier, which Python does not have.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from typing import Final

from aoi_daemon.messages import OUTCOME, Outcome
from aoi_daemon.ring.memory import SharedMemory

RECORDS: Final = 8192
"""Parts that are kept: 6.8 minutes at 50 ms, 41 s at 5 ms."""

_HEAD: Final = struct.Struct("<QI4x")
_CURSOR: Final = struct.Struct("<Q")
_START: Final = 64  # the cursor has a cache line of its own
_RECORD_BYTES: Final = _HEAD.size + OUTCOME.size
SIZE_BYTES: Final = _START + RECORDS * _RECORD_BYTES


def _crc(sequence: int, body: bytes) -> int:
    return zlib.crc32(body, sequence & 0xFFFFFFFF)


class VerdictWriter:
    """Appends outcomes; the one writer of the ring.

    A record is prepared before its verdict is sent and appended once that is
    done. A writer that was killed in between leaves a prepared record, which
    its successor appends: no PASS that the PLC may have seen is without its
    record. `recovered` is that record.
    """

    def __init__(self, memory: SharedMemory) -> None:
        self._map = memory.map
        (self.cursor,) = _CURSOR.unpack_from(self._map, 0)
        self.recovered = _read(self._map, self.cursor + 1)
        if self.recovered is not None:
            self._advance()

    def prepare(self, outcome: Outcome) -> None:
        """Write `outcome` as it would be if this were its end; readers do not see it yet."""
        sequence = self.cursor + 1
        body = outcome.pack()
        start = _START + (sequence % RECORDS) * _RECORD_BYTES
        self._map[start : start + _RECORD_BYTES] = _HEAD.pack(sequence, _crc(sequence, body)) + body

    def append(self, outcome: Outcome) -> None:
        """Write `outcome` as the next record; never waits, never fails."""
        self.prepare(outcome)
        self._advance()

    def _advance(self) -> None:
        self.cursor += 1
        _CURSOR.pack_into(self._map, 0, self.cursor)


def _read(memory: mmap.mmap, sequence: int) -> Outcome | None:
    """Record `sequence`; None when it is not there whole."""
    start = _START + (sequence % RECORDS) * _RECORD_BYTES
    record = memory[start : start + _RECORD_BYTES]
    found, crc = _HEAD.unpack_from(record)
    body = record[_HEAD.size :]
    return Outcome.unpack(body) if found == sequence and crc == _crc(sequence, body) else None


class VerdictReader:
    """Reads outcomes in order, from the newest at the time it was made.

    `lost` counts the records that were overwritten before they were read.
    """

    def __init__(self, memory: SharedMemory, *, from_start: bool = False) -> None:
        self._map = memory.map
        self.next = 1 if from_start else self._cursor() + 1
        self.lost = 0

    def _cursor(self) -> int:
        cursor: int = _CURSOR.unpack_from(self._map, 0)[0]
        return cursor

    def read(self, at_most: int = RECORDS) -> list[Outcome]:
        """Up to `at_most` outcomes not read yet, oldest first; empty when there are none."""
        found: list[Outcome] = []
        cursor = self._cursor()
        if cursor - self.next >= RECORDS:
            self.lost += cursor - RECORDS + 1 - self.next
            self.next = cursor - RECORDS + 1
        while self.next <= cursor and len(found) < at_most:
            outcome = _read(self._map, self.next)
            if outcome is not None:
                found.append(outcome)
            elif self._cursor() - self.next >= RECORDS - 1:
                self.lost += 1  # overwritten while we read
            else:
                break  # not whole yet on this processor; it is the next time
            self.next += 1
        return found
