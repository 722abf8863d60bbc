"""The one clock: what happens, in its order. And chance, which a seed alone decides."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

MS: Final = 1_000_000
SECOND: Final = 1_000_000_000
_MASK: Final = (1 << 64) - 1


class Timeline:
    """Virtual CLOCK_MONOTONIC. Time goes on only in `run`: whoever waits lets everybody else live meanwhile."""

    def __init__(self, now_ns: int = 1_000 * SECOND) -> None:
        self.now = now_ns
        self.woken = False
        """Something came for the process that waits: `run` returns at once."""
        self._due: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0

    def now_ns(self) -> int:
        """The time: this is a `Clock`."""
        return self.now

    def at(self, when_ns: int, do: Callable[..., None], *about: Any) -> None:
        """`do(*about)` at `when_ns`, after all that was said before for the same moment; in the past: at once."""
        self._order += 1
        heappush(self._due, (when_ns, self._order, do, about))

    def run(self, until_ns: int) -> None:
        """Let happen what is due until `until_ns`, or until somebody is `woken`."""
        due = self._due
        while due and due[0][0] <= until_ns:
            when, _, do, about = heappop(due)
            self.now = max(self.now, when)
            do(*about)
            if self.woken:
                return
        self.now = max(self.now, until_ns)


def chance(seed: int, what: int, index: int = 0) -> float:
    """A number from 0 up to 1 that `seed`, `what` and `index` alone decide.

    No stream that is drawn from: a run with one fault less draws the same for all that is left, so that a seed that
    breaks can be made smaller. The mixing is that of splitmix64 (Steele, Lea, Flood 2014).
    """
    mixed = (seed * 0x9E3779B97F4A7C15 + what * 0xBF58476D1CE4E5B9 + index * 0xD6E8FEB86659FD93) & _MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
    return (mixed ^ mixed >> 31) / (_MASK + 1)
