"""Open the records database: SQLite, one writer of parts beside any number of readers.

Files of the records folder: `records.sqlite` with its `-wal` and `-shm`, `images/YYYY-MM-DD/HH/*.png` (UTC),
`templates/*.png`. A connection is used by one thread at a time. Whoever reads keeps its transactions short:
a reader that holds one open keeps the write-ahead log from being emptied.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aoi_daemon.files import make_folder
from aoi_daemon.records.copies import keep_copy
from aoi_daemon.records.faults import DamagedError, RecordsError
from aoi_daemon.records.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from aoi_daemon.records.versions import AS_NOW, FORWARD

__all__ = [
    "DATABASE",
    "IMAGES",
    "TEMPLATES",
    "DamagedError",
    "RecordsError",
    "is_damage",
    "open_reader",
    "open_writer",
    "writing",
]

DATABASE: Final = "records.sqlite"
IMAGES: Final = "images"
TEMPLATES: Final = "templates"
_BUSY_MS: Final = 5000
_PAGE_CACHE_KIB: Final = 8192
_NOT_A_DATABASE: Final = ("file is not a database", "malformed", "file is encrypted")


def open_writer(folder: Path, *, create: bool = False, told: Callable[..., Any] | None = None) -> sqlite3.Connection:
    """Open the records of `folder` for reading and writing. Those of an older version are brought forward.

    That takes a moment whatever their size, and a copy of the file where it is small (`copies`); what must be worked
    through row by row is left to `fills`.

    Several processes may write (the recorder parts, the page reviews), each in transactions of a few ms
    (see `writing`); one that finds the other at it waits up to 5 s.

    Args:
        folder: the records folder.
        create: make folder and database where there are none (the recorder alone does).
        told: a log's method, which is told when they were brought forward.

    Raises:
        DamagedError: the file is no database, or its pages do not fit together.
        RecordsError: not there, not readable, or of another program or version; with the remedy.
    """
    file = folder / DATABASE
    if create:
        try:
            make_folder(folder)
        except OSError as error:
            raise RecordsError(f"{folder}: cannot be made: {error.strerror}") from error
    connection = _connect(file, "rwc" if create else "rw")
    with _closing_on_error(connection, file):
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        if create and _is_empty(connection):
            _make(connection)
        if _check(connection, file) < SCHEMA_VERSION:
            _bring_forward(connection, file, told)
        # Who has seen a row, or been told that a review is kept, finds it after a power cut too: SQLite shows a
        # transaction to readers once it is synced. It costs the disk thread's time; rows wait in the inbox meanwhile.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
    return connection


def open_reader(folder: Path) -> sqlite3.Connection:
    """Open the records of `folder` for reading, also while the daemon runs. Those of an older version stay as they are.

    Raises:
        DamagedError, RecordsError: as `open_writer`.
    """
    file = folder / DATABASE
    connection = _connect(file, "ro")
    with _closing_on_error(connection, file):
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        version = _check(connection, file)
        if version < SCHEMA_VERSION:
            connection.executescript(AS_NOW[version])
        connection.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
    return connection


@contextlib.contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction: all of it, or nothing.

    The lock is taken at the start: a transaction that reads first and then writes can be refused half way.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    try:
        connection.execute("COMMIT")
    except BaseException:
        # A COMMIT that found the disk full may leave the transaction open.
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def is_damage(error: sqlite3.Error) -> bool:
    """Whether `error` says that the database's own pages are wrong, not that something was in its way."""
    return any(words in str(error) for words in _NOT_A_DATABASE)


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    if mode != "rwc" and not file.is_file():
        why = "no such file" if file.parent.is_dir() else "no such folder"
        raise RecordsError(f"{file}: {why}; is this the folder of [recorder] in line.toml, and has it run?")
    try:
        # Autocommit, transactions begun by hand: what the module would begin by itself locks late.
        return sqlite3.connect(
            f"file:{quote(str(file.absolute()))}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise RecordsError(f"{file}: cannot be opened: {error}; check the folder's owner and mode") from error


@contextlib.contextmanager
def _closing_on_error(connection: sqlite3.Connection, file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        connection.close()
        if is_damage(error):
            raise DamagedError(f"{file}: {error}") from error
        raise RecordsError(f"{file}: {error}; check the disk, and the folder's owner and mode") from error
    except BaseException:
        connection.close()
        raise


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def _make(connection: sqlite3.Connection) -> None:
    # Before the first table, else it takes a VACUUM of the complete file.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    with writing(connection):
        for statement in _statements(SCHEMA):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _bring_forward(connection: sqlite3.Connection, file: Path, told: Callable[..., Any] | None = None) -> None:
    with writing(connection):
        # Asked again under the lock: the page, or the recorder, may have done it meanwhile.
        was = _version(connection)
        if was == SCHEMA_VERSION:
            return
        no_copy = keep_copy(file, was)
        for version in range(was, SCHEMA_VERSION):
            for statement in _statements(FORWARD[version]):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    if told is not None:
        copy = {"no_copy": no_copy} if no_copy else {"copy": f"{file.name}.version-{was}"}
        told("records_brought_forward", was=was, now=SCHEMA_VERSION, **copy)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """One at a time: `executescript` would end the transaction that all of them belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _check(connection: sqlite3.Connection, file: Path) -> int:
    """The database's version, which this program can read and bring forward; else RecordsError."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version = _version(connection)
    if application == 0 and _is_empty(connection):
        raise RecordsError(f"{file}: has nothing in it yet; the recorder makes it when it starts")
    if application != APPLICATION_ID:
        raise RecordsError(
            f"{file}: is a database of another program (application_id {application:#x}, expected "
            f"{APPLICATION_ID:#x}); name another folder in [recorder], or move the file away"
        )
    if version != SCHEMA_VERSION and version not in FORWARD:
        raise RecordsError(
            f"{file}: has schema version {version}, this program reads {min(FORWARD)} to {SCHEMA_VERSION}; "
            + (
                "run the newer aoi-daemon that wrote it, or name another folder in [recorder]"
                if version > SCHEMA_VERSION
                else "move the folder away and let the recorder begin a new one"
            )
        )
    return version
