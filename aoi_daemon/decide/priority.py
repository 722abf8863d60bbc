"""When a stage that has given its real-time priority up tries again to have it. Pure: time is passed in, in ns."""

from __future__ import annotations

from typing import Final

_SECOND: Final = 1_000_000_000
FIRST_NS: Final = 1 * _SECOND
LONGEST_NS: Final = 60 * _SECOND


class PriorityTrial:
    """Given up at a time-out, tried again after 1, 2, 4 ... 60 s, given up again at the next time-out.

    Without its priority a stage may be late because others load the machine: parts in time are no condition, for they
    would never come. One that has kept it for the longest wait begins at the first again.
    """

    def __init__(self) -> None:
        self._wait_ns = FIRST_NS
        self._taken_ns: int | None = None
        self._retry_ns: int | None = None

    @property
    def has_it(self) -> bool:
        """Whether the stage is to have its priority now."""
        return self._retry_ns is None

    def timed_out(self, now_ns: int) -> bool:
        """A part has timed out: whether the priority is to be given up now."""
        if self._retry_ns is not None:
            return False
        if self._taken_ns is not None and now_ns - self._taken_ns >= LONGEST_NS:
            self._wait_ns = FIRST_NS
        self._retry_ns = now_ns + self._wait_ns
        self._wait_ns = min(2 * self._wait_ns, LONGEST_NS)
        return True

    def due(self, now_ns: int) -> bool:
        """Asked before each part: whether the priority is to be taken back now."""
        if self._retry_ns is None or now_ns < self._retry_ns:
            return False
        self._retry_ns, self._taken_ns = None, now_ns
        return True
