"""The PLC map's registers: the optional profile written to the PLC, and the block read from it. Pure.

The profile goes with one FC16 write before a verdict's coils, its commit word
last; the poll block comes with one FC03 read. `REPORT_FIELDS` and
`POLL_FIELDS` are the map: the code and the reference read the same table.
Offsets are from a configurable base. Numbers of two registers have the high
word first, signed ones are in two's complement.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final, NamedTuple

from aoi_daemon.plcmap.coils import Result

MAP_VERSION: Final = 2


class Field(NamedTuple):
    """One number of a block. `words` registers; a value out of range is clamped, or wraps."""

    name: str
    words: int
    signed: bool
    wraps: bool
    meaning: str

    def encode(self, value: int) -> list[int]:
        """`value` as registers, high word first."""
        if not self.wraps:
            size = 1 << 16 * self.words
            lowest, highest = (-size // 2, size // 2 - 1) if self.signed else (0, size - 1)
            value = min(max(value, lowest), highest)
        return [value >> 16 * word & 0xFFFF for word in reversed(range(self.words))]

    def decode(self, words: Sequence[int]) -> int:
        """The inverse of `encode`."""
        value = 0
        for word in words:
            value = value << 16 | word
        size = 1 << 16 * self.words
        return value - size if self.signed and value >= size // 2 else value


def _counter(name: str, meaning: str, words: int = 1) -> Field:
    return Field(name, words, False, True, meaning)


def _number(name: str, meaning: str) -> Field:
    return Field(name, 1, False, False, meaning)


def _signed(name: str, meaning: str) -> Field:
    return Field(name, 1, True, False, meaning)


class Flag(enum.IntFlag):
    """Bits of the register `flags`."""

    ALARM = 1
    READY = 2
    RUN_PERMIT = 4
    OVERRUN = 8


class Report(NamedTuple):
    """The register profile of one verdict. Fields and units: `REPORT_FIELDS`."""

    map_version: int = MAP_VERSION
    heartbeat: int = 0
    trigger_id: int = 0
    verdict: int = Result.NONE
    defect_class: int = -1
    defect_count: int = 0
    latency: int = 0
    recipe: int = 0
    error_code: int = 0
    flags: int = 0
    offset_x: int = 0
    offset_y: int = 0
    reject_rate: int = 0
    frequent_class: int = -1
    sequence: int = 0


REPORT_FIELDS: Final[tuple[Field, ...]] = (
    _number("map_version", f"{MAP_VERSION}; a PLC program refuses another."),
    _counter("heartbeat", "Counts up with each toggle of the coil HEARTBEAT, also between verdicts."),
    _counter("trigger_id", "The PLC's number of the part's trigger, 0 where it is not known.", words=2),
    _number("verdict", "0 unknown, 1 good, 2 failed; never 1 while not READY, 0 for a part without a verdict."),
    _signed("defect_class", "Class index of the worst defect, -1 none."),
    _number("defect_count", "Defects that counted."),
    _number("latency", "Trigger to verdict, in 0.1 ms."),
    _number("recipe", "The `id` of the recipe it was judged by; written at once when another is in use."),
    _number("error_code", "Why it was rejected: the number of the reason, 0 for a good part."),
    _number("flags", "Bit 0 ALARM, 1 READY, 2 RUN_PERMIT, 3 OVERRUN; they follow the line at once."),
    _signed("offset_x", "Registration offset, in 0.01 mm."),
    _signed("offset_y", "Registration offset, in 0.01 mm."),
    _number("reject_rate", "Of the last parts, in 0.1 %."),
    _signed("frequent_class", "Most frequent class index of the last parts, -1 none."),
    _counter("sequence", "Commit word, last: the rest is for this sequence; its low byte is SEQ."),
)
REPORT_WORDS: Final = sum(field.words for field in REPORT_FIELDS)


def offset_of(name: str) -> int:
    """The offset of the register `name` of the report."""
    return sum(field.words for field in REPORT_FIELDS[: Report._fields.index(name)])


def encode_report(report: Report) -> list[int]:
    """`report` as REPORT_WORDS registers, the commit word last.

    A good part that is not READY becomes unknown, as with the coils.

    Raises:
        ValueError: the verdict is none of 0, 1 and 2.
    """
    if Result(report.verdict) == Result.FAULT:
        raise ValueError("a verdict is 0, 1 or 2")
    if report.verdict == Result.PASS and not report.flags & Flag.READY:
        report = report._replace(verdict=Result.NONE)
    return _encode(REPORT_FIELDS, report)


def decode_report(words: Sequence[int]) -> Report:
    """The inverse of `encode_report`.

    Raises:
        ValueError: not REPORT_WORDS registers.
    """
    return Report._make(_decode(REPORT_FIELDS, words))


class Status(enum.IntFlag):
    """Bits of the register `status`, from the PLC."""

    LINE_RUNNING = 1
    TRIGGER = 2  # toggles with each trigger
    REJECT_CONFIRMED = 4  # the part of `acted_on` was ejected
    ALARM_RESET = 8
    BYPASS = 16  # parts go on whatever their verdict: a maintenance switch
    HEARTBEAT = 32


_ALL_STATUS: Final = (1 << 6) - 1


class Poll(NamedTuple):
    """What the PLC says. Fields: `POLL_FIELDS`."""

    status: Status = Status(0)
    trigger_id: int = 0
    result_ack: int = 0
    recipe_request: int = 0
    acted_on: int = 0
    reserved: int = 0


POLL_FIELDS: Final[tuple[Field, ...]] = (
    _number(
        "status",
        "Bit 0 line running, 1 trigger toggle, 2 reject confirmed (the part of `acted_on` was ejected), 3 alarm reset, "
        "4 bypass (parts go on whatever their verdict), 5 PLC heartbeat (toggles).",
    ),
    _counter("trigger_id", "Number of the last trigger.", words=2),
    _counter(
        "result_ack",
        "Sequence of the last verdict taken by the PLC's program; the low byte is compared. More than "
        "`poll.ack_behind` verdicts behind: the alarm PLC_BEHIND, and OVERRUN.",
    ),
    _number("recipe_request", "The `id` of the recipe wanted, 0 none; a change is a request, `recipe` the answer."),
    _counter(
        "acted_on",
        "Sequence of the part that was last at the gate, ejected or not, with a verdict or without; the low byte is "
        "compared, where `poll.confirm_parts` watches the ejector.",
    ),
    _counter("reserved", "Not used, 0.", words=2),
)
POLL_WORDS: Final = sum(field.words for field in POLL_FIELDS)


def encode_poll(poll: Poll) -> list[int]:
    """`poll` as POLL_WORDS registers: the PLC's side, for its simulator."""
    return _encode(POLL_FIELDS, poll)


def decode_poll(words: Sequence[int]) -> Poll:
    """What the PLC says in POLL_WORDS registers.

    Raises:
        ValueError: not POLL_WORDS registers.
    """
    status, *rest = _decode(POLL_FIELDS, words)
    return Poll(Status(status & _ALL_STATUS), *rest)


def _encode(fields: tuple[Field, ...], values: Sequence[int]) -> list[int]:
    return [word for field, value in zip(fields, values, strict=True) for word in field.encode(value)]


def _decode(fields: tuple[Field, ...], words: Sequence[int]) -> list[int]:
    expected = sum(field.words for field in fields)
    if len(words) != expected:
        raise ValueError(f"the block has {expected} registers, not {len(words)}")
    values, start = [], 0
    for field in fields:
        values.append(field.decode(words[start : start + field.words]))
        start += field.words
    return values
