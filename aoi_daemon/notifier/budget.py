"""So many notices an hour, and one line of what was held back. Pure: seconds of a clock that does not step."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

HOUR_S: Final = 3600.0
CALM_S: Final = 600.0
"""Nothing was held back for so long: the storm is over."""


@dataclass
class Budget:
    """Of one receiver: at most `per_hour` notices are written in any hour, and at most `per_hour` delivered.

    Once one is held back, all but those of high priority are, until one line has told of them: it is written when the
    storm is over, or an hour after it began. The last place of an hour is that line's, and a quarter is kept for alarms
    of high priority.
    """

    per_hour: int
    written: deque[float] = field(default_factory=deque)
    delivered: deque[float] = field(default_factory=deque)
    held: dict[str, int] = field(default_factory=dict)
    held_first_s: float = 0.0
    held_last_s: float = 0.0

    def take(self, now_s: float, *, high: bool) -> bool:
        """Whether a notice may be written now; it is counted then."""
        left = self.per_hour - 1 - _within(self.written, now_s)
        if left <= (0 if high else self.per_hour // 4) or (self.held and not high):
            return False
        self.written.append(now_s)
        return True

    def hold(self, alarm: str, now_s: float) -> None:
        """A notice of `alarm` was not written."""
        if not self.held:
            self.held_first_s = now_s
        self.held[alarm] = self.held.get(alarm, 0) + 1
        self.held_last_s = now_s

    def take_closing(self, now_s: float) -> dict[str, int]:
        """How many were held back by alarm, once it is time to say so; it is counted as a notice. Else empty."""
        if not self.held or _within(self.written, now_s) >= self.per_hour:
            return {}
        if now_s - self.held_last_s < CALM_S and now_s - self.held_first_s < HOUR_S:
            return {}
        self.written.append(now_s)
        held, self.held = self.held, {}
        return held

    def may_deliver(self, now_s: float) -> bool:
        """Whether one more may go out in this hour: what has waited for a server does not come all at once."""
        return _within(self.delivered, now_s) < self.per_hour

    def went_out(self, now_s: float) -> None:
        """One was delivered, or may have been."""
        self.delivered.append(now_s)


def _within(times: deque[float], now_s: float) -> int:
    while times and now_s - times[0] >= HOUR_S:
        times.popleft()
    return len(times)
