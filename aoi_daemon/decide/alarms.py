"""The alarms and their states, after ISA-18.2.

Pure: whoever watches a condition says `raise_` or `clear`; a person
acknowledges and resets. Nothing else moves an alarm, and the two tables below hold
every move that there is.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypedDict

from aoi_daemon.decide.alarm_list import KINDS, Alarm, AlarmKind, Priority, alarms_in, mask_of

__all__ = [
    "KINDS",
    "LATCHED_TRANSITIONS",
    "TRANSITIONS",
    "Alarm",
    "AlarmKind",
    "AlarmRow",
    "AlarmState",
    "Alarms",
    "Event",
    "Priority",
    "Transition",
    "alarms_in",
    "mask_of",
]  # fmt: skip


class AlarmState(enum.Enum):
    """States A to F of ISA-18.2, and RELEASED; in all but two the alarm is active."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned, unacknowledged"
    LATCHED = "latched, unacknowledged"
    LATCHED_ACKNOWLEDGED = "latched, acknowledged"
    RELEASED = "acknowledged, reset"

    @property
    def active(self) -> bool:
        """Whether it counts for the ALARM coil: the condition is there, or has not been reset."""
        return self not in (AlarmState.NORMAL, AlarmState.RETURNED)

    @property
    def acknowledged(self) -> bool:
        """Whether a person has seen it, or has nothing to see."""
        return self not in (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED, AlarmState.LATCHED)


class Event(enum.Enum):
    """What moves an alarm."""

    RAISE = "the condition came"
    CLEAR = "the condition went"
    ACKNOWLEDGE = "a person has seen it"
    RESET = "a person has looked at the line"


_S, _E = AlarmState, Event
TRANSITIONS: Final[Mapping[AlarmState, Mapping[Event, AlarmState]]] = {
    _S.NORMAL: {_E.RAISE: _S.UNACKNOWLEDGED},
    _S.UNACKNOWLEDGED: {_E.CLEAR: _S.RETURNED, _E.ACKNOWLEDGE: _S.ACKNOWLEDGED},
    _S.ACKNOWLEDGED: {_E.CLEAR: _S.NORMAL},
    _S.RETURNED: {_E.RAISE: _S.UNACKNOWLEDGED, _E.ACKNOWLEDGE: _S.NORMAL},
    # The rest is reached by latched alarms alone.
    _S.LATCHED: {
        _E.RAISE: _S.UNACKNOWLEDGED,
        _E.ACKNOWLEDGE: _S.LATCHED_ACKNOWLEDGED,
        _E.RESET: _S.RETURNED,
    },
    _S.LATCHED_ACKNOWLEDGED: {_E.RAISE: _S.UNACKNOWLEDGED, _E.RESET: _S.NORMAL},
    _S.RELEASED: {_E.CLEAR: _S.NORMAL},
}
LATCHED_TRANSITIONS: Final[Mapping[AlarmState, Mapping[Event, AlarmState]]] = {
    # The condition is gone (a process that held it was started anew); what it did to the line is not.
    _S.UNACKNOWLEDGED: {_E.CLEAR: _S.LATCHED},
    # The reset is what ends the condition, some moments later: one press is enough.
    _S.ACKNOWLEDGED: {_E.CLEAR: _S.LATCHED_ACKNOWLEDGED, _E.RESET: _S.RELEASED},
}
"""Of a latched alarm; they go before those above."""


class Transition(NamedTuple):
    """One alarm moved; `at_ns` is CLOCK_MONOTONIC, `detail` what the raiser said."""

    alarm: Alarm
    event: Event
    before: AlarmState
    after: AlarmState
    at_ns: int
    detail: str


class AlarmRow(TypedDict):
    """One alarm in the status JSON. Times are CLOCK_MONOTONIC ns."""

    name: str
    state: str
    active: bool
    acknowledged: bool
    priority: str
    text: str
    remedy: str
    detail: str
    since_ns: int
    raised: int


@dataclass
class _Entry:
    state: AlarmState = AlarmState.NORMAL
    since_ns: int = field(init=False)
    """Of its last move: an alarm that has not moved is not shown."""
    detail: str = ""
    raised: int = 0


class Alarms:
    """The state of every alarm. Each call answers with the transitions that it caused, for the log."""

    def __init__(self) -> None:
        self._entries = {alarm: _Entry() for alarm in Alarm}

    def raise_(self, alarm: Alarm, now_ns: int, detail: str = "") -> list[Transition]:
        """The condition is there. Said again while the alarm is active it only renews `detail`."""
        entry = self._entries[alarm]
        entry.detail = detail
        return self._move(alarm, Event.RAISE, now_ns)

    def clear(self, alarm: Alarm, now_ns: int) -> list[Transition]:
        """The condition is gone. A latched alarm stays active until `reset`."""
        return self._move(alarm, Event.CLEAR, now_ns)

    def set(self, alarm: Alarm, condition: bool, now_ns: int, detail: str = "") -> list[Transition]:
        """`raise_` or `clear`, for a condition that is looked at again and again."""
        return self.raise_(alarm, now_ns, detail) if condition else self.clear(alarm, now_ns)

    def acknowledge(self, now_ns: int, alarm: Alarm | None = None) -> list[Transition]:
        """A person has seen `alarm` (None: all that there are)."""
        return self._move_some(alarm, Event.ACKNOWLEDGE, now_ns)

    def reset(self, now_ns: int, alarm: Alarm | None = None) -> list[Transition]:
        """A person has looked at the line: latched alarms let go, those not yet clear when they are."""
        return self._move_some(alarm, Event.RESET, now_ns)

    def state(self, alarm: Alarm) -> AlarmState:
        """The state of `alarm`."""
        return self._entries[alarm].state

    @property
    def active_mask(self) -> int:
        """Bit `alarm` is set while the alarm is active: the board's cell ALARMS."""
        return mask_of(*[alarm for alarm, entry in self._entries.items() if entry.state.active])

    def snapshot(self) -> list[AlarmRow]:
        """Every alarm that is not NORMAL, as plain JSON: the highest priority first, then the newest."""
        shown = [(alarm, entry) for alarm, entry in self._entries.items() if entry.state is not _S.NORMAL]
        shown.sort(key=lambda item: (-KINDS[item[0]].priority, -item[1].since_ns, item[0]))
        return [_row(alarm, entry) for alarm, entry in shown]

    def _move_some(self, alarm: Alarm | None, event: Event, now_ns: int) -> list[Transition]:
        alarms = list(Alarm) if alarm is None else [alarm]
        return [transition for each in alarms for transition in self._move(each, event, now_ns)]

    def _move(self, alarm: Alarm, event: Event, now_ns: int) -> list[Transition]:
        entry = self._entries[alarm]
        before = entry.state
        after = TRANSITIONS[before].get(event, before)
        if KINDS[alarm].latched:
            after = LATCHED_TRANSITIONS.get(before, {}).get(event, after)
        if after is before:
            return []
        entry.state = after
        entry.since_ns = now_ns
        entry.raised += event is Event.RAISE
        return [Transition(alarm, event, before, after, now_ns, entry.detail)]


def _row(alarm: Alarm, entry: _Entry) -> AlarmRow:
    kind = KINDS[alarm]
    return AlarmRow(
        name=alarm.name,
        state=entry.state.value,
        active=entry.state.active,
        acknowledged=entry.state.acknowledged,
        priority=kind.priority.name,
        text=kind.text,
        remedy=kind.remedy,
        detail=entry.detail,
        since_ns=entry.since_ns,
        raised=entry.raised,
    )
