"""What is told: one notice to one receiver. Pure."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field
from typing import Final

DETAIL_CHARS: Final = 400


class Kind(enum.Enum):
    """What a notice is about."""

    RAISED = "raised"
    STILL = "still"
    ENDED = "ended"
    HELD = "held"
    TEST = "test"


@dataclass(frozen=True)
class Notice:
    """One notice, complete: it is worded when it is sent.

    Attributes:
        id: 32 hex digits, its own for ever: the same id twice is the same notice, sent again.
        receiver: whom it goes to, by name.
        alarm: which, "" for HELD and TEST.
        priority: its priority, HIGH, MEDIUM or LOW.
        detail: what was said of it, cut to DETAIL_CHARS.
        at: when it was written, Unix seconds.
        since: when the alarm came, Unix seconds.
        until: when it went, for ENDED, Unix seconds; else 0.
        count: how often it had come by then.
        first: id of the notice that told the alarm, for STILL and ENDED.
        held: for HELD, how many notices were not sent, by alarm.
        standing: for HELD, the alarms that are still there.
    """

    kind: Kind
    receiver: str
    at: float
    alarm: str = ""
    priority: str = "LOW"
    detail: str = ""
    since: float = 0.0
    until: float = 0.0
    count: int = 1
    first: str = ""
    held: dict[str, int] = field(default_factory=dict)
    standing: tuple[str, ...] = ()
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
