"""A file of secrets: only its owner reads it, it is written completely or not at all, and read when it has changed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from aoi_daemon.errors import ConfigError
from aoi_daemon.files import sync_folder
from aoi_daemon.files.lock import alone
from aoi_daemon.files.text import TextError, decode
from aoi_daemon.files.toml import parse

_MAX_BYTES: Final = 256 * 1024
T = TypeVar("T")
Owner = tuple[int, int]
"""(user id, group id)."""


class KeptFile(Generic[T]):
    """The file at `path`, as `_read` has it. A file that is not there is an empty one."""

    def __init__(self, path: Path, empty: T) -> None:
        self.path = path
        self._empty = empty
        self._seen: tuple[int, ...] | None = None
        self._now = empty
        self._problem: ConfigError | None = None

    def _read(self) -> T:
        raise NotImplementedError

    def now(self) -> T:
        """What is in it now; one `stat` when it has not changed.

        Raises:
            ConfigError: it is wrong, or others can read it; nothing in it counts then.
        """
        seen = self._stamp()
        if seen != self._seen:
            self._now, self._problem = self._empty, None
            try:
                self._now = self._read()
            except ConfigError as error:
                self._problem = error
            self._seen = seen
        if self._problem is not None:
            raise self._problem
        return self._now

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        # With owner and mode: `chmod` mends a refused file without changing what is in it.
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode, found.st_uid)


def read_tables(path: Path) -> dict[str, Any]:
    """The TOML tables in the file at `path`; none when it is not there.

    Raises:
        ConfigError: naming the file. What is in it is never quoted.
    """
    try:
        with path.open("rb") as file:
            _refuse_if_open(path, os.fstat(file.fileno()))
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(path, [f"cannot be read: {error.strerror}"]) from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(path, [f"is larger than {_MAX_BYTES} bytes"])
    try:
        return parse(decode(data))
    except TextError as error:
        raise ConfigError(path, [error.problem]) from None


def _refuse_if_open(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(path, ["is not a regular file"])
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise ConfigError(path, [f"mode {mode:04o} lets others in: chmod 0600 {path}"])
    if found.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
        raise ConfigError(path, [f"belongs to user id {found.st_uid}, not to the one this runs as ({os.geteuid()})"])


def change(path: Path, made: Callable[[], str], owner: Owner | None = None) -> None:
    """Write what `made` gives, completely or not at all; one at a time, however many do so at once.

    `owner` is whose a new file is; one that is there keeps its own.

    Raises:
        ConfigError: the file cannot be written; and what `made` raises.
    """
    try:
        with alone(path.parent):
            _write(path, made(), owner)
    except OSError as error:
        raise ConfigError(path, [f"cannot be written: {error.strerror}"]) from error


def _write(path: Path, text: str, owner: Owner | None) -> None:
    with contextlib.suppress(FileNotFoundError):
        before = path.stat()
        owner = (before.st_uid, before.st_gid)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)  # left by one that was killed; we are alone in the folder
    # Exclusive, and closed to others from its first moment.
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(fd, *owner)
            file.write(text)
            file.flush()
            os.fsync(fd)
        partial.replace(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)
