"""What the simulated PLC writes down: counters, and bounded logs of parts and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

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
    ambiguous: int = 0
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
    for a PLC that does not answer. For the same reason a look at it costs what it gives, wherever that is in the log.

    Args:
        keep: how many.
        blank: makes an item of the size of those to come, from a number of the size of theirs; its place is taken
            by the first real one.
    """

    def __init__(self, keep: int, blank: Callable[[int], T]) -> None:
        # A ring, not a deque: to reach the middle of a deque, all that is before it is walked over.
        self._items = [blank(_BLANK_NS + number) for number in range(keep)]
        self.total = 0

    @property
    def first(self) -> int:
        """The number of the oldest item that is still kept."""
        return max(0, self.total - len(self._items))

    def append(self, item: T) -> None:
        """Add; beyond `keep` the oldest goes."""
        self._items[self.total % len(self._items)] = item
        self.total += 1

    def since(self, start: int, limit: int) -> tuple[list[T], int]:
        """At most `limit` items from number `start` on that are still kept, and the number after them."""
        first = min(max(start, self.first), self.total)
        after = min(first + limit, self.total)
        keep = len(self._items)
        at, end = first % keep, after % keep
        if at < end or first == after:
            return self._items[at : at + after - first], after
        return self._items[at:] + self._items[:end], after


class LogCopy:
    """What a client has read of a `Log`, in pages: each item is asked for once, however often it is looked at.

    Args:
        first: the number of the first item to read.
    """

    def __init__(self, first: int = 0) -> None:
        self._first = first
        self._items: list[list[Any]] = []

    @property
    def next(self) -> int:
        """The number of the first item that was not read."""
        return self._first + len(self._items)

    def renew(self, ask: Callable[[int], Mapping[str, Any]]) -> None:
        """Read what is new, and forget what the log keeps no more.

        Args:
            ask: gives the page from a number on: its `items`, the number after them (`next`), how many there ever
                were (`total`), and the number of the oldest that is kept (`first`).
        """
        while True:
            page = ask(self.next)
            begins = page["next"] - len(page["items"])
            if begins > self.next:  # the log has gone round since the last page: what was read is gone as well
                self._first, self._items = begins, []
            self._items += page["items"]
            gone = max(0, page["first"] - self._first)
            del self._items[:gone]
            self._first += gone
            if page["next"] >= page["total"]:
                return

    def since(self, start: int) -> list[list[Any]]:
        """What was read from number `start` on."""
        return self._items[max(0, start - self._first) :]
