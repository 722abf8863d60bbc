"""The PLC map's coils: 16 bits, one FC15 write for each verdict and each heartbeat. Pure.

A word here is the 16 coils as one integer, coil n in bit n, n the offset from
a configurable base. 0 is always the safe state. `registers.py` has the rest.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final, NamedTuple

COILS: Final = 16
SAFE: Final = 0
"""All coils 0: no verdict, not READY, the line is asked to stop."""


class Coil(enum.IntEnum):
    """Offset of each coil; SEQ is the first of 8, the low byte of the result sequence."""

    PASS = 0
    REJECT = 1
    ALARM = 2
    READY = 3
    HEARTBEAT = 4
    RESULT_TOGGLE = 5
    RUN_PERMIT = 6
    OVERRUN = 7
    SEQ = 8


class Result(enum.IntEnum):
    """The coils PASS and REJECT as one number, and the register `verdict`.

    The two are antivalent: exactly one is set with a verdict. Both is a fault
    that no `pack` can make, and that a PLC must treat as REJECT.
    """

    NONE = 0
    PASS = 1
    REJECT = 2
    FAULT = 3


class Coils(NamedTuple):
    """A word by name, as `view` finds it; it may hold what `pack` would never make."""

    result: Result
    alarm: bool
    ready: bool
    heartbeat: bool
    result_toggle: bool
    run_permit: bool
    overrun: bool
    sequence: int


def pack(
    result: Result = Result.NONE,
    *,
    ready: bool = False,
    alarm: bool = False,
    heartbeat: bool = False,
    result_toggle: bool = False,
    run_permit: bool = False,
    overrun: bool = False,
    sequence: int = 0,
) -> int:
    """The word for these coils; of `sequence` the low byte is taken.

    A PASS that is not READY becomes no verdict: the part keeps the reject that
    its tracking slot was preset to.

    Raises:
        ValueError: `result` is FAULT, or `sequence` is negative.
    """
    if result == Result.FAULT:
        raise ValueError("PASS and REJECT are antivalent: a result has at most one of them")
    if sequence < 0:
        raise ValueError(f"sequence {sequence} is negative")
    if result == Result.PASS and not ready:
        result = Result.NONE
    return (
        result << Coil.PASS
        | alarm << Coil.ALARM
        | ready << Coil.READY
        | heartbeat << Coil.HEARTBEAT
        | result_toggle << Coil.RESULT_TOGGLE
        | run_permit << Coil.RUN_PERMIT
        | overrun << Coil.OVERRUN
        | (sequence & 0xFF) << Coil.SEQ
    )


def bits(word: int) -> list[bool]:
    """`word` as 16 coils, PASS first."""
    return [bool(word >> coil & 1) for coil in range(COILS)]


def word_of(values: Sequence[bool]) -> int:
    """The inverse of `bits`."""
    return sum(bool(value) << coil for coil, value in enumerate(values))


def view(word: int) -> Coils:
    """`word` by name; every word has a view, those that break a rule too."""
    return Coils(
        Result(word >> Coil.PASS & 0b11),
        bool(word >> Coil.ALARM & 1),
        bool(word >> Coil.READY & 1),
        bool(word >> Coil.HEARTBEAT & 1),
        bool(word >> Coil.RESULT_TOGGLE & 1),
        bool(word >> Coil.RUN_PERMIT & 1),
        bool(word >> Coil.OVERRUN & 1),
        word >> Coil.SEQ & 0xFF,
    )
