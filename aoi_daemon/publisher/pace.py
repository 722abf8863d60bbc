"""How soon to try again, and how fast to send. Pure."""

from __future__ import annotations

from typing import Final

FIRST_WAIT_S: Final = 0.5
STEADY_S: Final = 10.0
"""A connection that held so long was a good one: the next loss is a new one."""
_BURST_S: Final = 0.1


class Backoff:
    """Waits that double from FIRST_WAIT_S to `most_s`."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._next_s = FIRST_WAIT_S

    def wait_s(self, held_s: float, luck: float) -> float:
        """The wait after a connection that held for `held_s` (0: it never came about).

        `luck` in 0..1 takes up to a fifth off, so that the lines of a plant do not all come back at once.
        """
        if held_s >= STEADY_S:
            self._next_s = FIRST_WAIT_S
        wait_s = self._next_s
        self._next_s = min(2 * self._next_s, self._most_s)
        return wait_s * (1.0 - 0.2 * luck)


class Allowance:
    """`per_s` messages per second at most, measured over a tenth of a second."""

    def __init__(self, per_s: float, now_s: float) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s * _BURST_S)
        self._left = self._most
        self._seen_s = now_s

    def left(self, now_s: float) -> int:
        """So many may be sent at `now_s`."""
        self._left = min(self._most, self._left + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        return int(self._left)

    def spend(self) -> None:
        """One has been sent."""
        self._left -= 1.0

    def wait_s(self, now_s: float, most_s: float) -> float:
        """From `now_s` until one may be sent, but at most `most_s`."""
        self.left(now_s)
        return min(most_s, max(0.0, 1.0 - self._left) / self._per_s)
