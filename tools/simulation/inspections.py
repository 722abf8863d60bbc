"""The inspections of one start of the daemon, and which of their lanes is about to fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aoi_daemon.messages import Announcement
from aoi_daemon.stage.stage import Setup
from tools.simulation.faults import Fault, Kind
from tools.simulation.inspection import Inspection
from tools.simulation.plan import Plan
from tools.simulation.timeline import MS, SECOND, Timeline, chance
from tools.simulation.world import Weather

if TYPE_CHECKING:
    from tools.simulation.life import Life

_WORDS: Final = ("open", "retire", "live")
"""What a lane is about, or is told, when it fails."""
_LONGEST_HANG_S: Final = 2.6
_LATE_NS: Final = 300 * MS
_SOON_NS: Final = 1_500 * MS
"""A lane that is about to fail fails within so long, or not at all."""


class Inspections:
    """Those of one start of the daemon: one on the line, and for a while another, on its way in or out."""

    def __init__(self, timeline: Timeline, plan: Plan, weather: Weather, life: Life) -> None:
        self._timeline = timeline
        self._plan = plan
        self._weather = weather
        self._life = life
        self._number = 0
        self._there: list[Inspection] = []
        self._doomed: dict[str, tuple[int, Kind, int]] = {}

    def starts(self, setup: Setup, next_pid: Callable[[], int], ended: Callable[[str], None]) -> Inspection:
        """Another process."""
        self._number += 1
        found = Inspection(
            self._timeline, self._plan, self._weather, self._life, number=self._number, setup=setup,
            next_pid=next_pid, ended=ended,
        )  # fmt: skip
        self._there = [*(one for one in self._there if not one.gone), found]
        return found

    def hang(self, fault: Fault, lane: int) -> None:
        """That lane of the inspection which has the line does not move for a while."""
        if self.live is not None:
            self.live.hangs(lane, int(fault.size * _LONGEST_HANG_S * SECOND))

    def strike(self, fault: Fault) -> None:
        """A lane beside lane 0 fails: now, or where it opens its engine or is told something."""
        lane = 1 + int(chance(self._plan.seed, 34, fault.at) * (self._plan.shape.lanes - 1))
        if fault.kind is Kind.LANE_HANGS:
            self.hang(fault, lane)
        elif fault.kind is not Kind.LANE_DIES:
            self._doom(fault)
        elif self.live is not None:
            self.live.lane_dies(lane)

    def _doom(self, fault: Fault) -> None:
        """It dies, hangs or is slow; or one of each inspection is late."""
        how = int(5 * chance(self._plan.seed, 35, fault.at)) if fault.kind is Kind.LANE_CHANGEOVER else 0
        if how < len(_WORDS):
            for_ns = int((fault.size - 0.5) * 2 * _LONGEST_HANG_S * SECOND)
            self._dooms(_WORDS[how], max(0, for_ns), fault.kind)
        elif how == len(_WORDS):
            self._weather.begin(fault._replace(kind=Kind.LANE_SLOW), self._timeline.now + 2 * SECOND)
            self._weather.count(fault.kind)
        else:
            later = fault.size + chance(self._plan.seed, 36, fault.at)
            self._dooms("retire", 1 + int(fault.size * _LATE_NS), fault.kind)
            self._dooms("live", 1 + int(later * _LATE_NS), fault.kind)

    def _dooms(self, word: str, for_ns: int, kind: Kind) -> None:
        """The next lane that is told `word`, soon, hangs for so long; 0: it dies."""
        self._doomed[word] = for_ns, kind, self._timeline.now + _SOON_NS

    def fails(self, word: str) -> int | None:
        """For how long the lane that is told `word` hangs; 0: it dies; None, and once it has: it does as it is told."""
        for_ns, kind, until_ns = self._doomed.pop(word, (None, Kind.LANE_DIES, 0))
        if for_ns is None or self._timeline.now > until_ns:
            return None
        self._weather.count(kind)
        return for_ns

    def hands(self) -> list[deque[Announcement]]:
        """What was read of the doorbells, and not judged yet."""
        return [hand for one in self._there if not one.gone for hand in one.hands()]

    @property
    def live(self) -> Inspection | None:
        """The one on the line."""
        return next((one for one in self._there if one.on), None)

    def rung(self) -> None:
        """A frame is there: whoever reads the doorbell first has it, at worst one that is about to leave."""
        for one in self._there:
            one.rung()

    def move(self) -> None:
        """Called each 100 ms."""
        for one in self._there:
            if not one.gone:
                one.moves()

    def end(self) -> None:
        """All processes are gone."""
        for one in self._there:
            one.ends()
