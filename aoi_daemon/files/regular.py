"""Read a regular file within a bound: a pipe is not waited for, a file of many GB is not read into memory."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_PIECE_BYTES: Final = 65_536


class NotRegularError(ValueError):
    """A folder, a pipe or a device; `what` says which."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"is {what}, not a regular file")


class TooLargeError(ValueError):
    """It has more bytes than were asked for at most: `size_bytes`."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        super().__init__(f"has {size_bytes} bytes")


def read_regular(file: Path, most_bytes: int) -> bytes:
    """All of `file`, `most_bytes` at most.

    Raises:
        NotRegularError, TooLargeError: before anything is read.
        OSError: it cannot be read.
        ValueError: `file` is no name of a file: it has a NUL in it.
    """
    # Without O_NONBLOCK, to open a pipe waits for somebody to write to it.
    opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            raise NotRegularError("a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or device")
        if found.st_size > most_bytes:
            raise TooLargeError(found.st_size)
        pieces, size = [], 0
        # To its end, not to its size: it may grow meanwhile, and those of /proc have none.
        while size <= most_bytes and (piece := os.read(opened, max(0, found.st_size - size) + _PIECE_BYTES)):
            pieces.append(piece)
            size += len(piece)
    finally:
        os.close(opened)
    if size > most_bytes:
        raise TooLargeError(size)
    return b"".join(pieces)
