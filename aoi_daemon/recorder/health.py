"""How the disk is, from what happened on it. Pure: times are passed in."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass
from typing import Final

OK: Final = "ok"
SLOW: Final = "slow"
DISK_FULL: Final = "disk_full"
_HOLD_NS: Final = 5_000_000_000
"""A trouble is told for at least so long: an alarm that comes and goes by the tenth of a second helps nobody."""
_WINDOW_NS: Final = 30_000_000_000
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def fault_of(error: Exception, free_bytes: int) -> str:
    """The state that `error` puts the recorder in; `free_bytes` on the records' disk."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return DISK_FULL
    if isinstance(error, sqlite3.Error):
        # SQLite says "disk I/O error" where it could not extend a file that it maps.
        full = "full" in str(error) or (free_bytes == 0 and "I/O" in str(error))
        return DISK_FULL if full else f"failed: {error}"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"failed: {where}{error.strerror or error}"
    return f"failed: {error}"


@dataclass
class Counts:
    """What the disk thread has done since the process began. `forward_percent`: of the records of an older version."""

    parts: int = 0
    pictures: int = 0
    free_bytes: int = 0
    aside: str = ""
    forward_percent: int = 100


class Health:
    """The disk's state. Written by the disk thread, but for `state`, which the reader's asks for.

    Args:
        slow_ns: an operation that takes longer is slow, also while it still runs.
    """

    def __init__(self, slow_ns: int) -> None:
        self._slow_ns = slow_ns
        self._running_since_ns = 0
        self._slow_until_ns = 0
        self._fault = OK
        self._fault_until_ns = 0
        self._longest_ns = (0, 0)  # of this window, and of the one before
        self._window_until_ns = 0

    def begin(self, now_ns: int, more_ns: int = 0) -> None:
        """An operation on the disk begins, which may take `more_ns` longer than others."""
        self._running_since_ns = now_ns + more_ns

    def end(self, now_ns: int) -> None:
        """It has ended, well or not."""
        took_ns = now_ns - self._running_since_ns
        self._running_since_ns = 0
        if now_ns >= self._window_until_ns:
            self._longest_ns = (0, self._longest_ns[0])
            self._window_until_ns = now_ns + _WINDOW_NS
        self._longest_ns = (max(self._longest_ns[0], took_ns), self._longest_ns[1])
        if took_ns > self._slow_ns:
            self._slow_until_ns = now_ns + _HOLD_NS

    @property
    def longest_ns(self) -> int:
        """The longest operation of the last half minute, or a little more."""
        return max(self._longest_ns)

    def behind(self, now_ns: int) -> None:
        """Pictures were dropped, because they came faster than they could be written."""
        self._slow_until_ns = now_ns + _HOLD_NS

    def fault(self, what: str, now_ns: int) -> None:
        """An operation failed: `what` as `fault_of` words it."""
        self._fault = what
        self._fault_until_ns = now_ns + _HOLD_NS

    def well(self, now_ns: int) -> None:
        """Something was written."""
        if now_ns >= self._fault_until_ns:
            self._fault = OK

    def state(self, now_ns: int) -> str:
        """`ok`, `slow`, `disk_full` or `failed: ...`."""
        if self._fault != OK:
            return self._fault
        since_ns = self._running_since_ns
        hangs = since_ns != 0 and now_ns - since_ns > self._slow_ns
        return SLOW if hangs or now_ns < self._slow_until_ns else OK
