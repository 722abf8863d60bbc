"""Files that are complete or not there, whatever happens while they are written: a kill, a full disk, a power cut.

What is written is there after a power cut once it has been synced, and so has the folder that names it: a rename is in
that folder alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def replace_file(file: Path, content: bytes, mode: int = 0o644) -> None:
    """Write `file` completely or not at all, and through to the disk: power may be lost at any time.

    Args:
        file: what to write; its folder must be there.
        content: what is in it then.
        mode: who may read it; everybody unless told: who writes a bundle is rarely who runs it.

    Raises:
        OSError: it cannot be written; what was there is untouched, as it is when this is interrupted. Where the disk
            fails at the very end, the new content may be there.
    """
    handle, partial = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            os.fchmod(out.fileno(), mode)
            out.flush()
            os.fsync(out.fileno())
        Path(partial).replace(file)
        sync_folder(file.parent)
    except BaseException:  # Ctrl-C in a long build too: nothing half-written is left beside it
        with contextlib.suppress(OSError):
            Path(partial).unlink()
        raise


def sync_folder(folder: Path) -> None:
    """What `folder` names is what it names after a power cut too.

    Raises:
        OSError: the disk does not take it.
    """
    _sync(folder, os.fsync)


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it where they are not there, through to the disk.

    Raises:
        OSError: it cannot be made.
    """
    folder = folder.absolute()
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def put_in_place(partial: Path, target: Path) -> None:
    """Give the finished file or folder `partial` the name `target`, with all that is in it through to the disk.

    Raises:
        OSError: the disk does not take it, or there is a folder of that name.
    """
    _sync(partial, os.fsync if partial.is_file() else _sync_disk)
    partial.rename(target)
    sync_folder(target.absolute().parent)


def _sync_disk(fd: int) -> None:
    """All of the file system that `fd` lies in. File by file, a backup of 100,000 pictures would take an hour."""
    if ctypes.CDLL(None, use_errno=True).syncfs(fd):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _sync(path: Path, how: Callable[[int], object]) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        how(fd)
    finally:
        os.close(fd)
