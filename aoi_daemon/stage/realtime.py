"""What a process asks of the kernel: scheduling, memory that stays, and who goes first when memory runs out.

Process: any stage. Nothing here is fatal: what the system refuses is told to whoever asked.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from pathlib import Path
from typing import Final

_MCL_CURRENT_FUTURE_ONFAULT: Final = 7
_STANDBY_NICE: Final = 10
_STANDBY_OOM: Final = 500
"""Added to what the kernel weighs when memory runs out: it ends the process that no part depends on yet."""
_OFF_PATH_OOM: Final = "300"
_OOM_SCORE: Final = Path("/proc/self/oom_score_adj")


def stand_aside() -> tuple[int, str]:
    """Below whoever is on the line: in time, and when memory runs out. What `step_up` needs to undo it."""
    score = ""
    with contextlib.suppress(OSError, ValueError):  # what a sandbox hides is done without
        score = _OOM_SCORE.read_text().strip()
        _OOM_SCORE.write_text(str(min(int(score) + _STANDBY_OOM, 1000)))
    before = (os.nice(0), score)
    try:
        # One step down and up again, too short to matter, shows whether the way back is open (root, CAP_SYS_NICE,
        # LimitNICE=): an inspection that could not step up again would judge parts below ordinary work.
        os.nice(1)
        os.nice(-1)
    except PermissionError:
        return before
    os.nice(_STANDBY_NICE)
    return before


def step_up(niceness: int, score: str) -> None:
    """Undo `stand_aside`, for every thread that has come since."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)
    with contextlib.suppress(OSError):
        _OOM_SCORE.write_text(score)


def be_first_to_go() -> None:
    """When memory runs out, the kernel takes those off the critical path, not the line that shares their service."""
    try:
        _OOM_SCORE.write_text(_OFF_PATH_OOM)
    except OSError:
        pass  # no /proc to write to: as with the others then


def set_policy(policy: int, priority: int) -> bool:
    """`policy` for every thread of this process, a vendor's and a pool's too; False where it is refused."""
    for thread in Path("/proc/self/task").iterdir():
        try:
            os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))
        except PermissionError:
            return False
        except ProcessLookupError:
            continue  # it has ended meanwhile
    return True


def lock_memory() -> bool:
    """What the process has and will have stays in memory; False where it is refused."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit != resource.RLIM_INFINITY and os.geteuid() != 0:
        # With a limit, MCL_FUTURE would make a later allocation fail: worse than a page fault.
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    # On fault: what the warm-up has touched stays. All of it at once would be hundreds of MB of libraries
    # that nobody calls, and tens of ms more until a killed process is gone.
    return bool(libc.mlockall(_MCL_CURRENT_FUTURE_ONFAULT) == 0)
