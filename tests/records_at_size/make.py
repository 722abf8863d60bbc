"""Write records of any size, as a recorder would have left them, in the product's own schema or in that of version 1."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from aoi_daemon.records import parts as write
from aoi_daemon.records.database import DATABASE, open_writer, writing
from aoi_daemon.records.fills import Filling
from aoi_daemon.records.schema import APPLICATION_ID
from tests.processes.recorder_feed import write_config

TAKT_S: Final = 0.05
RUN_PARTS: Final = 400_000
"""The daemon is started anew so often; the first run is drawn, the others repeat it later."""
CLASSES: Final = ("open", "short", "mousebite", "spur", "copper", "pin-hole")
ALL_REVIEWED: Final = 5000
"""So many of the newest rejects have a review, all of them: the next one without is far."""
_BATCH: Final = 20_000
_FILES: Final = 1000
"""The newest pictures are there as files: a recorder looks for them when it starts."""
_OLD_SCHEMA: Final = Path(__file__).parents[1] / "unit" / "records" / "schema_1.sql"
_OLD_COLUMNS: Final = 24
_MS: Final = 1_000_000


def make(where: Path, parts: int, *, until: float, version: int | None = None, seed: int = 1) -> Path:
    """A line's folder with `parts` parts in its records, the newest recorded at `until` (Unix seconds); the records.

    Args:
        where: is made; `line.toml` and `records/` come to lie in it.
        parts: at a takt of 50 ms; one in thirty a reject, two in three of those with a review.
        until: when the last part was recorded.
        version: 1 for the schema of version 1, None for today's.
        seed: of all that is drawn.
    """
    where.mkdir(parents=True, exist_ok=True)
    write_config(where)
    folder = where / "records"
    with closing(_opened(folder, version)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        with writing(connection):
            for number, recipe in enumerate(("board-a", "board-b", "board-c"), 1):
                product = write.Product(number, recipe, f"{number:016x}", CLASSES, 20.0)
                write.product_id(connection, product)
        triggers = _without_triggers(connection)
        for block, first in enumerate(range(0, parts, RUN_PARTS)):
            _show(first, parts)
            count = min(RUN_PARTS, parts - first)
            with writing(connection):
                if block == 0:
                    for query, rows in _block(count, until - (parts - count) * TAKT_S, seed, old=version == 1):
                        connection.executemany(query, rows)
                else:
                    _repeat(connection, block, count)
        with writing(connection):
            _review_newest(connection, parts)
            for trigger in triggers:
                connection.execute(trigger)
            if version is None:
                connection.execute(
                    "INSERT INTO fills VALUES ('figures', ?1, ?1), ('seen', ?1, ?1)", (parts + 1,)
                )
        _show(parts, parts)
        if version is None:
            filling = Filling(connection)
            while filling.bite():
                pass
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        _pictures(connection, folder)
    return folder


def _show(done: int, parts: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done}/{parts} parts" + ("\n" if done == parts else ""))


def _without_triggers(connection: sqlite3.Connection) -> list[str]:
    """Drop the triggers, which would cost the most of the time; what makes them again. Their work is `Filling`'s then."""
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in found:
        connection.execute(f"DROP TRIGGER {name}")
    return [sql for _, sql in found]


def _repeat(connection: sqlite3.Connection, block: int, count: int) -> None:
    """The first block's rows once more, as those of run `block + 1`: at the speed of SQLite, not of Python."""
    on, later = block * RUN_PARTS, block * RUN_PARTS * TAKT_S
    connection.execute(
        "INSERT INTO runs SELECT id + ?, printf('%032x', id + ?), line, at + ? FROM runs WHERE id = 1", (block, block, later)
    )
    changed = {
        "id": f"id + {on}", "run_id": f"run_id + {block}", "at": f"at + {later}",
        "product_id": f"(id + {on}) / {RUN_PARTS * 4} % 3 + 1", "part_id": f"part_id + {on}",
    }  # fmt: skip
    for table, where in (
        ("parts", "id"), ("defects", "part_id"), ("images", "part_id"), ("reviews", "part_id"), ("review_log", "part_id"),
        ("events", "number * 200"), ("gaps", "last_part"),
    ):  # fmt: skip
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        if table not in ("parts", "reviews"):
            columns = [name for name in columns if name != "id"]
        values = [changed.get(name, name) for name in columns]
        if table == "images":
            stamp = f"strftime('%Y-%m-%d/%H', at + {later}, 'unixepoch')"
            frame = f"'images/' || {stamp} || printf('/%08x-%08d-top.png', {block + 1}, part_id)"
            values[columns.index("file")] = f"CASE kind WHEN 'frame' THEN {frame} ELSE file END"
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table} "
            f"WHERE {where} BETWEEN 1 AND {count} {'AND run_id = 1' if 'run_id' in columns else ''}"
        )


def _review_newest(connection: sqlite3.Connection, parts: int) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO reviews SELECT id, at + 600, 'anna (operator)', 'false_call', '' FROM "
        "(SELECT id, at FROM parts WHERE NOT passed AND id > ? ORDER BY id DESC LIMIT ?)",
        (parts // 2, ALL_REVIEWED),
    )


def _opened(folder: Path, version: int | None) -> sqlite3.Connection:
    if version is None:
        return open_writer(folder, create=True)
    folder.mkdir(parents=True, exist_ok=True)
    made = sqlite3.connect(folder / DATABASE, isolation_level=None)
    made.execute("PRAGMA auto_vacuum = INCREMENTAL")
    made.execute("PRAGMA journal_mode = WAL")
    made.executescript(_OLD_SCHEMA.read_text())
    made.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    made.execute("PRAGMA user_version = 1")
    return made


def _block(parts: int, until: float, seed: int, *, old: bool) -> Iterator[tuple[str, list[Any]]]:
    """The first run, of which all later ones are made."""
    rng = np.random.default_rng(seed)
    columns = write._COLUMNS[:_OLD_COLUMNS] if old else write._COLUMNS
    insert = f"INSERT INTO parts (id, {', '.join(columns)}) VALUES ({', '.join('?' * (len(columns) + 1))})"
    events = 0
    for first in range(1, parts + 1, _BATCH):
        count = min(_BATCH, parts + 1 - first)
        ids = np.arange(first, first + count)
        reject = rng.random(count) < 1 / 30
        kind = rng.random(count)
        worst = rng.choice(len(CLASSES), count, p=(0.35, 0.25, 0.2, 0.1, 0.06, 0.04))
        took_ms = rng.gamma(6, 1.2, count).round(6) + 6
        defects = rng.integers(1, 4, count)
        reviewed = rng.random(count) < 2 / 3
        sampled = rng.random(count) < 0.001
        false = rng.random(count) < 0.3
        rows: dict[str, list[Any]] = {name: [] for name in ("runs", "parts", "defects", "images", "reviews", "log", "events", "gaps")}
        for n in range(count):
            id_ = int(ids[n])
            at = until - (parts - id_) * TAKT_S
            run, part = 1, id_
            if part == 1:
                rows["runs"].append((run, f"{run:032x}", "line-1", at))
                rows["gaps"].append((run, "rows", part, part, 1, at, "overwritten before they were read"))
            ready = part * 50 * _MS
            passed = not reject[n]
            defect = not passed and kind[n] < 0.85
            reason = "NONE" if passed else "DEFECT" if defect else "LATE" if kind[n] < 0.95 else "NO_IMAGE"
            delivered = kind[n] > 0.0005
            latency = float(took_ms[n]) if delivered else None
            name = CLASSES[worst[n]] if defect else None
            answered = ready + int(took_ms[n] * _MS) if delivered else 0
            values = (
                id_, run, part, at, "top", 0, part, 1, passed, reason,
                int(defects[n]) if defect else 0, name, 3, -2, ready - _MS, ready, ready + 50 * _MS, ready + _MS,
                ready + 6 * _MS, ready + 7 * _MS, ready + 7 * _MS, answered, latency, delivered, reason == "LATE",
                id_ % 65536, 0, 1, None,
            )  # fmt: skip
            rows["parts"].append(values[: len(columns) + 1])
            if defect:
                rows["defects"].extend(
                    (id_, number, name, 0.9, 10.0 * number, 10.0, 10.0 * number + 8, 22.0)
                    for number in range(1, int(defects[n]) + 1)
                )
            if not passed or sampled[n]:
                why = "sample" if passed else "reject" if defect else "fault"
                day = time.strftime("%Y-%m-%d/%H", time.gmtime(at))
                rows["images"].append((id_, at, "frame", why, f"images/{day}/{run:08x}-{part:08d}-top.png"))
                rows["images"].append((id_, at, "template", why, "templates/board.png"))
            if not passed and reviewed[n]:
                verdict = "false_call" if false[n] else "defect"
                rows["reviews"].append((id_, at + 600, "anna (operator)", verdict, ""))
                rows["log"].append((id_, at + 600, "anna (operator)", verdict, ""))
            if id_ % 200 == 0:
                events += 1
                rows["events"].append((run, events, at, *_event(events)))
        yield from [
            ("INSERT INTO runs VALUES (?, ?, ?, ?)", rows["runs"]),
            (insert, rows["parts"]),
            ("INSERT INTO defects VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows["defects"]),
            (
                "INSERT INTO images (part_id, at, camera, kind, why, cause, file, bytes, width_px, height_px) "
                "VALUES (?, ?, 'top', ?, ?, '', ?, 0, 64, 64)",
                rows["images"],
            ),
            ("INSERT INTO reviews VALUES (?, ?, ?, ?, ?)", rows["reviews"]),
            ("INSERT INTO review_log (part_id, at, by, verdict, note) VALUES (?, ?, ?, ?, ?)", rows["log"]),
            ("INSERT INTO events (run_id, number, at, kind, body) VALUES (?, ?, ?, ?, ?)", rows["events"]),
            (
                "INSERT INTO gaps (run_id, what, first_part, last_part, parts, at, why) VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows["gaps"],
            ),
        ]


def _event(number: int) -> tuple[str, str]:
    if number % 10 == 0:
        now = "STOPPED" if number % 20 else "RUNNING"
        return "line", json.dumps({"was": "RUNNING", "now": now, "because": "operator"})
    if number % 2:
        state = ("unacknowledged", "acknowledged", "normal")[number // 2 % 3]
        return "alarm", json.dumps({"name": "OPTICS", "state": state, "was": "normal", "priority": "MEDIUM"})
    return "audit", json.dumps({"what": "config", "by": "anna", "ok": True, "detail": "takt_ms 50.0 -> 50.0"})


def _pictures(connection: sqlite3.Connection, folder: Path) -> None:
    """The newest pictures as files, and their sizes in their rows."""
    noise = np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)
    png = cv2.imencode(".png", noise)[1].tobytes()
    newest = connection.execute("SELECT id, file FROM images ORDER BY id DESC LIMIT ?", (2 * _FILES,)).fetchall()
    for _, file in newest:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(png)
    with writing(connection):
        connection.executemany("UPDATE images SET bytes = ? WHERE id = ?", ((len(png), row) for row, _ in newest))
