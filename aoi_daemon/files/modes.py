"""Who may read what we write: our user and its group, nobody else. Records show a customer's product."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

OTHERS: Final = 0o027
"""Taken away: all of others', and the group's right to write. What a person has taken away beyond that stays away."""


@contextlib.contextmanager
def for_our_group() -> Iterator[None]:
    """What is made meanwhile gets 0640, folders 0750, or less where the caller's umask says so."""
    before = os.umask(OTHERS)
    os.umask(before | OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def narrow(path: Path) -> bool:
    """Take others' rights to `path` away; whether there were any. One that is not there is left.

    Raises:
        OSError: it is another user's.
    """
    try:
        mode = path.stat().st_mode & 0o7777
    except FileNotFoundError:
        return False
    if not mode & OTHERS:
        return False
    path.chmod(mode & ~OTHERS)
    return True


def narrow_below(folder: Path) -> None:
    """Narrow all that lies in `folder`, and `folder` last: one that is narrow already has been through this.

    Raises:
        OSError: as `narrow`, or it cannot be listed.
    """
    if not folder.stat().st_mode & OTHERS:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                narrow_below(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                narrow(Path(entry.path))
    narrow(folder)
