"""Open what a power cut has left, as the daemon would, and say what is wrong with it."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from aoi_daemon.errors import AoiError, PictureError
from aoi_daemon.golden.manifest import read_golden
from aoi_daemon.hmi.access.users import read_users
from aoi_daemon.infer.trt.plan import SIDECAR
from aoi_daemon.pictures import read_picture
from aoi_daemon.publisher.cursor import CursorError, CursorFile
from aoi_daemon.recorder.mending import mend, open_whole
from aoi_daemon.supervisor.product import Kept
from tests.power.disk import Disk
from tests.power.recording import Recording


@dataclass
class Confirmed:
    """What was confirmed up to a point of the log, from its marks."""

    parts: int = 0
    events: int = 0
    reviews: list[int] = field(default_factory=list)
    files: dict[str, list[str]] = field(default_factory=dict)
    """What each file may hold: the hash that was confirmed last, and "" once something else has been begun."""
    plans: dict[str, int] = field(default_factory=dict)

    def add(self, mark: dict[str, Any]) -> None:
        if "parts" in mark:
            self.parts, self.events = max(self.parts, mark["parts"]), max(self.events, mark["events"])
        elif "review" in mark:
            self.reviews.append(mark["review"])
        elif "begun" in mark:
            self.files.setdefault(mark["begun"], []).append("")
        elif "done" in mark:
            self.files[mark["done"]] = [mark["sha256"]]
        elif "plan" in mark:
            self.plans[mark["plan"]] = mark["number"]


def put(folder: Path, disk: Disk, rng: random.Random) -> None:
    """Make `folder` what the disk may hold."""
    shutil.rmtree(folder, ignore_errors=True)
    files, folders = disk.after_cut(rng)
    for name in ("", *sorted(folders)):
        (folder / name).mkdir(parents=True)
    for name, (content, mode) in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(mode)


def problems(folder: Path, confirmed: Confirmed, recording: Recording) -> Iterator[str]:
    """What is not there though it was confirmed, or is not complete."""
    for name, allowed in confirmed.files.items():
        yield from _file(folder / name, name, allowed)
    yield from _readable(folder)
    for name, number in confirmed.plans.items():
        plan = folder / name
        sidecar = plan.with_name(plan.name + SIDECAR)
        # A later one may have begun to take its place: then there is no sidecar, and the plan is not used.
        if sidecar.exists() and f'"number": {number}' in sidecar.read_text() and set(plan.read_bytes()) != {number % 256}:
            yield f"{name}: is not the plan that its sidecar says"
        if number == max(confirmed.plans.values()) and not plan.exists():
            yield f"{name}: is gone"
    if confirmed.parts or (folder / "records").exists():
        yield from _records(folder / "records", confirmed, recording)


def _file(file: Path, name: str, allowed: list[str]) -> Iterator[str]:
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except FileNotFoundError:
        found = ""
    if found not in allowed and "" not in allowed:
        yield f"{name}: {'is gone' if not found else 'is not what was confirmed'}"


def _readable(folder: Path) -> Iterator[str]:
    """Whole, whatever version it is."""
    try:
        read_users(folder / "users.toml")
        golden = read_golden(folder / "recipes" / "spare.golden") if (folder / "recipes" / "spare.golden").is_dir() else None
        for part in golden.parts if golden else ():
            raw = (folder / "recipes" / "spare.golden" / part.image).read_bytes()
            if hashlib.sha256(raw).hexdigest() != part.sha256:
                yield f"golden part {part.image}: is not complete"
    except (AoiError, OSError) as error:
        yield str(error)
    for file in (folder / "state").glob("*.product"):
        if file.name.startswith("."):
            continue
        try:
            Kept.model_validate_json(file.read_bytes())
        except ValueError as error:
            yield f"{file.name}: {error}"
    notes = folder / "notes.toml"
    if notes.exists() and len(set(notes.read_text().splitlines())) != 1:
        yield "notes.toml: is not complete"


def _records(records: Path, confirmed: Confirmed, recording: Recording) -> Iterator[str]:
    log = Mock()
    try:
        connection, aside = open_whole(records, log, check=True)
    except Exception as error:  # noqa: BLE001  the records would not open: that is what is looked for
        yield f"records: {error!r}"
        return
    with closing(connection):
        if aside:
            yield f"records: {aside}: {log.mock_calls}"
        mend(connection, records, log)
        (whole,) = connection.execute("PRAGMA integrity_check").fetchone()
        if whole != "ok" or connection.execute("PRAGMA foreign_key_check").fetchall():
            yield f"records: integrity_check: {whole}"
        found = {row[0]: row for row in connection.execute("SELECT * FROM parts")}
        if lost := [part for part in range(1, confirmed.parts + 1) if part not in found]:
            yield f"records: {len(lost)} confirmed rows are gone, the first is {lost[0]} of {confirmed.parts}"
        if any(recording.parts.get(part) != row for part, row in found.items()):
            yield "records: a row is not what was recorded"
        (events,) = connection.execute("SELECT count(*) FROM events WHERE id <= ?", (confirmed.events,)).fetchone()
        if events != confirmed.events:
            yield f"records: {confirmed.events - events} confirmed events are gone"
        reviewed = {part for (part,) in connection.execute("SELECT part_id FROM reviews")}
        if gone := set(confirmed.reviews) - reviewed:
            yield f"records: confirmed reviews of {sorted(gone)} are gone"
        yield from _pictures(connection, records)
    try:
        with CursorFile(records) as cursor:
            at = cursor.read("results")
            if at is not None and at.id > max(found, default=0):
                yield f"publisher: has published {at.id} rows, and there are {max(found, default=0)}"
    except CursorError as error:
        yield str(error)
    if list(records.glob("publisher.sqlite.damaged*")):
        yield "publisher: the cursor was damaged"


def _pictures(connection: Any, records: Path) -> Iterator[str]:
    """Each picture that a row names is there and whole; each reject has one, or a gap says why not."""
    for (name,) in connection.execute("SELECT DISTINCT file FROM images"):
        try:
            read_picture(records / name, 1)
        except (PictureError, OSError) as error:
            yield f"picture {name}: {error}"
    missing = connection.execute(
        "SELECT p.id FROM parts p WHERE NOT p.passed AND p.worst_class IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM images i WHERE i.part_id = p.id AND i.kind <> 'template') AND NOT EXISTS (SELECT 1 FROM gaps g "
        "WHERE g.run_id = p.run_id AND g.what = 'images' AND p.part BETWEEN g.first_part AND g.last_part) "
        # The newest wait for their pictures, which are written after them.
        "AND EXISTS (SELECT 1 FROM images i WHERE i.part_id > p.id)"
    ).fetchall()
    if missing:
        yield f"records: {len(missing)} rejects have no picture, and no gap says so: {missing[:5]}"

