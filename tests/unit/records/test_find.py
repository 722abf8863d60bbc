"""Searches: what a page of one says of itself, and what is recorded meanwhile."""

from __future__ import annotations

import pytest

from aoi_daemon.messages import Reason
from aoi_daemon.records.find import Place, Wanted, search
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
        found = search(records.reader, Wanted(name="none"), 10, place, for_s=0.0, clock=lambda: 0.0)
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
