"""What the line says now, for every page at once: board, verdict ring and event ring, read without a lock.

Process: hmi. Blocks: nowhere. Memory: reads the shared memory, writes none of it.
"""

from __future__ import annotations

import time
from bisect import insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from aoi_daemon.decide.alarm_list import KINDS, Alarm, alarms_in
from aoi_daemon.decide.alarms import AlarmState
from aoi_daemon.decide.rules import BAD_PART_REASONS
from aoi_daemon.hmi.widgets.charts import STRIP_MARKS, Mark, Second
from aoi_daemon.messages import Outcome
from aoi_daemon.ring import events, verdicts
from aoi_daemon.ring.events import Event, EventReader
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.verdicts import VerdictReader
from aoi_daemon.stage.board import Board, Cell
from aoi_daemon.stage.stage import Stage, now_ns
from aoi_daemon.stage.status import quantiles

SPAN_S: Final = 120
"""The latency chart's width."""
_LATENCIES: Final = 2000
_EVENTS: Final = 200


def verdict_ms(part: Outcome, deadline_ms: float) -> float:
    """From the stamp that the deadline counts from to the PLC's verified answer; 0 when it was not delivered."""
    return (part.answered_ns - part.deadline_ns) / 1e6 + deadline_ms if part.answered_ns else 0.0


@dataclass
class PartLog:
    """What became of the last parts. Pure: each part brings its own times."""

    deadline_ms: float
    marks: deque[Mark] = field(default_factory=lambda: deque(maxlen=STRIP_MARKS))
    times_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES))
    _seconds: deque[Second] = field(default_factory=lambda: deque(maxlen=SPAN_S + 1))
    _running: list[float] = field(default_factory=list)

    def add(self, parts: Iterable[Outcome]) -> None:
        """Take in `parts`, oldest first."""
        for part in parts:
            judged = part.reason in BAD_PART_REASONS
            self.marks.append(Mark(part.part, part.passed, judged))
            took_ms = verdict_ms(part, self.deadline_ms)
            if part.answered_ns:
                self.times_ms.append(took_ms)
            self._second(part.sent_ns // 1_000_000_000, took_ms, missed=part.missed)

    def _second(self, at_s: int, took_ms: float, *, missed: bool) -> None:
        if not self._seconds or self._seconds[-1].at_s != at_s:
            self._running.clear()
            self._seconds.append(Second(at_s, 0.0, 0.0, 0))
        insort(self._running, took_ms or self.deadline_ms * 2)  # not delivered: over the edge of the chart
        times = self._running
        self._seconds[-1] = Second(at_s, times[-1], times[len(times) // 2], self._seconds[-1].missed + missed)

    def seconds(self) -> list[Second]:
        """Slowest and median verdict of each second that had parts, oldest first."""
        return list(self._seconds)

    def quantiles_ms(self) -> dict[str, float]:
        """p50, p99, p999 and max of the last parts, ms; zeros before the first."""
        return quantiles(list(self.times_ms))


@dataclass(frozen=True)
class AlarmNow:
    """One alarm that is not normal. `at_ns` is CLOCK_MONOTONIC of its last move, 0: not known."""

    alarm: Alarm
    state: AlarmState
    detail: str = ""
    at_ns: int = 0

    @property
    def active(self) -> bool:
        """Whether it counts for the ALARM coil."""
        return self.state.active


@dataclass
class AlarmLog:
    """The alarms as the events tell them, checked against the board, which is never wrong."""

    _known: dict[Alarm, AlarmNow] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take in an event of kind `alarm`; one of an alarm that this version does not know is left out."""
        body = event.body
        try:
            found = AlarmNow(Alarm[body["name"]], AlarmState(body["state"]), body.get("detail", ""), event.at_ns)
        except (KeyError, ValueError):
            return
        self._known[found.alarm] = found

    def now(self, mask: int) -> list[AlarmNow]:
        """All that are not normal, highest priority first, then the newest. `mask` is the board's cell ALARMS.

        An alarm whose events were lost is shown as the board has it, unacknowledged.
        """
        active = set(alarms_in(mask))
        found = [
            row
            for row in self._known.values()
            if row.state is not AlarmState.NORMAL and row.active == (row.alarm in active)
        ]
        told = {row.alarm for row in found}
        found += [AlarmNow(alarm, AlarmState.UNACKNOWLEDGED) for alarm in active - told]
        return sorted(found, key=lambda row: (-KINDS[row.alarm].priority, -row.at_ns, row.alarm))


class Live:
    """Everything that is shared by all who look; `read` brings it up to date. `last` is the newest part.

    `verdict_memory` is where that of the verdict ring is attached already.
    """

    def __init__(self, stage: Stage, verdict_memory: SharedMemory | None = None) -> None:
        self.board: Board = stage.board
        self.parts = PartLog(stage.config.line.deadline_ms)
        self.alarm_log = AlarmLog()
        self.events: deque[Event] = deque(maxlen=_EVENTS)
        memory = verdict_memory or stage.memory("verdicts", verdicts.SIZE_BYTES)
        self._verdicts = VerdictReader(memory, from_start=True)
        self._events = EventReader(stage.memory("events", events.SIZE_BYTES), from_start=True)
        self.last: Outcome | None = None
        self.engine: dict[str, Any] = {}
        """What judges parts, as the event `engine` says it; empty: not heard, as its event was overwritten."""
        self.wall_offset_ns = 0
        self.wall_ahead_s = 0.0
        """By so much the wall clock is ahead of the time by which parts are dated: 0 unless it is in doubt."""
        self.read()

    def read(self) -> list[Outcome]:
        """Read what is new; the parts among it, oldest first."""
        self.wall_offset_ns = time.time_ns() - now_ns() - int(self.wall_ahead_s * 1e9)
        fresh = self._verdicts.read()
        self.parts.add(fresh)
        self.last = fresh[-1] if fresh else self.last
        for event in self._events.read():
            self.events.append(event)
            if event.kind == "alarm":
                self.alarm_log.add(event)
            elif event.kind == "engine":
                self.engine = event.body
        return fresh

    def alarms(self) -> list[AlarmNow]:
        """The alarms that are not normal."""
        return self.alarm_log.now(self.board[Cell.ALARMS])

    def supervisor_age_s(self) -> float:
        """How long ago the supervisor last moved."""
        return (now_ns() - self.board[Cell.SUPERVISOR_NS]) / 1e9

    def wall_s(self, at_ns: int) -> float:
        """CLOCK_MONOTONIC `at_ns` as seconds since the epoch, as parts are dated now."""
        return (at_ns + self.wall_offset_ns) / 1e9
