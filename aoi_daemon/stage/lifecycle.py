"""The life of the line as a table. The supervisor feeds it events; nothing else moves it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class Line(enum.IntEnum):
    """What the line, all of it, is doing; the value is on the board."""

    STARTING = 0
    RUNNING = 1
    RECOVERING = 2
    FAULTED = 3
    STOPPING = 4


class Event(enum.Enum):
    """What can happen to the line."""

    ALL_READY = "all stages are ready"
    STAGE_LOST = "a stage ended or hung"
    BUDGET_SPENT = "the restart budget is spent"
    RESET = "a person asked for a new start"
    TERMINATE = "the service is asked to stop"


TRANSITIONS: Final[Mapping[Line, Mapping[Event, Line]]] = {
    Line.STARTING: {
        Event.ALL_READY: Line.RUNNING,
        Event.STAGE_LOST: Line.RECOVERING,
        Event.BUDGET_SPENT: Line.FAULTED,
        Event.TERMINATE: Line.STOPPING,
    },
    Line.RUNNING: {
        Event.STAGE_LOST: Line.RECOVERING,
        Event.BUDGET_SPENT: Line.FAULTED,
        Event.TERMINATE: Line.STOPPING,
    },
    Line.RECOVERING: {
        Event.ALL_READY: Line.RUNNING,
        Event.BUDGET_SPENT: Line.FAULTED,
        Event.TERMINATE: Line.STOPPING,
    },
    # A fault never clears itself: a person must have looked at the line.
    Line.FAULTED: {Event.RESET: Line.STARTING, Event.TERMINATE: Line.STOPPING},
    Line.STOPPING: {},
}


def after(state: Line, event: Event) -> Line:
    """The state after `event`; an event that a state does not know leaves it as it is."""
    return TRANSITIONS[state].get(event, state)
