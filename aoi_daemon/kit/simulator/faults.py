"""Faults of a PLC's communication that can be switched on. The answers are changed by pure functions."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

EXCEPTION_CODES: Final = (1, 2, 3, 4, 5, 6, 7, 8, 10, 11)
ECHO_FIELDS: Final = ("value", "address", "function", "transaction", "protocol", "unit", "short", "long")
_FUNCTION_AT: Final = 7
_OTHER_FUNCTION: Final = {15: 5, 16: 6, 3: 4}  # of the same answer length, so that only the function differs


class Kind(enum.Enum):
    """What the PLC does to requests, or to its answers."""

    NONE = "none"
    MUTE = "mute"  # requests are read, not acted on, never answered
    STALL = "stall"  # requests are not read; at the end what waits in the buffers is acted on, however old
    REFUSE = "refuse"  # connections are reset, new ones refused
    RESET = "reset"  # each request is answered by a reset of its connection
    EXCEPTION = "exception"  # not acted on; answered with exception `code`
    WRONG_ECHO = "wrong_echo"  # acted on; the answer is wrong in `field`
    DELAY = "delay"  # acted on; answered `ms` later
    TRICKLE = "trickle"  # acted on; the answer comes byte by byte, `ms` apart


@dataclass(frozen=True)
class Fault:
    """A fault with its parameters."""

    kind: Kind = Kind.NONE
    ms: float = 0.0
    code: int = 4
    field: str = "value"

    def __post_init__(self) -> None:
        if not 0 <= self.ms <= 60_000:
            raise ValueError(f"ms is 0 to 60000, not {self.ms}")
        if self.code not in EXCEPTION_CODES:
            raise ValueError(f"code is one of {EXCEPTION_CODES}, not {self.code}")
        if self.field not in ECHO_FIELDS:
            raise ValueError(f"field is one of {ECHO_FIELDS}, not {self.field!r}")


def spoil(answer: bytes, field: str) -> bytes:
    """`answer`, a Modbus/TCP frame, wrong in `field`."""
    changed = bytearray(answer)
    if field == "function":
        changed[_FUNCTION_AT] = _OTHER_FUNCTION.get(answer[_FUNCTION_AT], 6)
    elif field == "short":
        changed[5] -= 1
        del changed[-1]
    elif field == "long":
        changed.append(0)
    else:
        at = {"value": -1, "address": 9, "transaction": 1, "protocol": 3, "unit": 6}[field]
        changed[at] ^= 1
    return bytes(changed)
