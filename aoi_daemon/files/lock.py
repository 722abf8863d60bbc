"""A folder that one process has to itself, or several in common, as long as they live.

The kernel's lock of the folder itself (flock): no file of ours is left behind, and it ends with the process, however
that ends. Where the file system has none, as some network file systems, nothing is held and nobody is kept out.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from aoi_daemon.errors import AoiError


class HeldError(AoiError):
    """Another process has the folder."""


def hold(folder: Path, *, in_common: bool = False) -> int | None:
    """A descriptor that holds `folder` until it is closed; None where folders cannot be held.

    Args:
        folder: what is held, as the folder that it is now: one that is moved away is held there.
        in_common: with all others who want it so.

    Raises:
        HeldError: another process has it.
        OSError: it is not there, or may not be read.
    """
    fd = _opened(folder)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if in_common else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise HeldError(f"{folder}: another process has it") from None
    except OSError:
        os.close(fd)
        return None
    return fd


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Two that change what is in `folder` at once do so one after the other: waits for its turn.

    Raises:
        OSError: it is not there, may not be read, or cannot be held.
    """
    fd = _opened(folder)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
