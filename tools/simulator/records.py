"""What the simulated PLC writes down: counters, and bounded logs of parts and events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")
_BLANK_NS: Final = 1 << 50
"""Of the size of a CLOCK_MONOTONIC time: Python's numbers take memory by their size."""


class PartRecord(NamedTuple):
    """One part, decided. Times are CLOCK_MONOTONIC in ns, 0 for never.

    `truth` is 0 unknown, 1 good, 2 bad. `verdict` is "pass", "reject" or
    "none": what came for it within its window, `arrival_ns` when, `sequence`
    as in the coils (-1: none came). `ejected` is what the PLC did.
    """

    number: int
    truth: int
    trigger_ns: int
    verdict: str
    arrival_ns: int
    sequence: int
    ejected: bool


class Event(NamedTuple):
    """Something that the PLC saw at `at_ns` (CLOCK_MONOTONIC).

    `kind` "coils" is a write: `word` is the 16 coils after it and `detail`
    names those that changed. The other kinds say what the PLC made of it.
    """

    at_ns: int
    kind: str
    word: int
    detail: str


@dataclass
class Counters:
    """Counts since the start; decided parts = good + escape + ejected.

    `reject`, `false_call`, `missed` and `refused` say more of the ejected
    ones: truly bad; good, but rejected by a verdict; no verdict came in the
    window; a PASS came that was not accepted or was taken back.
    """

    parts: int = 0
    good: int = 0
    escape: int = 0
    ejected: int = 0
    reject: int = 0
    false_call: int = 0
    missed: int = 0
    refused: int = 0
    late: int = 0
    stale: int = 0
    sequence_gaps: int = 0
    faults: int = 0
    writes: int = 0
    ready_drops: int = 0
    heartbeats_lost: int = 0


class Periods:
    """Running figures of a period: count, mean and the largest deviation from the mean, in ms."""

    def __init__(self) -> None:
        self.count = 0
        self._sum_ns = 0
        self._least_ns = 0
        self._most_ns = 0

    def add(self, period_ns: int) -> None:
        """Count one period."""
        self._least_ns = min(self._least_ns, period_ns) if self.count else period_ns
        self._most_ns = max(self._most_ns, period_ns)
        self._sum_ns += period_ns
        self.count += 1

    def figures(self) -> dict[str, float]:
        """The figures by name; 0 when none was counted."""
        mean = self._sum_ns / self.count if self.count else 0.0
        deviation = max(self._most_ns - mean, mean - self._least_ns)
        return {"count": self.count, "mean_ms": mean / 1e6, "max_deviation_ms": deviation / 1e6}


class Log(Generic[T]):
    """The latest `keep` items, each numbered from 0 for ever.

    All memory is taken at the start, so that the PLC never waits for any: a line at a short takt would take that
    for a PLC that does not answer.

    Args:
        keep: how many.
        blank: makes an item of the size of those to come, from a number of the size of theirs; its place is taken
            by the first real one.
    """

    def __init__(self, keep: int, blank: Callable[[int], T]) -> None:
        self._items: deque[T] = deque((blank(_BLANK_NS + number) for number in range(keep)), maxlen=keep)
        self.total = 0

    def append(self, item: T) -> None:
        """Add; beyond `keep` the oldest goes."""
        self._items.append(item)
        self.total += 1

    def since(self, start: int, limit: int) -> tuple[list[T], int]:
        """At most `limit` items from number `start` on that are still kept, and the number after them."""
        keep = len(self._items)
        first = min(max(start, self.total - keep, 0), self.total)
        at = first - self.total + keep
        found = list(islice(self._items, at, at + limit))
        return found, first + len(found)
