"""The figures that are kept are what a count of all rows says: whatever came, went, was reviewed, cut off or undone."""

from __future__ import annotations

import math
import random
import shutil
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.config.recorder import RecorderSection
from aoi_daemon.messages import Reason
from aoi_daemon.recorder.retention import Retention
from aoi_daemon.records import parts, queries
from aoi_daemon.records.database import DATABASE, open_reader, open_writer, writing
from aoi_daemon.records.reviews import review
from aoi_daemon.records.schema_figures import SLOT_S
from tests.unit.records.conftest import NOON, RUN, make_outcome

DAY_S = 86_400.0
PRODUCTS = tuple(parts.Product(number, f"r{number % 2}", "ab" * 8, ("open", "short"), 50.0) for number in range(3))
REASONS = (Reason.NONE, Reason.NONE, Reason.NONE, Reason.DEFECT, Reason.DEFECT, Reason.LATE)

# Borders of slots, and clocks that were wrong: years off, and one ulp before a border.
TIMES = (
    *(NOON + n * SLOT_S for n in range(12)),
    *(NOON + n * 777.7 for n in range(12)),
    1.0, NOON - 9 * 365 * DAY_S, NOON + 120 * DAY_S, math.nextafter(NOON + SLOT_S, 0.0),
)  # fmt: skip
STEPS = {"add": 12, "review": 8, "age": 1, "room": 1, "remove": 3, "change": 2, "undo": 1, "restart": 1, "cut": 1}
SPANS = 6


class Line:
    """Records, and what is done to them."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder = folder
        self.rng = rng
        self.number = 0
        self.open()

    def open(self) -> None:
        self.writer = open_writer(self.folder, create=True)
        with writing(self.writer):
            self.run = parts.run_id(self.writer, RUN, "line-1", NOON)
            self.products = [parts.product_id(self.writer, product) for product in PRODUCTS]

    def insert(self, at, reason, product, took_ns, delivered):
        self.number += 1
        outcome = make_outcome(self.number, reason)
        outcome = outcome._replace(answered_ns=outcome.ready_ns + took_ns if delivered else 0)
        parts.insert_part(
            self.writer, outcome, run=self.run, at=at, camera="top", product=PRODUCTS[product],
            product_row=self.products[product],
        )  # fmt: skip

    def add(self):
        with writing(self.writer):
            for _ in range(self.rng.randint(1, 4)):
                self.insert(
                    self.rng.choice(TIMES), self.rng.choice(REASONS), self.rng.randrange(3),
                    self.rng.randint(10**6, 6 * 10**7), self.rng.random() < 0.9,
                )  # fmt: skip

    def _one(self, where="1"):
        rows = self.writer.execute(f"SELECT id FROM parts WHERE {where} ORDER BY id").fetchall()
        return self.rng.choice(rows)[0] if rows else None

    def review(self):
        row = self._one("NOT passed")
        if row is not None:
            review(self.writer, row, self.rng.choice(("defect", "false_call", None)), by="anna", at=NOON)

    def _retention(self):
        section = RecorderSection(folder=self.folder, days_images=1, days_records=1, min_free_gb=0.0)
        return Retention(self.writer, self.folder, section)

    def age(self):
        retention = self._retention()
        retention._at_once = 3
        for _ in range(5):
            retention.bite(self.rng.choice(TIMES) + DAY_S)

    def room(self):
        retention = self._retention()
        retention._at_once = 3
        retention.make_room(self.rng.choice(TIMES) + DAY_S)

    def remove(self):
        """A person with `sqlite3`, a reviewed part too."""
        where = self.rng.choice(("1", "id IN (SELECT part_id FROM reviews)"))
        self.writer.execute("DELETE FROM parts WHERE id = ?", (self._one(where),))

    def change(self):
        """Likewise."""
        values = (self.rng.choice(TIMES), self.products[0], self._one())
        self.writer.execute("UPDATE parts SET at = ?, product_id = ? WHERE id = ?", values)

    def undo(self):
        """A transaction that fails at its end."""
        try:
            with writing(self.writer):
                for _ in range(3):
                    self.insert(NOON, Reason.DEFECT, 0, 10**7, True)
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    def restart(self):
        self.writer.close()
        self.open()

    def cut(self):
        """Killed in the midst of a transaction: what is on the disk is opened elsewhere."""
        self.writer.execute("BEGIN IMMEDIATE")
        self.insert(NOON, Reason.LATE, 1, 10**7, False)
        self.writer.execute("DELETE FROM parts WHERE id % 2")
        left = self.folder.with_name(f"{self.folder.name}-{self.number}")
        left.mkdir()
        for ending in ("", "-wal"):
            shutil.copy(self.folder / f"{DATABASE}{ending}", left / f"{DATABASE}{ending}")
        self.writer.execute("ROLLBACK")
        self.writer.close()
        self.folder = left
        self.open()


def figures(reader, since, until):
    """All that is told of a time; the order of equals is left open."""
    found = queries.shift(reader, since, until)
    return (found.counts, sorted(found.causes, key=repr), found.latency, found.recipes, queries.rejects_per_hour(reader, since, until))


def unreviewed(reader):
    seen, before = [], None
    while page := queries.rejects(reader, 0.0, 3, before, unreviewed=True):
        seen += [part.id for part in page]
        before = (page[-1].at, page[-1].id)
    return seen


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_the_kept_figures_are_what_a_count_says(seed):
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        line = Line(Path(folder) / "records", rng)
        for name in rng.choices(list(STEPS), list(STEPS.values()), k=60):
            getattr(line, name)()
        with closing(line.writer), closing(open_reader(line.folder)) as reader, closing(open_reader(line.folder)) as counting:
            # As for an older database that is read as it is: everything is counted.
            counting.executescript("CREATE TEMP VIEW fills AS SELECT 'figures' AS name, 0 AS below, 1 AS top")
            assert queries.filling(counting) and not queries.filling(reader)
            spans = [(0.0, queries.NEVER), *(sorted(rng.choices(TIMES, k=2)) for _ in range(SPANS))]
            for since, until in spans:
                kept, counted = figures(reader, since, until), figures(counting, since, until)
                # What was removed may have been the most of its step.
                assert 0 <= kept[2].max - counted[2].max < 0.0101
                assert replace(kept[2], max=counted[2].max) == counted[2]
                assert (*kept[:2], *kept[3:]) == (*counted[:2], *counted[3:]), (since, until)
            assert unreviewed(reader) == unreviewed(counting)
            rows = "SELECT sum(parts) FROM {}"
            kept_parts = [reader.execute(rows.format(table)).fetchone()[0] or 0 for table in ("part_figures", "latency_figures")]
            assert kept_parts == list(reader.execute("SELECT count(*), count(latency_ms) FROM parts").fetchone())
            assert reader.execute("SELECT count(*) FROM part_figures WHERE parts <= 0").fetchone() == (0,), "no empty rows"
