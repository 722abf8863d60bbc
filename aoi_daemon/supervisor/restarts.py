"""How often a stage may be started again, and how soon. Pure: time is passed in."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

_FIRST_DELAY_NS: Final = 100_000_000
_LONGEST_DELAY_NS: Final = 5_000_000_000


class Restart(NamedTuple):
    """What to do about a stage that was lost."""

    delay_ns: int
    spent: bool
    number: int


class RestartBudget:
    """At most `restarts` within `window_ns`, over all stages.

    The first restart is at once. One that follows soon after another waits,
    twice as long each time: what does not help is not tried a hundred times a
    second.
    """

    def __init__(self, restarts: int, window_ns: int) -> None:
        self._restarts = restarts
        self._window_ns = window_ns
        self._times_ns: deque[int] = deque()

    def lost(self, now_ns: int) -> Restart:
        """A stage was lost at `now_ns`."""
        while self._times_ns and now_ns - self._times_ns[0] > self._window_ns:
            self._times_ns.popleft()
        soon = sum(now_ns - then_ns < _LONGEST_DELAY_NS for then_ns in self._times_ns)
        self._times_ns.append(now_ns)
        delay_ns = min(_FIRST_DELAY_NS << min(soon, 10), _LONGEST_DELAY_NS) if soon else 0
        return Restart(delay_ns, len(self._times_ns) > self._restarts, len(self._times_ns))

    def reset(self) -> None:
        """A person has looked at the line."""
        self._times_ns.clear()
