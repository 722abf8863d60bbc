"""A journal in shared memory: one writer, any number of readers, none of which it knows or waits for.

A reader that falls behind loses the oldest records and is told how many. Each
record carries a CRC over its sequence and body, so a torn read is seen on any
processor without a memory barrier, which Python does not have.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

from aoi_daemon.ring.memory import SharedMemory

_HEAD: Final = struct.Struct("<QI4x")
_CURSOR: Final = struct.Struct("<Q")
_START: Final = 64  # the cursor has a cache line of its own


class JournalLayout(NamedTuple):
    """The newest `records` records of `body_bytes` each are kept."""

    records: int
    body_bytes: int

    @property
    def record_bytes(self) -> int:
        """A record with its head."""
        return _HEAD.size + self.body_bytes

    @property
    def size_bytes(self) -> int:
        """The whole journal."""
        return _START + self.records * self.record_bytes


def _crc(sequence: int, body: bytes) -> int:
    return zlib.crc32(body, sequence & 0xFFFFFFFF)


class JournalWriter:
    """Appends bodies of exactly `layout.body_bytes`; the one writer.

    `recovered` is the body that a former writer had prepared and did not live
    to append; it has been appended.
    """

    def __init__(self, memory: SharedMemory, layout: JournalLayout) -> None:
        self._map = memory.map
        self._layout = layout
        self.cursor: int = _CURSOR.unpack_from(self._map, 0)[0]
        self.recovered = _read(memory, layout, self.cursor + 1)
        if self.recovered is not None:
            self._advance()

    def prepare(self, body: bytes) -> None:
        """Write `body` where the next record will be; readers do not see it yet."""
        sequence = self.cursor + 1
        size = self._layout.record_bytes
        start = _START + (sequence % self._layout.records) * size
        self._map[start : start + size] = _HEAD.pack(sequence, _crc(sequence, body)) + body

    def append(self, body: bytes) -> None:
        """Write `body` as the next record; never waits, never fails."""
        self.prepare(body)
        self._advance()

    def _advance(self) -> None:
        self.cursor += 1
        _CURSOR.pack_into(self._map, 0, self.cursor)


def _read(memory: SharedMemory, layout: JournalLayout, sequence: int) -> bytes | None:
    """Record `sequence`; None when it is not there whole."""
    start = _START + (sequence % layout.records) * layout.record_bytes
    record = memory.map[start : start + layout.record_bytes]
    found, crc = _HEAD.unpack_from(record)
    body = record[_HEAD.size :]
    return body if found == sequence and crc == _crc(sequence, body) else None


class JournalReader:
    """Reads bodies in order, from the newest at the time it was made, or from the oldest kept.

    `lost` counts the records that were overwritten before they were read;
    `next` is the sequence that is read next, from 1.
    """

    def __init__(self, memory: SharedMemory, layout: JournalLayout, *, from_start: bool = False) -> None:
        self._memory = memory
        self._layout = layout
        self.next = 1 if from_start else self._cursor() + 1
        self.lost = 0

    def _cursor(self) -> int:
        cursor: int = _CURSOR.unpack_from(self._memory.map, 0)[0]
        return cursor

    def read(self, at_most: int) -> list[tuple[int, bytes]]:
        """Up to `at_most` records not read yet as (sequence, body), oldest first; empty when there are none."""
        kept = self._layout.records
        found: list[tuple[int, bytes]] = []
        cursor = self._cursor()
        if cursor - self.next >= kept:
            self.lost += cursor - kept + 1 - self.next
            self.next = cursor - kept + 1
        while self.next <= cursor and len(found) < at_most:
            body = _read(self._memory, self._layout, self.next)
            if body is not None:
                found.append((self.next, body))
            elif self._cursor() - self.next >= kept - 1:
                self.lost += 1  # overwritten while we read
            else:
                break  # not whole yet on this processor; it is the next time
            self.next += 1
        return found
