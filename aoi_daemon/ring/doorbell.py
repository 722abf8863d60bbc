"""Doorbells: a message that wakes its reader, in one system call each way.

A pipe carries fixed-size records. The write is also the memory barrier that
hands over what the record speaks of (a frame's slot), on ARM too. The
supervisor makes the pipes and keeps both ends, so a pipe outlives the stages
at its ends and a restarted stage goes on where the old one was killed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from aoi_daemon.errors import DoorbellFullError

_F_SETPIPE_SZ = 1031  # fcntl.F_SETPIPE_SZ, which Python 3.10's fcntl has not on all builds
PIPE_BYTES = 256 * 1024
_READ_BYTES = 64 * 1024


class Record(Protocol):
    """A fixed-size record: `layout.size` bytes."""

    def pack(self) -> bytes:
        """This record as bytes."""
        ...


T = TypeVar("T")


def make_pipe() -> tuple[int, int]:
    """A non-blocking pipe (read end, write end) of PIPE_BYTES where the system allows it."""
    read_fd, write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.fcntl(write_fd, _F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        pass  # over the user's pipe quota: the default of 64 KiB holds a thousand announcements
    return read_fd, write_fd


def ring(fd: int, record: Record) -> None:
    """Send `record` without ever waiting.

    Raises:
        DoorbellFullError: the reader is thousands of records behind.
    """
    try:
        os.write(fd, record.pack())
    except BlockingIOError as error:
        raise DoorbellFullError(f"doorbell {fd} is full") from error


def drain(
    fd: int, unpack: Callable[[bytes], T], size_bytes: int, read: Callable[[int, int], bytes] = os.read
) -> Iterator[T]:
    """All records waiting at `fd`, oldest first; none when there are none.

    Args:
        fd: a pipe's read end.
        unpack: makes a record of `size_bytes` bytes.
        size_bytes: what each record of this pipe has.
        read: `Wait.read` of the process.
    """
    whole = _READ_BYTES - _READ_BYTES % size_bytes
    while True:
        try:
            data = read(fd, whole)
        except BlockingIOError:
            return
        for start in range(0, len(data), size_bytes):
            yield unpack(data[start : start + size_bytes])
        # Less than was asked for: the pipe was empty then. What has come since rings again.
        if len(data) < whole:
            return
