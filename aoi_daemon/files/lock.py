"""A folder that one process has to itself, or several in common, as long as they live.

The kernel's lock of the folder itself (flock): no file of ours is left behind, and it ends with the process, however
that ends. Where the file system has none, as some network file systems, nothing is held and nobody is kept out.
"""

from __future__ import annotations

import fcntl
import os
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
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if in_common else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise HeldError(f"{folder}: another process has it") from None
    except OSError:
        os.close(fd)
        return None
    return fd
