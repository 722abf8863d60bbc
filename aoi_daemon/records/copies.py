"""The copy of the records that is kept when they are brought forward to a newer version: for a way back.

Not what makes the way forward safe: that is SQLite's own transaction, which a kill or a full disk leaves as it was.
So a database that is too large to be copied while parts wait, or that leaves the disk no room, goes forward without.
The copy goes when the disk is short of room, before anything else, or when the next one is made; no clock removes it.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aoi_daemon.files import put_in_place

MOST_BYTES: Final = 256 * 1024 * 1024
"""Almost a million parts. A slow disk (50 MB/s) copies it in 5 s, while parts wait in the verdict ring and pictures of
rejects in memory; what is larger would cost pictures."""
_MARK: Final = ".version-"


def keep_copy(file: Path, version: int) -> str:
    """Copy the database `file`, of schema `version`, beside it; why not, or "".

    The caller holds the lock for writing and has written nothing yet. A copy of a former time goes.

    Args:
        file: `records.sqlite`; its log is taken in.
        version: `user_version`.
    """
    size_bytes = sum(each.stat().st_size for each in (file, file.with_name(f"{file.name}-wal")) if each.exists())
    remedy = "`aoi-daemon backup` copies records of any size while the line runs, before an upgrade"
    if size_bytes > MOST_BYTES:
        return f"{size_bytes / 1e6:.0f} MB are too much to copy at a start; {remedy}"
    if shutil.disk_usage(file.parent).free < 2 * size_bytes:
        return f"no room on the disk for {size_bytes / 1e6:.0f} MB and as much again; make some before an upgrade"
    remove_copies(file)
    copy = file.with_name(f"{file.name}{_MARK}{version}")
    partial = copy.with_name(f"{copy.name}.partial")
    try:
        _copy(file, partial)
        put_in_place(partial, copy)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        return f"{copy.name}: {error}"
    return ""


def remove_copies(file: Path) -> int:
    """Remove what `keep_copy` has left beside `file`; how many files."""
    found = list(file.parent.glob(f"{file.name}{_MARK}*"))
    for each in found:
        each.unlink(missing_ok=True)
    return len(found)


def _copy(file: Path, to: Path) -> None:
    to.unlink(missing_ok=True)
    source = f"file:{quote(str(file.absolute()))}?mode=ro"
    with closing(sqlite3.connect(source, uri=True)) as old, closing(sqlite3.connect(to)) as new:
        # Its own log is of no use: half a copy is removed.
        new.execute("PRAGMA journal_mode = OFF")
        new.execute("PRAGMA synchronous = OFF")
        old.backup(new)
