"""What happened and who did what: into the journal, and into the event ring for those off the critical path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aoi_daemon.config.changes import Change
from aoi_daemon.decide.alarms import KINDS, AlarmState, Transition
from aoi_daemon.decide.line_limit import LineLimit
from aoi_daemon.ring.events import EventWriter


class Chronicle:
    """The one writer of the event ring. `clock` gives CLOCK_MONOTONIC in ns.

    What the PLC does is limited to a few lines a minute of each kind, for its words may be noise. What a person does
    never is.
    """

    def __init__(self, events: EventWriter, log: Any, clock: Callable[[], int]) -> None:
        self._events = events
        self._log = log
        self._clock = clock
        self._limit = LineLimit()

    def event(self, kind: str, **body: Any) -> None:
        """One event for the ring alone."""
        self._events.append(kind, body, self._clock())

    def alarms(self, transitions: Iterable[Transition], by: str = "") -> None:
        """Alarms have moved."""
        for change in transitions:
            kind = KINDS[change.alarm]
            log = self._log.info if change.after is AlarmState.NORMAL else self._log.warning
            log(
                "alarm", alarm=change.alarm.name, state=change.after.value, detail=change.detail, remedy=kind.remedy
            )  # fmt: skip
            self.event(
                "alarm", name=change.alarm.name, was=change.before.value, state=change.after.value,
                event=change.event.value, priority=kind.priority.name, detail=change.detail, by=by,
            )  # fmt: skip

    def audit(
        self, what: str, by: str, via: str, *, ok: bool = True, detail: str = "", changed: Sequence[Change] = ()
    ) -> bool:
        """A person, or the PLC, has acted. False: the PLC again, and it was left out."""
        if via == "plc" and not self._limit.take(what, self._clock()):
            return False
        log = self._log.info if ok else self._log.warning
        log("audit", what=what, by=by, via=via, ok=ok, detail=detail, changes=[list(change) for change in changed])
        self.event(
            "audit", what=what, by=by, via=via, ok=ok, detail=detail,
            changes=[change._asdict() for change in changed],
        )  # fmt: skip
        return True

    def look(self, now_ns: int) -> None:
        """Tell of the PLC's acts that were left out, once their minute is over."""
        for what, lines in self._limit.due(now_ns).items():
            self.left_out(what, lines)

    def left_out(self, what: str, lines: int, how: str = "left out") -> None:
        """So many acts of the PLC were not written down, or `how` else they were dealt with."""
        detail = f"{lines} more were {how} in the last minute: the PLC's words flicker"
        self._log.warning("audit", what=what, by="PLC", via="plc", ok=False, detail=detail, changes=[])
        self.event("audit", what=what, by="PLC", via="plc", ok=False, detail=detail, changes=[])
