"""A journal in shared memory: one writer, any number of readers, none of which it knows or waits for.

A reader that falls behind loses the oldest records and is told how many. Each
record carries a CRC over its sequence and body, so a torn read is seen on any
processor without a memory barrier, which Python does not have. The cursor is
written last, 8 bytes at once.

A record may be prepared before it is appended. That lies in a place of its own,
so a writer that is killed while it appends leaves one or the other, complete.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

from aoi_daemon.ring.memory import SharedMemory

_HEAD: Final = struct.Struct("<QI4x")
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
        """The complete journal, with the place of what is prepared."""
        return _START + (self.records + 1) * self.record_bytes

    def start(self, sequence: int) -> int:
        """Where record `sequence` lies."""
        return _START + (sequence % self.records) * self.record_bytes

    @property
    def prepared(self) -> int:
        """Where a record lies that is prepared."""
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
        self._cells = _cursor_of(memory)
        self._layout = layout
        self.cursor: int = self._cells[0]
        sequence = self.cursor + 1
        # Appended all but the cursor; else as it was prepared.
        self.recovered = _read(memory, layout.start(sequence), layout, sequence)
        if self.recovered is None:
            # Its sequence is of the next record, or it was appended long ago and is not this one.
            self.recovered = _read(memory, layout.prepared, layout, sequence)
        if self.recovered is not None:
            self.append(self.recovered)

    def prepare(self, body: bytes) -> None:
        """Write `body` as the next record would be; readers do not see it yet."""
        self._write(self._layout.prepared, body)

    def append(self, body: bytes) -> None:
        """Write `body` as the next record; never waits, never fails."""
        self._write(self._layout.start(self.cursor + 1), body)
        self.cursor += 1
        # Last: until now a reader does not look at this record, and a writer that is killed has not appended it.
        self._cells[0] = self.cursor

    def _write(self, start: int, body: bytes) -> None:
        sequence = self.cursor + 1
        self._map[start : start + self._layout.record_bytes] = _HEAD.pack(sequence, _crc(sequence, body)) + body


def _cursor_of(memory: SharedMemory) -> memoryview:
    # Through struct it would be written byte by byte, and a writer could be killed, or read, between two of them.
    return memoryview(memory.map)[:8].cast("Q")


def _read(memory: SharedMemory, start: int, layout: JournalLayout, sequence: int) -> bytes | None:
    """Record `sequence` at `start`; None when it is not there, or not complete."""
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
        self._cells = _cursor_of(memory)
        self.next = 1 if from_start else self._cells[0] + 1
        self.lost = 0

    def read(self, at_most: int) -> list[tuple[int, bytes]]:
        """Up to `at_most` records not read yet as (sequence, body), oldest first; empty when there are none."""
        kept = self._layout.records
        found: list[tuple[int, bytes]] = []
        # Read once: records that come while we read are the next call's.
        cursor = self._cells[0]
        if cursor - self.next >= kept:
            self.lost += cursor - kept + 1 - self.next
            self.next = cursor - kept + 1
        while self.next <= cursor and len(found) < at_most:
            body = _read(self._memory, self._layout.start(self.next), self._layout, self.next)
            if body is not None:
                found.append((self.next, body))
            elif self._cells[0] - self.next >= kept - 1:
                self.lost += 1  # overwritten while we read
            else:
                break  # not complete yet on this processor; it will be the next time
            self.next += 1
        return found
