"""Whether the service manager's watchdog may be fed: the decision loop moves. Pure: looks and time are passed in.

The last net, under the supervisor's own: it kills a stage that hangs, and the
manager ends all of the service where that did not help, or where the supervisor
itself has stopped, and does not feed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from aoi_daemon.stage.board import Cell, StageState
from aoi_daemon.stage.lifecycle import Line

_SLACK_NS: Final = 5_000_000_000
"""What the supervisor may take to act on a bound that it keeps itself."""
DECISION_LOOP: Final[Mapping[str, Cell]] = MappingProxyType({"inspection": Cell.INSPECTION_NS, "plc": Cell.PLC_NS})
"""The stages that count, and where they say that they move. Not acquire: a vendor's driver may stand for
`open_s`, and CAMERA_LOST says so."""


class Look(NamedTuple):
    """One stage at one moment, in ns of CLOCK_MONOTONIC."""

    name: str
    state: int
    """As `StageKeeper.state_of` has it: DOWN without a process."""
    moved_ns: int
    """Its cell of DECISION_LOOP."""
    started_ns: int
    due_ns: int = 0
    """When it is started again; 0: that is not planned."""


class Watchdog:
    """Remembers how far the loop had come when the watchdog was last fed.

    Args:
        start_ns: how long a stage may take to become ready (`supervisor.start_s`).
    """

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self._life: dict[str, tuple[int, int, int]] = {}

    def stuck(self, line: Line, looks: Iterable[Look], now_ns: int) -> str:
        """The first stage that neither moved since the last feed nor may stand still; "": feed now."""
        looks = list(looks)
        for look in looks:
            if _life(look) == self._life.get(look.name) and not self._may_stand(line, look, now_ns):
                return look.name
        self._life = {look.name: _life(look) for look in looks}
        return ""

    def _may_stand(self, line: Line, look: Look, now_ns: int) -> bool:
        alive = look.state in (StageState.READY, StageState.REFUSED)
        if line is Line.FAULTED:
            # A person must look at the line; a new start of the service would clear the fault unseen.
            return not (alive and look.name == "plc")
        if look.state == StageState.STARTING:
            return now_ns - look.started_ns <= self.start_ns + _SLACK_NS
        return not alive and bool(look.due_ns) and now_ns - look.due_ns <= _SLACK_NS


def _life(look: Look) -> tuple[int, int, int]:
    # To have become ready is a move too: the first one of the loop may come a moment later.
    return look.state, look.moved_ns, look.started_ns
