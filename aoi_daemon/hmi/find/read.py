"""Read what a search, or the page of one part, shows. Off the event loop: these wait for a disk.

Process: hmi, a worker thread.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aoi_daemon.hmi.find.asked import Asked
from aoi_daemon.hmi.pictures import LARGE_PX, recorded_jpeg
from aoi_daemon.records import queries
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.records.find import Found, search
from aoi_daemon.records.rows import Event, Image, Part, Review

AROUND_S: Final = 600.0
"""Audit entries so long before and after a part are shown with it."""
_MOST_AROUND: Final = 50
_MOST_TAPS: Final = 100


@dataclass(frozen=True)
class Known:
    """Names that the records know, to choose from."""

    recipes: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Detail:
    """All that is kept of one part. `images`: its own, frames first; `taps`: every review, also those replaced.

    `gap`: why its picture was lost, "" where that is not known. `audit`: what persons did around it, oldest first.
    """

    part: Part
    images: tuple[Image, ...]
    taps: tuple[Review, ...]
    gap: str
    audit: tuple[Event, ...]


def read_found(
    folder: Path, asked: Asked, limit: int, *, pictures: bool = True
) -> tuple[Found, list[Image | None]]:
    """A page of a search, with each part's frame where `pictures`. Raises RecordsError, sqlite3.Error."""
    with closing(open_reader(folder)) as connection:
        found = search(connection, asked.wanted, limit, asked.place)
        return found, [frame_of(connection, part) if pictures else None for part in found.parts]


def read_known(folder: Path) -> Known:
    """Names to choose from. Raises RecordsError, sqlite3.Error."""
    with closing(open_reader(folder)) as connection:
        rows = connection.execute("SELECT recipe, classes FROM products ORDER BY id DESC").fetchall()
    recipes = dict.fromkeys(recipe for recipe, _ in rows)
    classes = dict.fromkeys(name for _, text in rows for name in json.loads(text))
    return Known(tuple(recipes), tuple(classes))


def read_detail(folder: Path, uid: str) -> Detail | None:
    """All of the part `RUN-PART`; None where there is none (any more). Raises RecordsError, sqlite3.Error."""
    with closing(open_reader(folder)) as connection:
        connection.execute("BEGIN")  # the recorder may remove it meanwhile
        part = queries.part_by_uid(connection, uid)
        if part is None:
            return None
        images = tuple(image for image in queries.images_of(connection, part.id) if image.part_id == part.id)
        since, until = part.at - AROUND_S, part.at + AROUND_S
        around = queries.events(connection, "audit", since, _MOST_AROUND, until)
        return Detail(part, images, _taps(connection, part.id), _gap(connection, part), tuple(reversed(around)))


def read_picture_of(folder: Path, uid: str, image_id: int) -> bytes:
    """Picture `image_id` of the part `uid` as JPEG. Raises AoiError, sqlite3.Error."""
    with closing(open_reader(folder)) as connection:
        part = queries.part_by_uid(connection, uid)
        images = [] if part is None else queries.images_of(connection, part.id)
    file = next((image.file for image in images if image.id == image_id and part and image.part_id == part.id), None)
    if file is None:
        raise RecordsError(f"part {uid}: has no picture {image_id}")
    return recorded_jpeg(folder, file, LARGE_PX)


def frame_of(connection: sqlite3.Connection, part: Part) -> Image | None:
    """The frame of `part` that is shown small; None where none is kept."""
    images = queries.images_of(connection, part.id) if part.image else []
    return next((image for image in images if image.kind == "frame"), None)


def _taps(connection: sqlite3.Connection, part_id: int) -> tuple[Review, ...]:
    rows = connection.execute(
        "SELECT at, by, ifnull(verdict, ''), note FROM review_log WHERE part_id = ? ORDER BY id LIMIT ?",
        (part_id, _MOST_TAPS),
    )
    return tuple(Review(*row) for row in rows)


def _gap(connection: sqlite3.Connection, part: Part) -> str:
    found = connection.execute(
        "SELECT g.why FROM gaps g JOIN runs r ON r.id = g.run_id WHERE r.run = ? AND g.what = 'images' "
        "AND ? BETWEEN g.first_part AND g.last_part LIMIT 1",
        (part.run, part.part),
    ).fetchone()
    return "" if found is None else str(found[0])
