"""Keeps every core from halting, as the kernel's `idle=poll` does: a process of SCHED_IDLE on each that never sleeps.

A virtual machine whose core halts gives it to the host, and waits at the next wake-up until the host gives it back.
No program inside can ask for less where the kernel has no cpuidle driver; whoever owns the machine boots it with
`idle=poll`. This stands in for that where it is not ours to boot.
`python -m tools.line.awake` prints a line once it keeps the cores awake, and ends when its standard input does.
"""

from __future__ import annotations

import os
import sys

from tools.line.cores import OnEachCore, fork_on_each


class Awake(OnEachCore):
    """Keeps the cores awake while its block runs."""

    module = "tools.line.awake"


def _stay(_core: int, write_fd: int, parent: int) -> None:
    """Below everything."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    os.write(write_fd, b"awake\n")
    while os.getppid() == parent:
        for _ in range(100_000):  # some milliseconds without a call of the kernel
            pass


def main() -> int:
    """A child for each core that this process may use."""
    fork_on_each(_stay)
    return 0


if __name__ == "__main__":
    sys.exit(main())
