"""Keeps every core from halting, as the kernel's `idle=poll` does: a process of SCHED_IDLE on each that never sleeps.

A virtual machine whose core halts gives it to the host, and waits at the next wake-up until the host gives it back.
No program inside can ask for less where the kernel has no cpuidle driver; whoever owns the machine boots it with
`idle=poll`. This stands in for that where it is not ours to boot.
`python -m tools.line.awake` prints a line once it keeps the cores awake, and ends when its standard input does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import TracebackType


class Awake:
    """Keeps the cores awake while its block runs."""

    def __enter__(self) -> Awake:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.line.awake"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()


def _stay(core: int, parent: int) -> None:
    """On `core` alone, below everything, until `parent` is gone."""
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while os.getppid() == parent:
        for _ in range(100_000):  # some milliseconds without a call of the kernel
            pass


def main() -> int:
    """A child for each core that this process may use."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for whoever started this
    parent, children = os.getpid(), []
    for core in sorted(os.sched_getaffinity(0)):
        pid = os.fork()
        if pid == 0:
            os.close(sys.stdin.fileno())
            os.close(sys.stdout.fileno())
            try:
                _stay(core, parent)
            finally:
                os._exit(0)
        children.append(pid)
    print("awake", flush=True)
    sys.stdin.read()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
