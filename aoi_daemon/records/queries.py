"""Questions to the records, each one short read. Times are UTC in Unix seconds, from `since` until before `until`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.messages import Proof
from aoi_daemon.records.figures import counts, filling, latency, pareto, rejects_per_hour, shift
from aoi_daemon.records.rows import Defect, Event, Gap, Image, Part, Review

__all__ = [
    "NEVER",
    "Only",
    "counts",
    "events",
    "events_after",
    "gaps",
    "images_of",
    "judged_before_proof",
    "latency",
    "pareto",
    "part",
    "part_by_uid",
    "part_ids",
    "parts_after",
    "parts_of",
    "rejects",
    "rejects_per_hour",
    "review_of",
    "shift",
]

NEVER: Final = 1e12
"""As `until`: no end."""

_PART: Final = """
SELECT p.id, r.run, r.line, p.part, p.at, p.camera, p.fov, p.sequence, d.recipe_id, d.recipe, d.bundle, d.classes,
       d.px_per_mm, p.passed, p.reason, p.defect_count, p.worst_class, p.offset_x, p.offset_y, p.trigger_ns,
       p.ready_ns, p.deadline_ns, p.picked_ns, p.inferred_ns, p.judged_ns, p.sent_ns, p.answered_ns,
       p.latency_ms, p.delivered, p.missed, p.trigger_id, p.bypassed, p.proof, p.view,
       (SELECT file FROM images i WHERE i.part_id = p.id AND i.kind = 'frame'
        AND i.camera = p.camera LIMIT 1) AS image,
       (SELECT file FROM images i WHERE i.part_id = p.id AND i.kind = 'template'
        AND i.camera = p.camera LIMIT 1) AS template,
       v.at AS review_at, v.by AS review_by, v.verdict AS review_verdict, v.note AS review_note
FROM parts p JOIN runs r ON r.id = p.run_id JOIN products d ON d.id = p.product_id
LEFT JOIN reviews v ON v.part_id = p.id
"""
# From the list of those without a review: however many were reviewed before, the next one is as near.
_OPEN: Final = f"""{_PART.replace("FROM parts p", "FROM open_rejects o CROSS JOIN parts p ON p.id = o.part_id")}
WHERE o.at >= ? AND o.at < ? AND (o.at, o.part_id) < (?, ?) ORDER BY o.at DESC, o.part_id DESC LIMIT ?"""
# A tuple, as the index of rejects has it: a page further costs no more than the first.
_REJECTS: Final = f"""{_PART}
WHERE p.passed = 0 AND p.at >= ? AND p.at < ? AND (p.at, p.id) < (?, ?) {{}} ORDER BY p.at DESC, p.id DESC LIMIT ?"""
_WITHOUT_REVIEW: Final = "AND v.part_id IS NULL"
_EVENT: Final = "SELECT e.id, r.run, e.number, e.at, e.kind, e.body FROM events e JOIN runs r ON r.id = e.run_id"

Only = Literal["all", "rejects", "faults", "reviewed"]
"""Which parts: `faults` are rejects for another reason than a defect, `reviewed` those a person has looked at."""
# In each, `at` with all else that is asked for stands in an index: the rows themselves are not read.
_IDS: Final[dict[Only, str]] = {
    "all": "SELECT p.id FROM parts p WHERE p.at >= ? AND p.at < ?",
    "rejects": "SELECT p.id FROM parts p WHERE p.passed = 0 AND p.at >= ? AND p.at < ?",
    "faults": "SELECT p.id FROM parts p WHERE p.passed = 0 AND p.reason <> 'DEFECT' AND p.at >= ? AND p.at < ?",
    "reviewed": "SELECT p.id FROM parts p CROSS JOIN reviews v ON v.part_id = p.id "
    "WHERE p.passed = 0 AND p.at >= ? AND p.at < ?",
}
_LAST_PARTS: Final = 1000
_DIGITS: Final = 18
"""So many always fit SQLite's integers."""
_BOOLEANS: Final = ("passed", "delivered", "missed", "bypassed")
_REVIEW: Final = ("review_at", "review_by", "review_verdict", "review_note")


def parts_after(connection: sqlite3.Connection, part_id: int, limit: int) -> list[Part]:
    """Up to `limit` parts recorded after row `part_id` (0: from the first), oldest first."""
    return _parts(connection, f"{_PART} WHERE p.id > ? ORDER BY p.id LIMIT ?", (part_id, limit))


def part(connection: sqlite3.Connection, part_id: int) -> Part | None:
    """The part of row `part_id`; None where there is none (any more)."""
    found = _parts(connection, f"{_PART} WHERE p.id = ?", (part_id,))
    return found[0] if found else None


def part_by_uid(connection: sqlite3.Connection, uid: str) -> Part | None:
    """The part `RUN-PART`; None where there is none."""
    run, _, number = uid.rpartition("-")
    if not number.isdecimal() or len(number) > _DIGITS:
        return None
    found = _parts(connection, f"{_PART} WHERE r.run = ? AND p.part = ?", (run, int(number)))
    return found[0] if found else None


def rejects(
    connection: sqlite3.Connection, since: float, limit: int, before: tuple[float, int] | None = None,
    until: float = NEVER, *, unreviewed: bool = False,
) -> list[Part]:  # fmt: skip
    """Up to `limit` rejected parts, newest first; `before` (`at` and `id` of the last one) turns the page.

    `unreviewed`: only those that no person has looked at.
    """
    values = (since, until, *(before or (until, 0)), limit)
    if not unreviewed:
        return _parts(connection, _REJECTS.format(""), values)
    if filling(connection):
        return _parts(connection, _REJECTS.format(_WITHOUT_REVIEW), values)
    return _parts(connection, _OPEN, values)


def part_ids(connection: sqlite3.Connection, since: float, until: float, only: Only = "all") -> NDArray[np.int64]:
    """The rows of the parts of a time, in order of recording: 8 bytes a part, for walking over many with `parts_of`."""
    rows = connection.execute(_IDS[only], (since, until))
    found = np.fromiter((row[0] for row in rows), np.int64)
    found.sort()  # the clock may have been set back between two parts
    return found


def parts_of(connection: sqlite3.Connection, ids: Sequence[int]) -> list[Part]:
    """The parts of rows `ids` (ascending) that are there still."""
    query = f"{_PART} WHERE p.id IN (SELECT value FROM json_each(?)) ORDER BY p.id"
    return _parts(connection, query, (json.dumps(list(ids)),))


def judged_before_proof(connection: sqlite3.Connection, recipe_id: int) -> bool:
    """Whether this recipe judged some of the last parts, all of them before the proof was kept with parts.

    One that has a proof says that a version which asks for it has run with this recipe: no upgrade any more.
    """
    found = connection.execute(
        "SELECT count(*) > 0 AND count(p.proof) = 0 "
        "FROM (SELECT product_id, proof FROM parts ORDER BY id DESC LIMIT ?) p "
        "JOIN products d ON d.id = p.product_id WHERE d.recipe_id = ?",
        (_LAST_PARTS, recipe_id),
    )
    return bool(found.fetchone()[0])


def review_of(connection: sqlite3.Connection, part_id: int) -> Review | None:
    """What stands of part `part_id`; None: no person has said anything, or it was taken back."""
    found = connection.execute("SELECT at, by, verdict, note FROM reviews WHERE part_id = ?", (part_id,)).fetchone()
    return None if found is None else Review(*found)


def images_of(connection: sqlite3.Connection, part_id: int) -> list[Image]:
    """The pictures of part `part_id`: its frame, its template, then those around it in order of time."""
    rows = connection.execute(
        "SELECT id, part_id, around_id, at, camera, kind, why, cause, file, bytes, width_px, height_px FROM images "
        "WHERE part_id = ?1 OR around_id = ?1 "
        "ORDER BY CASE WHEN part_id IS ?1 THEN CASE kind WHEN 'frame' THEN 0 WHEN 'template' THEN 1 ELSE 2 END "
        "ELSE 3 END, at, id",
        (part_id,),
    )
    return [Image(*row) for row in rows]


def events(
    connection: sqlite3.Connection, kind: str, since: float, limit: int, until: float = NEVER, *, but_run: str = ""
) -> list[Event]:
    """Up to `limit` events of `kind`, newest first; `but_run`: none of this run."""
    rows = connection.execute(
        f"{_EVENT} WHERE e.kind = ? AND e.at >= ? AND e.at < ? "
        "AND e.run_id IS NOT (SELECT id FROM runs WHERE run = ?) ORDER BY e.at DESC, e.id DESC LIMIT ?",
        (kind, since, until, but_run, limit),
    )
    return [_event(row) for row in rows]


def events_after(connection: sqlite3.Connection, event_id: int, limit: int) -> list[Event]:
    """Up to `limit` events recorded after row `event_id` (0: from the first), oldest first."""
    rows = connection.execute(
        f"{_EVENT} WHERE e.id > ? ORDER BY e.id LIMIT ?",
        (event_id, limit),
    )
    return [_event(row) for row in rows]


def gaps(connection: sqlite3.Connection, since: float, until: float = NEVER) -> list[Gap]:
    """What was lost, oldest first."""
    rows = connection.execute(
        "SELECT r.run, g.what, g.first_part, g.last_part, g.parts, g.at, g.why FROM gaps g "
        "JOIN runs r ON r.id = g.run_id WHERE g.at >= ? AND g.at < ? ORDER BY g.id",
        (since, until),
    )
    return [Gap(*row) for row in rows]


def _event(row: Sequence[Any]) -> Event:
    event_id, run, number, at, kind, body = row
    return Event(event_id, run, number, at, kind, json.loads(body))


def _parts(connection: sqlite3.Connection, query: str, values: Sequence[Any]) -> list[Part]:
    cursor = connection.execute(query, values)
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    defects = _defects(connection, [row["id"] for row in rows if row["defect_count"]])
    return [_part(row, tuple(defects.get(row["id"], ()))) for row in rows]


def _part(row: dict[str, Any], defects: tuple[Defect, ...]) -> Part:
    at, by, verdict, note = (row.pop(name) for name in _REVIEW)
    for name in _BOOLEANS:
        row[name] = bool(row[name])
    row["classes"] = _classes(row["classes"])
    row["proof"] = None if row["proof"] is None else Proof(row["proof"]).name.lower()
    review = None if verdict is None else Review(at, by, verdict, note)
    return Part(uid=f"{row['run']}-{row['part']}", review=review, defects=defects, **row)


@lru_cache(maxsize=64)
def _classes(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _defects(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, list[Defect]]:
    found: dict[int, list[Defect]] = {}
    for start in range(0, len(ids), 500):  # below SQLite's least limit of parameters
        some = ids[start : start + 500]
        rows = connection.execute(
            "SELECT part_id, class, score, x1, y1, x2, y2 FROM defects "
            f"WHERE part_id IN ({', '.join('?' * len(some))}) ORDER BY part_id, number",
            some,
        )
        for part_id, *values in rows:
            found.setdefault(part_id, []).append(Defect(*values))
    return found
