"""Around the daemon: faults that come and go, the belt with its parts, and frames of them.

What is decided of a part is the truth of it; how good a model is, is not tried here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aoi_daemon.messages import Announcement
from tools.simulation.faults import Fault, Kind
from tools.simulation.plan import Plan, pauses
from tools.simulation.timeline import SECOND, Timeline, chance

BAD_SHARE: Final = 0.3
_NUMBER_OF: Final = {kind: 1000 + number for number, kind in enumerate(Kind)}
_SHARE: Final = {
    Kind.SPLIT: 0.6, Kind.NOISE: 0.7, Kind.MUTE: 0.3, Kind.JUDGES_SLOWLY: 0.7, Kind.LANE_SLOW: 0.7,
    Kind.DELAY: 0.35, Kind.SLOW: 0.4, Kind.OLD_AFTER_NEW: 0.4,
}  # fmt: skip
"""Of the events that a fault can strike, the share that it does."""


class Weather:
    """Which faults are on. See `network.Weather`."""

    def __init__(self, timeline: Timeline, seed: int) -> None:
        self._timeline = timeline
        self._seed = seed
        self._on: dict[Kind, tuple[Fault, int]] = {}
        self.struck: dict[Kind, int] = {}

    def begin(self, fault: Fault, until_ns: int) -> None:
        """`fault` is on until then."""
        self._on[fault.kind] = (fault, until_ns)
        self._timeline.at(until_ns, self._end, fault)

    def _end(self, fault: Fault) -> None:
        if self._on.get(fault.kind, (None, 0))[0] is fault:
            del self._on[fault.kind]

    def strikes(self, kind: Kind, index: int) -> float:
        """See `network.Weather`."""
        on = self._on.get(kind)
        if on is None:
            return 0.0
        if kind is Kind.REFUSE:
            self.count(kind)
            return max(on[0].size, 0.001)
        share = _SHARE.get(kind, 0.3)
        drawn = chance(self._seed, _NUMBER_OF[kind], index)
        if drawn >= share:
            return 0.0
        self.count(kind)
        return max(drawn / share, 0.001)

    def until(self, kind: Kind) -> int:
        """See `network.Weather`."""
        on = self._on.get(kind)
        return on[1] if on is not None else 0

    def count(self, kind: Kind) -> None:
        """It has struck."""
        self.struck[kind] = self.struck.get(kind, 0) + 1


@dataclass(eq=False)
class Part:
    """A part on the belt. Times in ns."""

    number: int
    bad: bool
    defect_view: int
    arrives: int
    at_gate: int
    found_good: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    """Pictures of it that were judged good, by their number; of each inspection with its recipe."""
    ejected: bool | None = None
    trigger_id: int = 0
    leapt: bool = False
    """No scan saw the sequence of the part before: see `station.Memory`."""
    delivered: bool = False
    """Its PASS was answered, says the record."""


@dataclass(frozen=True)
class Frame:
    """What was announced as view `sequence` of a camera: a picture of `part`, or none (0)."""

    part: int
    camera: int
    said: Announcement


def arrivals(plan: Plan) -> list[int]:
    """When each part is in front of the camera, ns after the first; `takt` is the shortest time between two."""
    at, found = 0, []
    quiet = pauses(plan)
    for number in range(plan.parts):
        found.append(at)
        if number in quiet:
            at += int(2.3 * SECOND)
        gap = plan.shape.takt * (1.001 + 0.03 * chance(plan.seed, 70, number))
        lucky = chance(plan.seed, 71, number)
        if lucky < 0.03:
            gap += plan.shape.takt * 40 * lucky
        elif lucky < 0.034:
            gap += 2.3 * SECOND
        at += int(gap)
    return found
