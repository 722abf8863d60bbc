"""Make this process what a stage is: no garbage collector, SCHED_FIFO where the system allows it, a pace."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

PRIORITY: Final = 40
"""Of the stage inspection."""


def settle() -> None:
    """As Stage.freeze."""
    gc.collect()
    gc.freeze()
    gc.disable()


def go_fifo(priority: int = PRIORITY) -> str:
    """As Stage.go_realtime, for every thread of this process; the scheduling that was had.

    For parts at takt alone: a loop that spins flat out under SCHED_FIFO is stopped by the kernel for 50 ms in
    each second, which no line does.
    """
    for thread in Path("/proc/self/task").iterdir():
        try:
            os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, os.sched_param(priority))
        except PermissionError:
            return "SCHED_OTHER (SCHED_FIFO refused)"
        except ProcessLookupError:
            continue  # it has ended meanwhile
    return f"SCHED_FIFO {priority}"


def measure(part: Callable[[int], object], runs: int, pace_ms: float = 0.0) -> list[int]:
    """How long each of `runs` calls of `part` took, in ns; `pace_ms` from start to start, 0: one after the other."""
    took_ns = [0] * runs
    pace_ns = round(pace_ms * 1e6)
    next_ns = time.monotonic_ns() + pace_ns
    for number in range(runs):
        if pace_ns:
            time.sleep(max(0, next_ns - time.monotonic_ns()) / 1e9)
            next_ns += pace_ns
        start_ns = time.monotonic_ns()
        part(number)
        took_ns[number] = time.monotonic_ns() - start_ns
    return took_ns
