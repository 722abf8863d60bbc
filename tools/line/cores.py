"""A process on each core while a block runs: what `witness` and `awake` have in common."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar


class OnEachCore:
    """Runs `python -m MODULE`, whose `main` calls `fork_on_each`. `said` is what it printed, there after the block."""

    module: ClassVar[str]
    said: str

    def __enter__(self) -> OnEachCore:
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.said, _ = self._process.communicate()


def fork_on_each(work: Callable[[int, int, int], None]) -> list[str]:
    """Run `work` in a child on each core that this process may use, until standard input ends; what each has told.

    Prints a line once every child has told one.

    Args:
        work: is given its core, on which it is alone to run, the file descriptor by which it tells, and the number of
            this process. It tells one line once it works, and ends by SIGTERM, or when its parent is another process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for whoever started this
    parent, children = os.getpid(), []
    for core in sorted(os.sched_getaffinity(0)):
        read_fd, write_fd = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(sys.stdin.fileno())
            os.close(sys.stdout.fileno())
            try:
                os.sched_setaffinity(0, {core})
                work(core, write_fd, parent)
            finally:
                os._exit(0)
        os.close(write_fd)
        children.append((pid, os.fdopen(read_fd)))
    for _, told in children:
        told.readline()
    print("works", flush=True)
    sys.stdin.read()
    for pid, _ in children:
        os.kill(pid, signal.SIGTERM)
    found = [told.read() for _, told in children]
    for pid, _ in children:
        os.waitpid(pid, 0)
    return found
