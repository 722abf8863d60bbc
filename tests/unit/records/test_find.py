"""Searches: what a page of one says of itself, and what is recorded meanwhile."""

from __future__ import annotations

from contextlib import closing

import pytest

from aoi_daemon.messages import Reason
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.find import Place, Wanted, search
from aoi_daemon.records.queries import parts_after
from tests.unit.records import old_records
from tests.unit.records.conftest import NOON, RUN


def parts(found):
    return [part.part for part in found.parts]


def test_what_is_recorded_while_pages_are_turned_is_not_among_them(records):
    """Neither what is newer, nor what a clock that was set back dates before the place."""
    for part in range(1, 6):
        records.add(part, at=NOON + 10 * part)
    first = search(records.reader, Wanted(), 2)
    records.add(6, at=NOON + 1000)
    records.add(7, at=NOON + 5)
    rest = search(records.reader, Wanted(), 10, first.place)
    assert (parts(first), parts(rest), rest.place) == ([5, 4], [3, 2, 1], None)
    assert parts(search(records.reader, Wanted(), 10)) == [6, 5, 4, 3, 2, 1, 7]


def test_a_search_that_is_cut_off_says_how_far_it_looked_and_comes_to_its_end(records):
    for part in range(1, 6):
        records.add(part, Reason.DEFECT)
    looked, place = [], None
    while True:
        found = search(records.reader, Wanted(passed=True, reason="DEFECT"), 10, place, for_s=0.0, clock=lambda: 0.0)
        assert not found.parts and not found.full
        if found.place is None:
            break
        looked.append(found.searched_to)
        place = found.place
    assert looked == [NOON + part for part in range(5, 0, -1)], "one candidate each, however short the time"


def test_a_full_page_ends_at_once(records):
    for part in range(1, 6):
        records.add(part)
    found = search(records.reader, Wanted(), 2)
    assert (parts(found), found.full, found.searched_to) == ([5, 4], True, NOON + 4)
    assert found.place == Place(NOON + 4, 4, 5)


def test_of_nothing_nothing_is_found(records):
    assert search(records.reader, Wanted(), 5) == search(records.reader, Wanted(recipe="demo"), 5)
    assert search(records.reader, Wanted(), 5).searched_to is None


def test_one_part_is_found_by_its_run(records):
    records.add(3)
    assert parts(search(records.reader, Wanted(part=3, run=RUN), 5)) == [3]
    assert parts(search(records.reader, Wanted(part=3, run="e" * 32), 5)) == []


@pytest.mark.parametrize("text", ["", "1_2", "1_2_3_4", "x_1_1", "nan_1_1", "inf_1_1", "1e999_1_1", "1.5_-1_1", "1_0_1_1", "1 _1_1", "\u0661_1_1", "1_1_" + "9" * 19])
def test_what_is_no_place_is_refused(text):
    assert Place.read(text) is None


class TestSeen:
    """What is noted of a quarter of an hour: never too little, and gone with its last part."""

    def seen(self, records):
        return set(records.reader.execute("SELECT what, name, least, most FROM seen").fetchall())

    def test_a_part_notes_what_it_has(self, records):
        records.add(1)
        assert self.seen(records) == {("camera", "top", None, None)}
        records.add(2, Reason.DEFECT)
        classes = {("class", "short", 0.9, 0.9), ("class", "open", 0.5, 0.5)}
        assert self.seen(records) == {("camera", "top", None, None), ("reason", "DEFECT", None, None), *classes}

    def test_what_a_person_changes_is_found_as_it_is_then(self, records):
        row = records.add(1, Reason.DEFECT)
        for change, wanted in (
            ("parts SET at = at + 5000", Wanted(name="short", score_min=0.9)), ("parts SET at = at + 5000", Wanted(reason="DEFECT")),
            ("parts SET camera = 'side'", Wanted(camera="side")), ("defects SET class = 'spur', score = 0.25", Wanted(name="spur")),
            ("defects SET score = 0.125", Wanted(score_max=0.2)), ("parts SET view = 'front'", Wanted(view="front")),
        ):  # fmt: skip
            records.writer.execute(f"UPDATE {change}")
            assert [part.id for part in search(records.reader, wanted, 5).parts] == [row], change

    @pytest.mark.parametrize("step", [1, -1])
    def test_it_goes_with_the_last_part_of_its_quarter_and_not_before(self, records, step):
        for part, at in enumerate((NOON - 2.4e-7, NOON, NOON + 899, NOON + 900), 1):
            records.add(part, Reason.DEFECT, at=at)
        left = [1, 2, 3, 4]
        for part in left[::step]:
            found = search(records.reader, Wanted(camera="top", name="short"), 9)
            assert [each.id for each in found.parts] == sorted(left, reverse=True)
            left = [each for each in left if each != part]
            records.writer.execute("DELETE FROM parts WHERE id = ?", (part,))
        assert self.seen(records) == set()

    def test_a_quarter_without_it_is_not_looked_at(self, records):
        for part in range(1, 100):
            records.add(part, at=NOON + part)
        records.add(100, Reason.DEFECT, at=NOON - 5000)
        found = search(records.reader, Wanted(name="short"), 1, for_s=0.0, clock=lambda: 0.0)
        assert parts(found) == [100]
        assert search(records.reader, Wanted(camera="side"), 1, for_s=0.0, clock=lambda: 0.0).place is None


@pytest.mark.parametrize("forward", [False, True])
def test_records_of_version_1_are_searched_as_they_are_and_once_they_are_brought_forward(tmp_path, forward):
    old_records.make(tmp_path, 300)
    if forward:
        old_records.forward(tmp_path)
    with closing(open_reader(tmp_path)) as reader:
        there = sorted(parts_after(reader, 0, 1000), key=lambda part: (part.at, part.id), reverse=True)
        for wanted, fits in (
            (Wanted(), lambda part: True), (Wanted(name="open", score_min=0.9), lambda part: part.worst_class == "open"),
            (Wanted(reason="LATE"), lambda part: part.reason == "LATE"), (Wanted(camera="top", recipe="r2"), lambda part: part.recipe == "r2"),
            (Wanted(review="none"), lambda part: not part.passed and part.review is None), (Wanted(review="any"), lambda part: part.review is not None),
            (Wanted(camera="side"), lambda part: False), (Wanted(view="front"), lambda part: False),
        ):  # fmt: skip
            assert [part.id for part in search(reader, wanted, 1000, for_s=60).parts] == [part.id for part in there if fits(part)], wanted
