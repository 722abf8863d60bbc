"""Run a model until its latency is even, and say how that went."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.infer.executor import FrameShape

_WINDOW: Final = 10
_EVEN: Final = 0.03
"""Two windows whose medians differ by no more than this share are even."""


class WarmUp(NamedTuple):
    """How the warm-up of one frame size went."""

    shape: FrameShape
    runs: int
    is_even: bool
    """False: the latency had not settled after the last run that was allowed."""
    first_ns: int
    fastest_ns: int


def run_until_stable(run: Callable[[NDArray[np.uint8]], None], shape: FrameShape, most: int) -> WarmUp:
    """Call `run` with noise of `shape` until two windows of runs took the same, at most `most` times.

    Noise, not zeros: a kernel may be quicker on zeros than on a frame.
    """
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    took_ns: list[int] = []
    before = 0.0
    even = False
    while len(took_ns) < most and not even:
        for _ in range(min(_WINDOW, most - len(took_ns))):
            start_ns = time.monotonic_ns()
            run(image)
            took_ns.append(time.monotonic_ns() - start_ns)
        now = statistics.median(took_ns[-_WINDOW:])
        even = len(took_ns) >= 2 * _WINDOW and abs(now - before) <= _EVEN * now
        before = now
    return WarmUp(shape, len(took_ns), even, took_ns[0], min(took_ns))
