"""How a command that writes files ends when it is interrupted, or when the disk does not take them.

Process: offline. This module is loaded by every command, so it loads nothing itself.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stopped_as_by_ctrl_c() -> Iterator[None]:
    """`kill`, a time limit, the service manager and a terminal that is closed clean up as Ctrl-C does."""

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # whoever says it again breaks off the clean-up
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    before = {number: found for number, found in before.items() if found != signal.SIG_IGN}  # it stays so: `nohup`
    for each in before:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, found in before.items():
            signal.signal(each, found)


def run_offline(work: Callable[[], int]) -> int:
    """Run `work`, which leaves nothing half-written however it ends; the exit code.

    `work`'s own; 130 where it is interrupted; 1 where the disk is full or a folder may not be written.
    """
    try:
        with stopped_as_by_ctrl_c():
            return work()
    except KeyboardInterrupt:
        sys.stderr.write("aoi-daemon: interrupted, nothing was written\n")
        return 130
    except BrokenPipeError:
        raise  # whoever read our output has seen enough: the command line's to answer
    except OSError as error:  # a full disk, a folder that may not be written
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"aoi-daemon: {where}{error.strerror}; nothing was written\n")
        return 1
