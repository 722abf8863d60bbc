"""The records while they are open: what goes into one transaction, and the pictures before it.

Process: recorder, its disk thread. Blocks: on the disk. An error of the disk ends a session; nothing that was
handed in is forgotten by that, and the next one takes it from the inbox again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.recorder import RecorderSection
from aoi_daemon.errors import PictureError
from aoi_daemon.messages import Outcome
from aoi_daemon.pictures import read_picture
from aoi_daemon.recorder.inbox import KILLED, Job, Moment, Row
from aoi_daemon.recorder.mending import close_to_others, mend, open_whole
from aoi_daemon.recorder.pictures import Pictures, Written
from aoi_daemon.recorder.products import Products
from aoi_daemon.recorder.removed import Removed
from aoi_daemon.recorder.retention import Retention
from aoi_daemon.records import audit
from aoi_daemon.records import parts as write
from aoi_daemon.records.database import DATABASE, RecordsError, writing
from aoi_daemon.records.fills import Filling
from aoi_daemon.records.parts import Gap, Image

_RECENT_S: Final = 60.0
"""Whoever was killed is back within seconds; what has no picture for longer has lost it in another way."""


_HEAD_EVERY_S: Final = 3600.0
"""Between two heads of the audit in the log."""
_TABLES: Final = ("parts", "images", "events", "gaps")


class Line(NamedTuple):
    """What all parts of one recorder have in common."""

    run: str
    name: str
    cameras: tuple[str, ...]


class Filed(NamedTuple):
    """A picture that is in place and not yet in the database: as a row, and the parts that it belongs to."""

    image: Image
    part: int
    around: int


class Done(NamedTuple):
    """What a transaction brought: `new` rows, and those of `again` whose picture was in a killed process' hands."""

    new: list[Row]
    again: list[Row]


class Session:
    """One opening of the records in `folder`.

    `last_part` is the last that is in the database, or known to be lost; `aside` is the name under which a
    damaged database was kept.
    """

    def __init__(
        self, folder: Path, section: RecorderSection, line: Line, products: Products, log: Any, *,
        first: bool, now_s: float, removed: Removed | None = None,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._section = section
        self._line = line
        self._products = products
        self._log = log
        self._connection, self.aside = open_whole(folder, log, check=first)
        try:
            close_to_others(folder, log)
            if first:
                mend(self._connection, folder, log, line.run)
            with writing(self._connection):
                self._run = write.run_id(self._connection, line.run, line.name, now_s)
            self.last_part, self._last_event = write.last_numbers(self._connection, line.run)
            # What was recorded by a former process of this run comes once more, from the ring.
            self._resumed_after = self.last_part if first else 0
            self._since_s = now_s - _RECENT_S
            self._product_rows: dict[write.Product, int] = {}
            self._templates: dict[Path, Written | None] = {}
            self.filling = Filling(self._connection)
            self.retention = Retention(self._connection, folder, section, removed=removed)
            self._file = _identity(folder / DATABASE)
            self._head, self._head_told_s = audit.Head(0, audit.BEGIN), -_HEAD_EVERY_S
            self._tell_head()
            # Last: it has a file open, too, which nobody would close.
            self._pictures = Pictures(folder, section.png_level)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the database and the list of pictures."""
        with contextlib.suppress(sqlite3.Error):
            self._tell_head()
        self._pictures.close()
        self._connection.close()

    def look(self) -> None:
        """Raise RecordsError where the folder is no longer the one that was opened."""
        if _identity(self._folder / DATABASE) != self._file:
            raise RecordsError(f"{self._folder / DATABASE}: is gone, or another file lies there; a new one is begun")

    def identity(self) -> str:
        """Which database this is: the first run that it has seen."""
        found = self._connection.execute("SELECT run FROM runs ORDER BY id LIMIT 1").fetchone()
        return str(found[0])

    def newest_rows(self) -> dict[str, int]:
        """The newest row of each table that grows; 0 where it is empty."""
        return self._rows("max")

    def oldest_rows(self) -> dict[str, int]:
        """The oldest row of each, likewise."""
        return self._rows("min")

    def newest_part_s(self) -> float | None:
        """The time of the newest part by row; None where there is none."""
        found = self._connection.execute("SELECT at FROM parts ORDER BY id DESC LIMIT 1").fetchone()
        return None if found is None else float(found[0])

    def _rows(self, which: str) -> dict[str, int]:
        return {
            table: int(self._connection.execute(f"SELECT ifnull({which}(id), 0) FROM {table}").fetchone()[0])
            for table in _TABLES
        }

    def forget_templates(self) -> None:
        """A recipe has changed, and with it perhaps its templates' files."""
        self._templates.clear()

    # -- pictures ------------------------------------------------------------

    def file(self, job: Job) -> list[Filed]:
        """Write the picture of `job`, and its template where it has one; [] where it is recorded already.

        Raises:
            OSError: the disk does not take it.
        """
        if job.part and job.part <= self._resumed_after and self._has_frame(job):
            return []
        frame, camera = job.frame, self._line.cameras[job.frame.camera]
        name = f"{job.part:08d}-{camera}" if job.part else f"{camera}-frame{frame.number:08d}"
        written = self._pictures.write(frame.image, f"{self._line.run[:8]}-{name}", job.at)
        image = Image(
            at=job.at, camera=camera, kind="context" if job.why == "around" else "frame", why=job.why,
            cause=job.cause, file=written.file, size_bytes=written.size_bytes, width_px=written.width_px,
            height_px=written.height_px,
        )  # fmt: skip
        found = [Filed(image, job.part, job.around)]
        try:
            template = self._template(job) if self._section.templates and job.part else None
        except OSError:
            (self._folder / written.file).unlink(missing_ok=True)
            raise
        if template is not None:
            held = replace(
                image, kind="template", file=template.file, size_bytes=template.size_bytes,
                width_px=template.width_px, height_px=template.height_px,
            )  # fmt: skip
            found.append(Filed(held, job.part, job.around))
        return found

    def _has_frame(self, job: Job) -> bool:
        part = write.part_id(self._connection, self._run, job.part)
        found = self._connection.execute(
            "SELECT 1 FROM images WHERE part_id = ? AND kind <> 'template' AND camera = ?",
            (part, self._line.cameras[job.frame.camera]),
        )
        return found.fetchone() is not None

    def _has_picture(self, part: int) -> bool:
        found = self._connection.execute(
            "SELECT 1 FROM images i JOIN parts p ON p.id = i.part_id WHERE p.run_id = ?1 AND p.part = ?2 UNION ALL "
            "SELECT 1 FROM gaps WHERE run_id = ?1 AND what = 'images' AND ?2 BETWEEN first_part AND last_part",
            (self._run, part),
        )
        return found.fetchone() is not None

    def _template(self, job: Job) -> Written | None:
        own = job.frame.template
        if own is not None:
            return self._pictures.write_template(own)
        recipe = self._products.recipe(job.recipe, job.frame.camera, job.frame.fov)
        return None if recipe is None else self._recipe_template(recipe, job.frame.fov)

    def _recipe_template(self, recipe: Recipe, fov: int) -> Written | None:
        for template in recipe.templates:
            if template.fov == fov:
                if template.image not in self._templates:
                    try:
                        image = read_picture(template.image, recipe.channels, bits=template.bits)
                    except PictureError as error:
                        self._log.warning("template_not_kept", error=str(error))
                        self._templates[template.image] = None
                    else:
                        self._templates[template.image] = self._pictures.write_template(image)
                return self._templates[template.image]
        return None

    # -- the database --------------------------------------------------------

    def commit(
        self, rows: Sequence[Row], moments: Sequence[Moment], gaps: Sequence[Gap], filed: Sequence[Filed]
    ) -> Done:
        """Write all of it in one transaction. Parts and events that are there already are left."""
        done = Done([], [])
        last, last_event = self.last_part, self._last_event
        with writing(self._connection):
            for row in rows:
                number = row.outcome.part
                if number <= last:
                    if number > self._resumed_after:
                        self._gap("rows", number, number, row.at, "a second part of this number")
                    elif row.lost and row.at > self._since_s and not self._has_picture(number):
                        done.again.append(row._replace(lost=KILLED))
                    continue
                if number > last + 1:
                    why = "overwritten before they were read" if last else "from before this database was begun"
                    self._gap("rows", last + 1, number - 1, row.at, why)
                self._insert(row)
                last = number
                done.new.append(row)
            for moment in moments:
                event = moment.event
                if event.number > last_event:
                    write.insert_event(
                        self._connection, self._run, event.number, at=moment.at, kind=event.kind, body=event.body
                    )
                    last_event = event.number
            for gap in gaps:
                write.insert_gap(self._connection, self._run, gap)
            for each in filed:
                write.insert_image(
                    self._connection, each.image, part=self._row(each.part), around=self._row(each.around)
                )
        self.last_part, self._last_event = last, last_event
        if time.monotonic() - self._head_told_s >= _HEAD_EVERY_S and any(m.event.kind == audit.KIND for m in moments):
            self._tell_head()
        if filed:
            self._pictures.recorded()
        return done

    def _tell_head(self) -> None:
        """The audit's head into the log, which is another file, and often on another machine."""
        head = audit.head(self._connection)
        if head.n and head != self._head:
            self._head, self._head_told_s = head, time.monotonic()
            self._log.info("audit_head", row=head.n, hash=head.hash)

    def _insert(self, row: Row) -> None:
        outcome = row.outcome
        product = self._products.of(outcome)
        write.insert_part(
            self._connection, outcome, run=self._run, at=row.at, camera=self._camera(outcome), product=product,
            product_row=self._product(product), view=self._products.view(outcome),
        )  # fmt: skip

    def _camera(self, outcome: Outcome) -> str:
        return self._line.cameras[outcome.camera]

    def _product(self, product: write.Product) -> int:
        if product not in self._product_rows:
            self._product_rows[product] = write.product_id(self._connection, product)
        return self._product_rows[product]

    def _row(self, part: int) -> int | None:
        return write.part_id(self._connection, self._run, part) if part else None

    def _gap(self, what: write.What, first: int, last: int, at: float, why: str) -> None:
        write.insert_gap(self._connection, self._run, Gap(what, first, last, last - first + 1, at, why))


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
