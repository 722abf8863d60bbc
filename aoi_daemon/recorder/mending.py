"""Open the records as a recorder that was killed, or a PC that lost power, has left them.

Process: recorder, its disk thread, at its start. All of it is bounded: what was in hand, the newest rows, and
a time for the check of the database. A database that cannot be trusted is kept, under another name.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from aoi_daemon.files import sync_folder
from aoi_daemon.files.modes import for_our_group, narrow, narrow_below
from aoi_daemon.recorder.lost_pictures import NEWEST, forget_lost
from aoi_daemon.recorder.pictures import INCOMING, LIST
from aoi_daemon.records.database import DATABASE, IMAGES, TEMPLATES, DamagedError, is_damage, open_writer, writing
from aoi_daemon.records.parts import Image, ImageKind, insert_image

OPENING_S: Final = 10.0
"""What opening may take longer than a write: the check, and the copy of a database that is brought forward."""
_CHECK_S: Final = 0.7
_AGAIN_S: Final = 0.005
_HOUR_S: Final = 3600.0


def open_whole(folder: Path, log: Any, *, check: bool) -> tuple[sqlite3.Connection, str]:
    """The database of `folder` for writing, and the name under which a damaged one was put aside (else "").

    Args:
        folder: made where it is not there.
        log: where that is said.
        check: look through the database first.

    Raises:
        RecordsError: it cannot be opened.
        OSError, sqlite3.Error: the disk does not do what it should.
    """
    try:
        with for_our_group():
            connection = open_writer(folder, create=True, told=log.info)
        if check:
            with _closing_on_error(connection):
                _check(connection, folder, log)
        aside = ""
    except DamagedError as error:
        aside = put_aside(folder, str(error), log)
        with for_our_group():
            connection = open_writer(folder, create=True)
    with _closing_on_error(connection):
        _adopt(connection, folder, log)
    return connection, aside


def close_to_others(folder: Path, log: Any) -> None:
    """Records of an older version could be read by everybody: close the folder and the database, at once.

    The pictures in it are as safe then; `close_pictures` gives each its mode.
    """
    try:
        opened = [narrow(path) for path in (folder, *folder.glob(f"{DATABASE}*"))]
    except OSError as error:
        log.warning(
            "records_open_to_others", folder=str(folder), error=str(error),
            remedy="chown the folder and all in it to the daemon's user, or chmod -R o= it",
        )  # fmt: skip
        return
    if any(opened):
        log.info("records_closed_to_others", folder=str(folder))


def close_pictures(folder: Path, log: Any) -> None:
    """The same for the pictures, as long as that takes: a season of them is a million files."""
    for name in (TEMPLATES, INCOMING, IMAGES):
        try:
            narrow_below(folder / name)
        except FileNotFoundError:
            continue  # none yet, or retention was quicker: the next start goes on
        except OSError as error:
            log.warning("pictures_open_to_others", folder=str(folder / name), error=str(error))


def mend(connection: sqlite3.Connection, folder: Path, log: Any, run: str = "") -> None:
    """Remove what a killed recorder had in hand, and rows whose picture a power cut has taken.

    `run` is the one that goes on, "" for none.
    """
    incoming = folder / INCOMING
    removed = 0
    with contextlib.suppress(FileNotFoundError):
        recent = {file for (file,) in connection.execute("SELECT file FROM images ORDER BY id DESC LIMIT ?", (NEWEST,))}
        for name in (incoming / LIST).read_text(errors="replace").splitlines():
            if name not in recent and _inside(folder, name) and not _has_row(connection, name):
                (folder / name).unlink(missing_ok=True)
                removed += 1
        os.truncate(incoming / LIST, 0)
        for path in incoming.iterdir():
            if path.name != LIST:
                path.unlink()
                removed += 1
    with writing(connection):
        gone, missing = forget_lost(connection, folder, run)
    if gone or missing or removed:
        log.info("records_mended", files_without_row=removed, rows_without_file=gone, pictures_missing=missing)


def _has_row(connection: sqlite3.Connection, name: str) -> bool:
    """Whether an older row names it: the list may be older than what it names, for nobody syncs it."""
    day, hour = name.split("/")[1:3]
    try:
        begins = datetime.strptime(f"{day} {hour}+0000", "%Y-%m-%d %H%z").timestamp()
    except ValueError:
        return True  # none of ours
    found = connection.execute(
        "SELECT 1 FROM images WHERE at >= ? AND at < ? AND file = ?", (begins, begins + _HOUR_S, name)
    )
    return found.fetchone() is not None


def _check(connection: sqlite3.Connection, folder: Path, log: Any) -> None:
    """SQLite's quick check, for as long as there is time: a season of parts takes minutes to read through.

    What it did not come to is noticed when it is read, and put aside then.
    """
    # Not by a progress handler: the check is one step of SQLite's machine, between two of which that is asked.
    done = threading.Event()
    alarm = threading.Thread(target=_interrupt, args=(connection, done), name="check", daemon=True)
    alarm.start()
    cut_short = False
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        found, cut_short = "ok", True
    except sqlite3.DatabaseError as error:
        found = str(error)
    finally:
        done.set()
        alarm.join()  # else it interrupts what comes next
    if cut_short:
        log.info("records_check_cut_short", after_s=_CHECK_S)
    if found != "ok":
        raise DamagedError(f"{folder / DATABASE}: {found}")


def _interrupt(connection: sqlite3.Connection, done: threading.Event) -> None:
    """End what runs on `connection` once its time is over: again and again, for between two questions nothing ends."""
    wait_s = _CHECK_S
    while not done.wait(wait_s):
        connection.interrupt()
        wait_s = _AGAIN_S


def put_aside(folder: Path, error: str, log: Any) -> str:
    """Rename a damaged database and its log; its new name. A reader that has it open reads on.

    Raises:
        OSError: the folder does not allow it.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    name = f"{DATABASE}.damaged-{stamp}"
    for number in range(2, 1000):
        if not (folder / name).exists():
            break
        name = f"{DATABASE}.damaged-{stamp}-{number}"
    for ending in ("-wal", "-shm", ""):  # the database last: a new one must never meet the old one's log
        with contextlib.suppress(FileNotFoundError):
            (folder / f"{DATABASE}{ending}").rename(folder / f"{name}{ending}")
    sync_folder(folder)
    log.error(
        "records_damaged", error=error, kept_as=name, action="a new database begins",
        remedy="check the disk; `sqlite3 FILE .recover` may save rows of the old one",
    )  # fmt: skip
    return name


def _adopt(connection: sqlite3.Connection, folder: Path, log: Any) -> None:
    """Take pictures of an earlier database into a new one, so that they too go when their time has come."""
    if connection.execute("SELECT 1 FROM parts UNION ALL SELECT 1 FROM images LIMIT 1").fetchone() is not None:
        return
    found = 0
    with writing(connection):
        for path, kind in _pictures_in(folder):
            stat = path.stat()
            image = Image(
                at=stat.st_mtime, camera="", kind=kind, why="around", cause="of an earlier database",
                file=path.relative_to(folder).as_posix(), size_bytes=stat.st_size, width_px=0, height_px=0,
            )  # fmt: skip
            insert_image(connection, image)
            found += 1
    if found:
        log.info("pictures_adopted", pictures=found)


def _pictures_in(folder: Path) -> Iterator[tuple[Path, ImageKind]]:
    for path in (folder / IMAGES).glob("*/*/*.png"):
        yield path, "context"
    for path in (folder / TEMPLATES).glob("*.png"):
        yield path, "template"


def _inside(folder: Path, name: str) -> bool:
    """Whether `name` is a file of ours, and not what a torn line happens to spell."""
    is_picture = name.startswith(f"{IMAGES}/") and name.count("/") == 3 and name.endswith(".png")
    return is_picture and ".." not in name and (folder / name).is_file()


@contextlib.contextmanager
def _closing_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error) and is_damage(error):
            raise DamagedError(str(error)) from error
        raise
