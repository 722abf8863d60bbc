"""Which field of view a frame of a camera shows that takes several of each part, one after the other. Pure."""

from __future__ import annotations

from typing import Final, Protocol

NOT_KNOWN: Final = 65_535
"""Of a frame that is not told: no view is of it, and its part is rejected."""


class Fovs(Protocol):
    """Tells the field of view of each frame, in their order; also of those that were missed."""

    def of(self, sequence: int, at_ns: int, trigger_id: int) -> int:
        """That of the camera's view number `sequence`, taken at `at_ns` (CLOCK_MONOTONIC); trigger 0: not known."""


class ByCount:
    """By the count of the camera's views: of a camera that numbers them from the first part on, a replayed one."""

    def __init__(self, count: int) -> None:
        self._count = count

    def of(self, sequence: int, at_ns: int, trigger_id: int) -> int:
        """See `Fovs`."""
        return (sequence - 1) % self._count


class ByPause:
    """By the place after a pause: the first frame after `pause_ns` without one is the first of a part.

    One more than a part has is NOT_KNOWN, and so are all until the first pause: nobody saw how the part began.
    """

    def __init__(self, count: int, pause_ns: int) -> None:
        self._count = count
        self._pause_ns = pause_ns
        self._place = NOT_KNOWN
        self._before_ns: int | None = None

    def of(self, sequence: int, at_ns: int, trigger_id: int) -> int:
        """See `Fovs`."""
        before_ns, self._before_ns = self._before_ns, at_ns
        if before_ns is not None and at_ns - before_ns > self._pause_ns:
            self._place = 0
        elif self._place != NOT_KNOWN:
            self._place += 1
        return self._place if self._place < self._count else NOT_KNOWN


class ByTrigger:
    """By the PLC's number of the trigger, which is 1 for the first one of the first part."""

    def __init__(self, count: int) -> None:
        self._count = count

    def of(self, sequence: int, at_ns: int, trigger_id: int) -> int:
        """See `Fovs`."""
        return (trigger_id - 1) % self._count if trigger_id else NOT_KNOWN


def part_trigger(trigger_id: int, fov: int) -> int:
    """The number of the first trigger of the part: all of its views are known by it. 0: not known."""
    return trigger_id - fov if trigger_id > fov != NOT_KNOWN else 0
