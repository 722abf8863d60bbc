"""Find parts, newest first: a search looks for so long, says how far it has looked, and goes on from there.

Process: whoever asks, in a worker thread. Blocks: on the disk, for the time that it is given and one row more.

Each candidate is a row of the result, with whether it is wanted beside it: so the place that was reached is known to
the row whenever the time is over, and the next search begins behind it. What was recorded after the first one began is
not among them (`Place.top`). Pages joined are therefore what one search without an end would have found: no part is
left out, none comes twice.
"""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from aoi_daemon.records.figures import filling
from aoi_daemon.records.queries import NEVER, parts_of
from aoi_daemon.records.rows import Part
from aoi_daemon.records.schema_figures import SLOT_S

Reviewed = Literal["none", "any", "defect", "false_call"]
"""`none`: a reject that no person has looked at; `any`: one that a person has; else what that person said."""
ALWAYS: Final = -1e12
"""As `since`: no begin."""
_ASKED_OF_SLOTS: Final = ("recipe", "camera", "view", "reason", "name", "score_min", "score_max")
_NEWEST: Final = 1e300
"""Where a search begins: newer than all."""
_PRODUCTS: Final = "SELECT id FROM products WHERE recipe = :recipe"
_PLACE: Final = re.compile(r"(-?\d{1,17}(?:\.\d{1,17})?(?:e[+-]?\d{1,3})?)_(\d{1,18})_(\d{1,18})", re.ASCII)


@dataclass(frozen=True)
class Wanted:
    """What parts are asked for; None: whatever it is. Times are UTC in Unix seconds, `since` until before `until`.

    Attributes:
        part: its number in its run; with `run`, one part alone.
        run: the run of `part`.
        recipe: the product's name.
        name: a class; one of the recorded defects is of it.
        score_min, score_max: the score, 0..1, of a recorded defect: of class `name`, where that is given.
        camera, view: of the view that decided.
    """

    since: float = ALWAYS
    until: float = NEVER
    part: int | None = None
    run: str | None = None
    recipe: str | None = None
    passed: bool | None = None
    reason: str | None = None
    name: str | None = None
    camera: str | None = None
    view: str | None = None
    review: Reviewed | None = None
    score_min: float | None = None
    score_max: float | None = None

    @property
    def of_defects(self) -> bool:
        """Whether it asks for what a recorded defect is like."""
        return (self.name, self.score_min, self.score_max) != (None, None, None)

    @property
    def rejects_alone(self) -> bool:
        """Whether only a reject can be wanted: a part that passed has neither defects nor a review."""
        faulty = self.reason not in (None, "NONE")
        return self.passed is False or faulty or self.of_defects or self.review is not None


class Place(NamedTuple):
    """How far a search has come: all parts from (`at`, `id`) on were looked at, of those with an id up to `top`."""

    at: float
    id: int
    top: int

    def __str__(self) -> str:
        """As it stands in an address."""
        return f"{self.at!r}_{self.id}_{self.top}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        """The inverse of `str`; None for what is no place."""
        found = _PLACE.fullmatch(text)
        if found is None or not math.isfinite(float(found[1])):
            return None
        return cls(float(found[1]), int(found[2]), int(found[3]))


@dataclass(frozen=True)
class Found:
    """One page of a search, newest first. `place` is where it goes on; None: all there are were looked at.

    `searched_to`: parts of this time and newer were looked at (Unix seconds), None: no candidate was met.
    `full`: it ended because the page was full, and not because the time was over.
    """

    parts: list[Part]
    place: Place | None
    searched_to: float | None
    full: bool


def search(
    connection: sqlite3.Connection, wanted: Wanted, limit: int, place: Place | None = None, *,
    for_s: float = 0.3, clock: Callable[[], float] = time.monotonic,
) -> Found:  # fmt: skip
    """Up to `limit` (at least 1) wanted parts behind `place`, looked for during `for_s` seconds of `clock`.

    At least one candidate is looked at, so that a search that goes on comes to its end.
    """
    end_s = clock() + for_s
    connection.execute("BEGIN")  # of one moment, figures and rows
    try:
        if place is None:
            (top,) = connection.execute("SELECT ifnull(max(id), 0) FROM parts").fetchone()
            place = Place(_NEWEST, 0, top)
        ids: list[int] = []
        at, id_, ended, full = place.at, place.id, True, False
        for at, id_, is_wanted in _candidates(connection, wanted, place):  # noqa: B007  # where it was when it ended
            if is_wanted:
                ids.append(id_)
                full = len(ids) >= limit
            if full or clock() >= end_s:
                ended = False
                break
        by_id = {part.id: part for part in parts_of(connection, sorted(ids))}
    finally:
        connection.execute("ROLLBACK")
    went_on = None if ended else Place(at, id_, place.top)
    return Found([by_id[each] for each in ids], went_on, at if at < _NEWEST else None, full)


def _candidates(
    connection: sqlite3.Connection, wanted: Wanted, place: Place
) -> Iterator[tuple[float, int, bool]]:
    """(at, id, whether it is wanted) of what is looked at, newest first, behind `place`."""
    filled = not filling(connection)
    query, values = _query(wanted, filled=filled)
    values |= {"place_at": place.at, "place_id": place.id, "top": place.top}
    # Without the next float, parts of the very moment of the place would be left out.
    until = min(wanted.until, math.nextafter(place.at, math.inf))
    for begin, end in _spans(connection, wanted, until, filled=filled):
        rows = connection.execute(query, values | {"since": begin, "until": end})
        try:
            yield from rows
        finally:
            rows.close()


def _query(wanted: Wanted, *, filled: bool) -> tuple[str, dict[str, Any]]:
    """What lists the candidates, from the smallest list that holds all that is wanted, and its values."""
    key, listed = "p.at, p.id", "parts p WHERE"
    if wanted.part is not None:
        its = "p.run_id = r.id AND p.part = :part"
        listed = f"runs r CROSS JOIN parts p ON {its} WHERE (:run IS NULL OR r.run = :run) AND"
    elif wanted.review == "none" and filled:
        # However many were reviewed before it, the next one is as near.
        key, listed = "o.at, o.part_id", "open_rejects o CROSS JOIN parts p ON p.id = o.part_id WHERE"
    elif wanted.rejects_alone:
        listed = "parts p WHERE p.passed = 0 AND"
    at = key.partition(",")[0]
    conditions, values = _conditions(wanted)
    return (
        f"SELECT {key}, {' AND '.join(conditions)} FROM {listed} {at} >= :since AND {at} < :until "
        f"AND ({key}) < (:place_at, :place_id) ORDER BY {at} DESC, {key.partition(', ')[2]} DESC",
        values | {"part": wanted.part, "run": wanted.run},
    )


def _conditions(wanted: Wanted) -> tuple[list[str], dict[str, Any]]:
    """When a candidate is wanted, what costs least first, and the values."""
    conditions, values = ["p.id <= :top"], {}
    for column in ("passed", "reason", "camera", "view"):
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(f"p.{column} = :{column}")
            values[column] = value
    if wanted.review is not None or wanted.of_defects:
        conditions.append("NOT p.passed")
    if wanted.recipe is not None:
        conditions.append(f"p.product_id IN ({_PRODUCTS})")
        values["recipe"] = wanted.recipe
    if wanted.review is not None:
        verdict = "" if wanted.review in ("none", "any") else " AND v.verdict = :verdict"
        there = f"EXISTS (SELECT 1 FROM reviews v WHERE v.part_id = p.id{verdict})"
        conditions.append(f"NOT {there}" if wanted.review == "none" else there)
        values["verdict"] = wanted.review
    if wanted.of_defects:
        like = ["d.part_id = p.id"]
        for value, condition, name in (
            (wanted.name, "d.class = :name", "name"),
            (wanted.score_min, "d.score >= :score_min", "score_min"),
            (wanted.score_max, "d.score <= :score_max", "score_max"),
        ):
            if value is not None:
                like.append(condition)
                values[name] = value
        conditions.append(f"EXISTS (SELECT 1 FROM defects d WHERE {' AND '.join(like)})")
    return conditions, values


def _spans(
    connection: sqlite3.Connection, wanted: Wanted, until: float, *, filled: bool
) -> list[tuple[float, float]]:
    """The times in which there can be a wanted part, newest first, by what is kept of each quarter of an hour."""
    slots = _by_figures(wanted) if filled else []
    slots += [] if filling(connection, "seen") else _by_seen(wanted)
    if not slots or wanted.part is not None:
        return [(wanted.since, until)] if wanted.since < until else []
    values = {name: getattr(wanted, name) for name in _ASKED_OF_SLOTS}
    values["first"] = max(math.floor(wanted.since / SLOT_S) - 2, -(1 << 53))
    values["last"] = min(math.ceil(until / SLOT_S) + 1, 1 << 53)
    query = " INTERSECT ".join(f"SELECT slot FROM {each} AND slot BETWEEN :first AND :last" for each in slots)
    found: list[tuple[float, float]] = []
    for (slot,) in connection.execute(f"{query} ORDER BY slot DESC", values):
        # Wider than the slot: SQLite rounds towards 0, and a time just before a slot up into it. What does not
        # belong to it is looked at and not wanted.
        begin, end = max(wanted.since, (slot - (slot <= 0)) * SLOT_S - 1.0), min(until, (slot + 1) * SLOT_S + 1.0)
        if found and end >= found[-1][0]:
            found[-1] = (min(begin, found[-1][0]), found[-1][1])
        elif begin < end:
            found.append((begin, end))
    return found


def _by_figures(wanted: Wanted) -> list[str]:
    """Which rows of the kept figures have a wanted part."""
    slots: list[str] = []
    if wanted.recipe is not None:
        slots.append(f"part_figures WHERE product_id IN ({_PRODUCTS})")
    if wanted.review in ("any", "defect", "false_call"):
        counted = {"any": "false_calls + confirmed", "defect": "confirmed", "false_call": "false_calls"}[wanted.review]
        slots.append(f"reject_figures WHERE {counted} > 0")
    return slots


def _by_seen(wanted: Wanted) -> list[str]:
    """Which rows of `seen` have a wanted part."""
    slots = [f"seen WHERE what = '{name}' AND name = :{name}" for name in ("camera", "view") if getattr(wanted, name)]
    if wanted.reason not in (None, "NONE"):
        slots.append("seen WHERE what = 'reason' AND name = :reason")
    if wanted.of_defects:
        like = {"name": "name = :name", "score_min": "most >= :score_min", "score_max": "least <= :score_max"}
        conditions = [condition for name, condition in like.items() if getattr(wanted, name) is not None]
        slots.append(f"seen WHERE what = 'class' AND {' AND '.join(conditions)}")
    return slots
