"""An alarm that comes and goes again and again stays. Pure: time is passed in, CLOCK_MONOTONIC in ns."""

from __future__ import annotations

from collections import deque
from typing import Final

RAISES: Final = 3
PER_NS: Final = 60_000_000_000


class Chatter:
    """A condition that begins at most RAISES times in any PER_NS.

    The first times it ends as it is said to end. After that it is held until there
    is room for it to begin again: a person sees one alarm that stays, not hundreds
    that are gone before they are read, and the journal is not filled.
    """

    def __init__(self) -> None:
        self._begun_ns: deque[int] = deque(maxlen=RAISES)
        self.active = False

    def look(self, condition: bool, now_ns: int) -> bool:
        """Whether the alarm's condition is to count as there."""
        if condition and not self.active:
            self._begun_ns.append(now_ns)
            self.active = True
        elif not condition and self.active:
            full = len(self._begun_ns) == RAISES and now_ns - self._begun_ns[0] < PER_NS
            self.active = full
        return self.active
