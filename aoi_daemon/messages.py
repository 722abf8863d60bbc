"""What the stages tell each other: fixed-size records, written with one system call.

Every record fits a pipe's atomic write (4096 bytes), so a reader never sees
half of one, even when its writer was killed. Times are CLOCK_MONOTONIC in ns;
0 means that it did not happen or is not known.
"""

from __future__ import annotations

import enum
import struct
from typing import Final, NamedTuple

MAX_DEFECTS: Final = 16
"""Defects that travel with a verdict, worst first; the count is not limited by it."""


class Reason(enum.IntEnum):
    """Why a part was rejected; NONE goes with a PASS alone."""

    NONE = 0
    DEFECT = 1
    LATE = 2
    NO_IMAGE = 3
    INCOMPLETE = 4
    OVERRUN = 5
    ENGINE_FAULT = 6
    OPTICS = 7
    NO_RECIPE = 8
    NOT_READY = 9
    REGISTRATION = 10
    DOUBLED = 11


class Proof(enum.IntEnum):
    """Whether golden parts of the product itself hold: what READY asks for, and what each part's record says."""

    NOT_PROVEN = 0  # none, or one that does not hold: the line is not READY
    PROVEN = 1  # at least one good and one bad golden part, and all of them hold
    ACCEPTED = 2  # there are too few, and the recipe says who answers for it (`accept_unproven`)
    UPGRADED = 3  # there are too few, of a recipe that was in use before proof was asked for: for a while


class Arrival(enum.IntEnum):
    """How a part came in. All but FRAME are rejected without being looked at."""

    FRAME = 0
    NO_IMAGE = 1
    INCOMPLETE = 2
    OVERRUN = 3

    @property
    def reason(self) -> Reason:
        """The reason that a part which came in so is rejected for (NONE for a frame)."""
        return _ARRIVAL_REASONS[self]


_ARRIVAL_REASONS = (Reason.NONE, Reason.NO_IMAGE, Reason.INCOMPLETE, Reason.OVERRUN)


ANNOUNCEMENT: Final = struct.Struct("<BBxxIQQqqqQ")


class Announcement(NamedTuple):
    """From acquire to plc and inspection: a part has come past camera `camera`.

    `sequence` counts the views of one camera from 1; `frame` is where the image
    lies in that camera's ring (0: there is no image). An OVERRUN takes back an
    earlier FRAME announcement: its slot had to be reused before it was judged.
    `trigger_id` is the PLC's number of the part, 0 where it is not known.
    """

    arrival: int
    camera: int
    fov: int
    sequence: int
    frame: int
    trigger_ns: int
    ready_ns: int
    deadline_ns: int
    trigger_id: int = 0

    def pack(self) -> bytes:
        """This record as `ANNOUNCEMENT.size` bytes."""
        return ANNOUNCEMENT.pack(*self)

    @classmethod
    def unpack(cls, record: bytes) -> Announcement:
        """The inverse of `pack`."""
        return cls._make(ANNOUNCEMENT.unpack(record))


READING: Final = struct.Struct("<qqQ?")


class Reading(NamedTuple):
    """From plc to acquire: one reading of the PLC's status, by a request begun at `asked_ns`.

    `trigger_id` is the PLC's number of its last trigger, 0 to 2**32 - 1. `triggered`: the PLC's trigger toggle
    has moved since the reading before.
    """

    asked_ns: int
    answered_ns: int
    trigger_id: int
    triggered: bool

    def pack(self) -> bytes:
        """This record as `READING.size` bytes."""
        return READING.pack(*self)

    @classmethod
    def unpack(cls, record: bytes) -> Reading:
        """The inverse of `pack`."""
        return cls._make(READING.unpack(record))


class Defect(NamedTuple):
    """One detection that counted: class index, score 0..1, corners in px of the frame (aligned: of the template)."""

    label: int
    score: float
    x1: float
    y1: float
    x2: float
    y2: float


_DEFECT: Final = struct.Struct("<Hxxfffff")


def pack_defects(defects: tuple[Defect, ...]) -> bytes:
    """The first MAX_DEFECTS defects as bytes (shorter than MAX_DEFECTS records: fewer defects)."""
    return b"".join(_DEFECT.pack(*defect) for defect in defects[:MAX_DEFECTS])


def unpack_defects(blob: bytes, count: int) -> tuple[Defect, ...]:
    """The inverse of `pack_defects`; `count` may exceed what was packed."""
    used = min(count, MAX_DEFECTS) * _DEFECT.size
    # From a list: tuple() of an iterator leaves one tuple of each length behind in the interpreter's free
    # list, up to 2000 of it, which reads as a leak of some tens of bytes a part (CPython 3.10 to 3.13).
    return tuple([Defect._make(fields) for fields in _DEFECT.iter_unpack(blob[:used])])


JUDGEMENT: Final = struct.Struct(f"<?BBxhHIQQiiqqq{MAX_DEFECTS * _DEFECT.size}sH")


class Judgement(NamedTuple):
    """From inspection to plc: what was found on one view, by the view of its camera and `fov`.

    `worst_class` is the class index of the defect with the highest score (-1:
    none); offsets are the registration's, in 0.01 mm; `recipe` and `bundle`
    identify what it was judged by (the first 8 bytes of the bundle's hash).
    """

    passed: bool
    reason: int
    camera: int
    worst_class: int
    defect_count: int
    recipe: int
    sequence: int
    bundle: int
    offset_x: int
    offset_y: int
    picked_ns: int
    inferred_ns: int
    judged_ns: int
    defects: bytes
    fov: int = 0

    def pack(self) -> bytes:
        """This record as `JUDGEMENT.size` bytes."""
        return JUDGEMENT.pack(*self)

    @classmethod
    def unpack(cls, record: bytes) -> Judgement:
        """The inverse of `pack`."""
        return cls._make(JUDGEMENT.unpack(record))


OUTCOME: Final = struct.Struct(f"<Q?BBxhHIIxxxxQQiiqqqqqqqq{MAX_DEFECTS * _DEFECT.size}sQ?B")


class Outcome(NamedTuple):
    """From plc to whoever reads the verdict ring: one part, start to end.

    `part` counts parts from 1 for the life of the daemon; its low byte is the
    SEQ coils. `sent_ns` is when the write began, `answered_ns` when its echo
    had been checked (0: not delivered). `camera` and `fov` are those of the view that decided, and so are the stamps;
    `sequence` 0: that view never came, and the stamps are those of the part's first one. `trigger_id` is the PLC's
    number of the part, 0 where it is not known;
    `bypassed`: the PLC said that it let parts go whatever their verdict; `proof`: of the product, a `Proof`.
    """

    part: int
    passed: bool
    reason: int
    camera: int
    worst_class: int
    defect_count: int
    recipe: int
    fov: int
    sequence: int
    bundle: int
    offset_x: int
    offset_y: int
    trigger_ns: int
    ready_ns: int
    deadline_ns: int
    picked_ns: int
    inferred_ns: int
    judged_ns: int
    sent_ns: int
    answered_ns: int
    defects: bytes
    trigger_id: int = 0
    bypassed: bool = False
    proof: int = Proof.NOT_PROVEN

    def pack(self) -> bytes:
        """This record as `OUTCOME.size` bytes."""
        return OUTCOME.pack(*self)

    @classmethod
    def unpack(cls, record: bytes) -> Outcome:
        """The inverse of `pack`."""
        return cls._make(OUTCOME.unpack(record))

    @property
    def missed(self) -> bool:
        """The PLC's answer had not been checked by the deadline, or never was."""
        return not self.answered_ns or self.answered_ns > self.deadline_ns

    @property
    def found(self) -> tuple[Defect, ...]:
        """The defects, worst first, at most MAX_DEFECTS."""
        return unpack_defects(self.defects, self.defect_count)
