"""Records that version 1 left, of any size; and the child that brings them forward and is ended in the midst of it.

    python -m tests.unit.records.old_records FOLDER SEED steps|bytes    # brings forward; ends itself, or its disk is full
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from aoi_daemon.records import database, fills
from aoi_daemon.records.schema import APPLICATION_ID

OLD = (Path(__file__).parent / "schema_1.sql").read_text()
NOON = 1_795_348_800.0
RUN = "f" * 32
MS = 1_000_000


def make(folder: Path, parts: int, seed: int = 1) -> None:
    """A folder of version 1 with `parts` parts, a tenth of them rejects, a third of those reviewed; rows removed in between."""
    rng = random.Random(seed)
    with closing(sqlite3.connect(folder / "records.sqlite", isolation_level=None)) as made:
        made.execute("PRAGMA auto_vacuum = INCREMENTAL")
        made.execute("PRAGMA journal_mode = WAL")
        made.executescript(OLD)
        made.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        made.execute("PRAGMA user_version = 1")
        made.execute("BEGIN")
        made.execute("INSERT INTO runs VALUES (1, ?, 'line-1', ?)", (RUN, NOON))
        for product in (1, 2):
            made.execute("INSERT INTO products VALUES (?, ?, ?, '', '[\"open\"]', 50.0)", (product, product, f"r{product}"))
        for part in range(1, parts + 1):
            # Clocks run backwards too.
            at = NOON + part * 7 - rng.choice((0, 0, 0, 4000))
            rejected = rng.random() < 0.1
            reason = rng.choice(("DEFECT", "DEFECT", "LATE")) if rejected else "NONE"
            worst = rng.choice(("open", "short")) if reason == "DEFECT" else None
            delivered = rng.random() < 0.95
            took_ms = round(rng.uniform(5, 40), 3) if delivered else None
            stamps = tuple(part * 50 * MS + n * MS for n in range(8))
            made.execute(
                f"INSERT INTO parts VALUES ({', '.join('?' * 25)})",
                (part, 1, part, at, "top", 0, part, rng.choice((1, 2)), not rejected, reason, int(worst is not None), worst,
                 0, 0, *stamps, took_ms, delivered, reason == "LATE"),
            )  # fmt: skip
            if worst:
                made.execute("INSERT INTO defects VALUES (?, 1, ?, 0.9, 1, 2, 3, 4)", (part, worst))
            if rejected and rng.random() < 0.33:
                verdict = rng.choice(("defect", "false_call"))
                made.execute("INSERT INTO reviews VALUES (?, ?, 'anna', ?, '')", (part, at, verdict))
            if rng.random() < 0.02:
                made.execute("INSERT INTO events (run_id, number, at, kind, body) VALUES (1, ?, ?, 'line', '{}')", (part, at))
        made.execute("DELETE FROM parts WHERE id % 10 = 3 AND id NOT IN (SELECT part_id FROM reviews)")
        made.execute("COMMIT")


def forward(folder: Path, bite: int = 50) -> None:
    """What the recorder does: open, and fill bite by bite."""
    with closing(database.open_writer(folder)) as connection:
        filling = fills.Filling(connection)
        filling._at_once = bite
        while filling.bite():
            filling._at_once = bite


def content(folder: Path) -> dict[str, list[tuple]]:
    """All rows of all tables."""
    with closing(sqlite3.connect(folder / "records.sqlite")) as raw:
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: sorted(raw.execute(f"SELECT * FROM {name}"), key=repr) for name in tables if name != "sqlite_sequence"}


def whole(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "records.sqlite")) as raw:
        return raw.execute("PRAGMA integrity_check").fetchone()[0]


def _end_after(steps: int) -> None:
    """End this process by SIGKILL after so many steps of SQLite's machine, on whatever connection, or pages copied."""
    left = [steps]
    connect = sqlite3.connect

    def one(*_: object) -> int:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    class Watched(sqlite3.Connection):
        def backup(self, target, **options):
            super().backup(target, pages=1, progress=one, **options)

    def watched(*arguments, **options):
        found = connect(*arguments, factory=Watched, **options)
        found.set_progress_handler(one, 20)
        return found

    sqlite3.connect = watched


if __name__ == "__main__":
    where, seed_, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    chosen = random.Random(seed_)
    if how == "steps":
        # Evenly over the orders of size: what comes first is as likely to be hit as what takes long.
        _end_after(int(10 ** chosen.uniform(0, 3.7)))
    else:
        most = (where / "records.sqlite").stat().st_size
        room = chosen.choice((chosen.randint(4096, most), most + chosen.randint(0, most // 4)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        forward(where)
    except (database.RecordsError, sqlite3.Error) as error:
        sys.exit(f"{error}")
