"""Copy files with their hashes, slowly enough that a line beside them does not notice.

Process: offline, at nice 19, from which the kernel takes the priority at the disk too. Blocks: on both disks. What was
copied does not stay in the page cache, which belongs to the line.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aoi_daemon.backup.manifest import StoredFile

_PIECE: Final = 1 << 20
_SYNC_BYTES: Final = 16 << 20
_TOLD_S: Final = 0.5
_LONG_S: Final = 5.0
"""What takes no longer is not told of in a log."""


class Pace:
    """At most `mb_per_s` MB a second, counted over the last second; and says how far it is."""

    def __init__(
        self, what: str, total_bytes: int, mb_per_s: float, *,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._what, self._total, self._per_s = what, total_bytes, mb_per_s * 1e6
        self._clock, self._sleep = clock, sleep
        self._free_at_s = self._told_s = self._begun_s = clock()
        self._tenth = 0
        self.done_bytes = 0

    def took(self, count: int) -> None:
        """So many bytes have been copied; waits where that was too quick."""
        self.done_bytes += count
        now = self._clock()
        self._free_at_s = max(self._free_at_s, now - 1.0) + count / self._per_s
        if self._free_at_s > now:
            self._sleep(self._free_at_s - now)
        self._tell(now)

    def _tell(self, now: float) -> None:
        text = f"{self._what}: {self.done_bytes / 1e6:,.0f} of {max(self._total, self.done_bytes) / 1e6:,.0f} MB"
        if sys.stderr.isatty():
            if now - self._told_s >= _TOLD_S:
                self._told_s = now
                sys.stderr.write(f"\r{text} ")
                sys.stderr.flush()
        elif now - self._begun_s > _LONG_S and self._total:
            tenth = min(9, 10 * self.done_bytes // self._total)
            if tenth > self._tenth:
                self._tenth = tenth
                sys.stderr.write(f"{text}\n")

    def end(self) -> None:
        """The line of the terminal is done."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")


def copy_file(source: Path, target: Path, place: str, pace: Pace, *, expected: StoredFile | None = None) -> StoredFile:
    """Copy a regular file; what it is in a manifest. It is on the disk once all of it is put in place.

    A target that has the content already (left by an interrupted backup) is read, not written.

    Raises:
        OSError: one of them cannot be read or written, or `source` is no regular file.
        ValueError: the content is not what is expected; the target is not complete then.
    """
    # O_NOFOLLOW where it must be what the manifest says: a link may lead anywhere.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if expected is not None else 0)
    fd = os.open(source, flags)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(22, "is not a regular file", str(source))
        mode = stat.S_IMODE(found.st_mode) & 0o777 if expected is None else expected.mode
        digest = _hash(fd, pace) if expected is None and _size(target) == found.st_size else ""
        if digest and digest == hash_file(target, pace):
            target.chmod(mode)
        else:
            digest = _write(fd, target, mode, pace)
        whole = StoredFile(place=place, sha256=digest, size_bytes=target.stat().st_size, mode=mode)
        if expected is not None and (whole.sha256, whole.size_bytes) != (expected.sha256, expected.size_bytes):
            raise ValueError(f"{source}: has changed while it was copied")
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        return whole
    finally:
        os.close(fd)


def hash_file(file: Path, pace: Pace) -> str:
    """SHA-256 of a regular file that is no link.

    Raises:
        OSError: it is none, or cannot be read.
    """
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(22, "is not a regular file", str(file))
        found = _hash(fd, pace)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        return found
    finally:
        os.close(fd)


def remove(path: Path) -> None:
    """A file, a link, or a folder with all in it; where nothing is, nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _hash(fd: int, pace: Pace) -> str:
    os.lseek(fd, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    while piece := os.read(fd, _PIECE):
        digest.update(piece)
        pace.took(len(piece))
    return digest.hexdigest()


def _size(file: Path) -> int:
    try:
        found = file.lstat()
    except FileNotFoundError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1


def _write(fd: int, target: Path, mode: int, pace: Pace) -> str:
    """Copy all of `fd`; the hash of what was copied: the file may have grown since it was read."""
    os.lseek(fd, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    target.unlink(missing_ok=True)
    out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        written = 0
        while piece := os.read(fd, _PIECE):
            digest.update(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(out, rest) :]
            written += len(piece)
            if written % _SYNC_BYTES < len(piece):
                os.fdatasync(out)  # else one sync of the line's waits for all that lies in memory by then
            pace.took(len(piece))
        os.fchmod(out, mode)
        os.posix_fadvise(out, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(out)
    return digest.hexdigest()
