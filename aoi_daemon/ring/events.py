"""The event ring: what happened to the line, for every process off the critical path. Written by the supervisor alone.

An event is a kind and a JSON body:

========  ==================================================================
alarm     name, was, state, event, priority, detail, by
line      was, now, because
stage     which, what, how: a process ended unasked, or could not be started
audit     by, via, what, ok, detail, changes: a person, or the PLC, acted
engine    name, why, others, auto, lanes: this executor judges parts from now on
========  ==================================================================
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final, NamedTuple

from aoi_daemon.ring.journal import JournalLayout, JournalReader, JournalWriter
from aoi_daemon.ring.memory import SharedMemory

RECORDS: Final = 1024
_HEAD: Final = struct.Struct("<qH16s")
_TEXT_BYTES: Final = 4000
_LAYOUT: Final = JournalLayout(RECORDS, _HEAD.size + _TEXT_BYTES)
SIZE_BYTES: Final = _LAYOUT.size_bytes

KINDS: Final = ("alarm", "line", "stage", "audit", "engine")


class Event(NamedTuple):
    """One event; `number` counts from 1 for the life of the daemon, `at_ns` is CLOCK_MONOTONIC."""

    number: int
    at_ns: int
    kind: str
    body: dict[str, Any]


class EventWriter:
    """Appends events; the one writer of the ring."""

    def __init__(self, memory: SharedMemory) -> None:
        self._journal = JournalWriter(memory, _LAYOUT)

    def append(self, kind: str, body: dict[str, Any], at_ns: int) -> None:
        """Append an event. One that does not fit loses the end of its lists, then of its texts, and says `cut`."""
        text = _text(body)
        if len(text) > _TEXT_BYTES:
            text = _text(_cut(body))
        self._journal.append(_HEAD.pack(at_ns, len(text), kind.encode()) + text.ljust(_TEXT_BYTES, b"\0"))


def _text(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _cut(body: dict[str, Any]) -> dict[str, Any]:
    found = {**body, "cut": True}
    for name, value in body.items():
        while isinstance(value, list) and found[name] and len(_text(found)) > _TEXT_BYTES:
            found[name] = found[name][:-1]
    if len(_text(found)) > _TEXT_BYTES:
        # A dozen texts of 80 characters fit, even where each takes four bytes.
        found = {name: value[:80] if isinstance(value, str) else value for name, value in found.items()}
    return found


class EventReader:
    """Reads events in order, from the newest at the time it was made, or from the oldest kept."""

    def __init__(self, memory: SharedMemory, *, from_start: bool = False) -> None:
        self._journal = JournalReader(memory, _LAYOUT, from_start=from_start)

    @property
    def lost(self) -> int:
        """Events that were overwritten before they were read."""
        return self._journal.lost

    def read(self, at_most: int = RECORDS) -> list[Event]:
        """Up to `at_most` events not read yet, oldest first; empty when there are none."""
        found: list[Event] = []
        for number, record in self._journal.read(at_most):
            at_ns, length, kind = _HEAD.unpack_from(record)
            body = json.loads(record[_HEAD.size : _HEAD.size + length])
            found.append(Event(number, at_ns, kind.rstrip(b"\0").decode(), body))
        return found
