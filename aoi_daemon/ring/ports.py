"""What a process of the line needs of the world: the time, and the wait for a doorbell.

A process is given both by its constructor. In production they are the two below; in the simulation
(`tools/simulation`) one virtual clock is behind both, and a run is as good as its seed.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from typing import Final, Protocol


class Clock(Protocol):
    """The one clock of the path."""

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC in ns; never goes back, and a step of the wall clock does not touch it."""
        ...


class Wait(Protocol):
    """The wait for doorbells, and what they brought."""

    def select(self, fds: Sequence[int], timeout_s: float) -> list[int]:
        """Those of `fds` that can be read, once one can; none when `timeout_s` is over (0: only look)."""
        ...

    def read(self, fd: int, size: int) -> bytes:
        """What is at `fd` by now, up to `size` bytes; it may be more than there was as `select` looked.

        Raises:
            BlockingIOError: nothing is.
        """
        ...


class Monotonic:
    """The machine's clock."""

    # The function itself: asking a port costs no more than asking the clock.
    now_ns = staticmethod(time.monotonic_ns)


class Doorbells:
    """The system calls."""

    read = staticmethod(os.read)

    @staticmethod
    def select(fds: Sequence[int], timeout_s: float) -> list[int]:
        """See `Wait`."""
        return select.select(fds, [], [], timeout_s)[0]


MONOTONIC: Final = Monotonic()
DOORBELLS: Final = Doorbells()
