"""What the metrics keep of the parts that have come past: times as histograms, rejects and defects by class. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from aoi_daemon.hmi.widgets.classes import class_name
from aoi_daemon.messages import Outcome
from aoi_daemon.stage.status import STAGES, stage_times_ms

BOUNDS_S: Final = (
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05,
    0.06, 0.08, 0.1, 0.2, 0.5, 1.0,
)  # fmt: skip
"""Upper bounds, inclusive: fine around a takt of 50 ms, and down to the hand-overs of a tenth of a millisecond."""


class Histogram:
    """Counts of values by upper bound; `bounds` ascending."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count `value`; one that equals a bound is below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[float, int]]:
        """(bound, how many values are at most that), ending with infinity."""
        found, total = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            found.append((bound, total))
        return found


@dataclass
class Parts:
    """The parts since this process started. `deadline_ms` is the line's; it is a bound of every histogram."""

    deadline_ms: float
    latency: Histogram = field(init=False)
    stages: dict[str, Histogram] = field(init=False)
    rejected: Counter[str] = field(default_factory=Counter)
    defects: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._deadline_s = round(self.deadline_ms / 1e3, 9)  # as it was written: 33.3 ms are 0.0333 s
        bounds = sorted({*BOUNDS_S, self._deadline_s})
        self.latency = Histogram(bounds)
        self.stages = {name: Histogram(bounds) for name in STAGES}

    def add(
        self, outcomes: Iterable[Outcome], class_names: Sequence[str] = (),
        by_bundle: Mapping[int, Sequence[str]] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """Take in `outcomes`, judged by a model with these classes, or those of the bundle that an outcome names.

        A part that was not delivered has no latency; it is in UNDELIVERED on the board.
        """
        for part in outcomes:
            if part.answered_ns:
                # Against the deadline, so that the share within it is exact, whatever stamp it counts from.
                self.latency.add((part.answered_ns - part.deadline_ns) / 1e9 + self._deadline_s)
            for name, took_ms in (stage_times_ms(part) or {}).items():
                self.stages[name].add(took_ms / 1e3)
            names = by_bundle.get(part.bundle, class_names)
            if not part.passed and part.worst_class >= 0:
                self.rejected[class_name(names, part.worst_class)] += 1
            for defect in part.found:
                self.defects[class_name(names, defect.label)] += 1
