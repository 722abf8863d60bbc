"""Write what became of parts: rows, pictures, events and gaps. Every function belongs inside `database.writing`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from aoi_daemon.messages import Outcome, Reason
from aoi_daemon.records import audit

ImageKind = Literal["frame", "template", "context"]
What = Literal["rows", "images"]
Why = Literal["reject", "fault", "sample", "around"]

_COLUMNS: Final = (
    "run_id", "part", "at", "camera", "fov", "sequence", "product_id", "passed", "reason", "defect_count",
    "worst_class", "offset_x", "offset_y", "trigger_ns", "ready_ns", "deadline_ns", "picked_ns", "inferred_ns",
    "judged_ns", "sent_ns", "answered_ns", "latency_ms", "delivered", "missed",
    "trigger_id", "bypassed", "proof", "view",
)  # fmt: skip
_INSERT_PART: Final = (
    f"INSERT INTO parts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    "ON CONFLICT (run_id, part) DO NOTHING"
)


@dataclass(frozen=True)
class Product:
    """What a part was judged by. `bundle`: 16 hex digits, or "" where no model had looked; `classes` in its order."""

    recipe_id: int
    recipe: str
    bundle: str
    classes: tuple[str, ...]
    px_per_mm: float

    def name_of(self, label: int) -> str | None:
        """The name of class index `label`; None for -1, and a number in words where the name is not known."""
        if label < 0:
            return None
        return self.classes[label] if label < len(self.classes) else f"class {label}"


@dataclass(frozen=True)
class Image:
    """A picture that has been written. `file` is relative to the records folder; `at` Unix seconds."""

    at: float
    camera: str
    kind: ImageKind
    why: Why
    cause: str
    file: str
    size_bytes: int
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Gap:
    """Of parts first to last, `parts` have no row (`rows`), or not the picture that they should have (`images`)."""

    what: What
    first_part: int
    last_part: int
    parts: int
    at: float
    why: str


def run_id(connection: sqlite3.Connection, run: str, line: str, at: float) -> int:
    """The row of `run`, made at the first call."""
    connection.execute(
        "INSERT INTO runs (run, line, at) VALUES (?, ?, ?) ON CONFLICT (run) DO NOTHING", (run, line, at)
    )
    return _id(connection, "SELECT id FROM runs WHERE run = ?", (run,))


def product_id(connection: sqlite3.Connection, product: Product) -> int:
    """The row of `product`, made at the first call."""
    values = (product.recipe_id, product.recipe, product.bundle, json.dumps(product.classes), product.px_per_mm)
    connection.execute(
        "INSERT INTO products (recipe_id, recipe, bundle, classes, px_per_mm) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        values,
    )
    return _id(
        connection,
        "SELECT id FROM products WHERE (recipe_id, recipe, bundle, classes, px_per_mm) = (?, ?, ?, ?, ?)",
        values,
    )


def insert_part(
    connection: sqlite3.Connection,
    outcome: Outcome,
    *,
    run: int,
    at: float,
    camera: str,
    product: Product,
    product_row: int,
    view: str | None = None,
) -> int | None:
    """Write one part with its defects; the row's id, or None where this run has that number already.

    Args:
        connection: inside a transaction.
        outcome: as it came from the verdict ring.
        run: from `run_id`.
        at: of the verdict, Unix seconds.
        camera: the name of camera number `outcome.camera`.
        product: what it was judged by.
        product_row: from `product_id`.
        view: name of the one that decided; None: the recipe names no views.
    """
    delivered = outcome.answered_ns != 0
    latency_ms = (outcome.answered_ns - outcome.ready_ns) / 1e6 if delivered else None
    done = connection.execute(
        _INSERT_PART,
        (
            run, outcome.part, at, camera, outcome.fov, outcome.sequence, product_row, outcome.passed,
            Reason(outcome.reason).name, outcome.defect_count, product.name_of(outcome.worst_class),
            outcome.offset_x, outcome.offset_y, outcome.trigger_ns, outcome.ready_ns, outcome.deadline_ns,
            outcome.picked_ns, outcome.inferred_ns, outcome.judged_ns, outcome.sent_ns, outcome.answered_ns,
            latency_ms, delivered, outcome.missed, outcome.trigger_id, outcome.bypassed,
            outcome.proof, view,
        ),
    )  # fmt: skip
    if not done.rowcount:
        return None
    row = done.lastrowid
    if outcome.defect_count:
        connection.executemany(
            "INSERT INTO defects VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (row, number, product.name_of(defect.label), *(round(value, 4) for value in defect[1:]))
                for number, defect in enumerate(outcome.found, 1)
            ),
        )
    return row


def part_id(connection: sqlite3.Connection, run: int, part: int) -> int | None:
    """The id of part number `part` of run row `run`; None where it has no row."""
    found = connection.execute("SELECT id FROM parts WHERE run_id = ? AND part = ?", (run, part)).fetchone()
    return None if found is None else int(found[0])


def insert_image(
    connection: sqlite3.Connection, image: Image, *, part: int | None = None, around: int | None = None
) -> None:
    """Write one picture; `part` and `around` are rows of parts."""
    connection.execute(
        "INSERT INTO images (part_id, around_id, at, camera, kind, why, cause, file, bytes, width_px, height_px) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            part, around, image.at, image.camera, image.kind, image.why, image.cause, image.file, image.size_bytes,
            image.width_px, image.height_px,
        ),
    )  # fmt: skip


def insert_event(
    connection: sqlite3.Connection, run: int, number: int, *, at: float, kind: str, body: Mapping[str, Any]
) -> None:
    """Write one event, an audit row with its link; a number that is there already is left."""
    done = connection.execute(
        "INSERT INTO events (run_id, number, at, kind, body) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (run_id, number) DO NOTHING",
        (run, number, at, kind, json.dumps(body, ensure_ascii=False)),
    )
    if kind == audit.KIND and done.rowcount and done.lastrowid is not None:
        audit.append(connection, done.lastrowid)


def insert_gap(connection: sqlite3.Connection, run: int, gap: Gap) -> None:
    """Write what was lost."""
    connection.execute(
        "INSERT INTO gaps (run_id, what, first_part, last_part, parts, at, why) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (run, gap.what, gap.first_part, gap.last_part, gap.parts, gap.at, gap.why),
    )


def last_numbers(connection: sqlite3.Connection, run: str) -> tuple[int, int]:
    """(part, event): the last of each that is recorded, or known to be lost, of `run`; 0 for none."""
    (part,) = connection.execute(
        "SELECT max(0, ifnull((SELECT max(part) FROM parts WHERE run_id = r.id), 0), "
        "ifnull((SELECT max(last_part) FROM gaps WHERE run_id = r.id AND what = 'rows'), 0)) FROM runs r WHERE run = ?",
        (run,),
    ).fetchone() or (0,)
    (event,) = connection.execute(
        "SELECT ifnull(max(number), 0) FROM events WHERE run_id = (SELECT id FROM runs WHERE run = ?)", (run,)
    ).fetchone()
    return int(part), int(event)


def _id(connection: sqlite3.Connection, query: str, values: Sequence[Any]) -> int:
    return int(connection.execute(query, values).fetchone()[0])
