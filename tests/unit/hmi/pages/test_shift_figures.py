"""The shift's figures: each part counted once, whether the records have it or not yet."""

from __future__ import annotations

from aoi_daemon.hmi.shifts.figures import Base, ShiftFigures, Tally, read_base
from aoi_daemon.hmi.shifts.times import Shift
from aoi_daemon.hmi.widgets.charts import ClassCount
from aoi_daemon.messages import Reason
from aoi_daemon.records.reviews import review

from .conftest import NOON, RUN

SHIFT = Shift(NOON, NOON + 8 * 3600, "2026-11-22 12:00")


def test_parts_of_the_records_and_of_the_ring_are_counted_once(records):
    for part in (1, 2, 3):
        records.add(part, Reason.DEFECT if part == 3 else Reason.NONE)
    figures = ShiftFigures(read_base(records.folder, RUN, SHIFT))
    figures.add(Tally(part, NOON + part, "short" if part in (3, 5) else "") for part in range(1, 6))
    assert (figures.parts, figures.rejected) == (5, 2)
    assert figures.pareto() == [ClassCount("short", 2, 0)]
    assert figures.yield_percent == 60.0
    records.add(4)
    records.add(5, Reason.DEFECT)
    figures.rebase(read_base(records.folder, RUN, SHIFT))
    assert (figures.parts, figures.rejected) == (5, 2)
    assert figures.hours() == [(int(NOON // 3600), 2, 5)]


def test_a_review_moves_a_reject_to_the_false_calls(records):
    row = records.add(1, Reason.DEFECT)
    records.add(2, Reason.DEFECT)
    review(records.writer, row, "false_call", by="anna (operator)", at=NOON)
    base = read_base(records.folder, RUN, SHIFT)
    figures = ShiftFigures(base)
    assert figures.pareto() == [ClassCount("short", 2, 1)]
    assert (base.false_calls, figures.unreviewed) == (1, 1)


def test_parts_before_the_shift_are_not_in_it():
    figures = ShiftFigures(Base(SHIFT))
    figures.add([Tally(1, NOON - 1, "short"), Tally(2, NOON, "")])
    assert (figures.parts, figures.rejected) == (1, 0)


def test_a_new_shift_begins_at_nothing():
    figures = ShiftFigures(Base(SHIFT))
    figures.add([Tally(1, NOON + 1, "short")])
    figures.rebase(Base(Shift(SHIFT.until, SHIFT.until + 1, "")))
    assert figures.parts == 0
    assert figures.yield_percent is None


def test_records_that_cannot_be_read_are_a_problem_in_words(tmp_path):
    assert "no such folder" in read_base(tmp_path / "none", RUN, SHIFT).problem
    (tmp_path / "records.sqlite").write_bytes(b"no database at all" * 100)
    assert read_base(tmp_path, RUN, SHIFT).problem
