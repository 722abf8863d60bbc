"""How many lines are written of what the PLC says, whatever it says. Pure: time is passed in, CLOCK_MONOTONIC in ns."""

from __future__ import annotations

from collections import deque
from typing import Final

PER_NS: Final = 60_000_000_000
AT_MOST: Final = 6


class LineLimit:
    """At most `at_most` lines of a kind in any `per_ns`; the rest is counted, and told in one line."""

    def __init__(self, at_most: int = AT_MOST, per_ns: int = PER_NS) -> None:
        self._at_most = at_most
        self._per_ns = per_ns
        self._written: dict[str, deque[int]] = {}
        self._left_out: dict[str, int] = {}
        self._tell_ns: dict[str, int] = {}

    def take(self, kind: str, now_ns: int) -> bool:
        """Whether a line of `kind` may be written now; False: it has been counted as left out."""
        written = self._written.setdefault(kind, deque(maxlen=self._at_most))
        if len(written) < self._at_most or now_ns - written[0] >= self._per_ns:
            written.append(now_ns)
            return True
        # Told once a period, whether or not more follow: a flicker that ended is told too.
        self._tell_ns.setdefault(kind, now_ns + self._per_ns)
        self._left_out[kind] = self._left_out.get(kind, 0) + 1
        return False

    def due(self, now_ns: int) -> dict[str, int]:
        """Lines left out, by kind, of each kind whose period is over; they are not told again."""
        kinds = [kind for kind, tell_ns in self._tell_ns.items() if now_ns >= tell_ns]
        for kind in kinds:
            del self._tell_ns[kind]
        return {kind: self._left_out.pop(kind) for kind in kinds}
