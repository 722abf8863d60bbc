"""A condition that flickers is one alarm that stays, whatever it does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.decide.chatter import Chatter

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def test_three_times_in_a_minute_it_comes_and_goes_as_it_is():
    """The third is held until the first is a minute old, to the nanosecond."""
    chatter = Chatter()
    said = [chatter.look(there, at * SECOND) for at, there in enumerate([True, False, True, False, True, False])]
    assert said == [True, False, True, False, True, True]
    assert chatter.look(False, MINUTE - 1) and chatter.active
    assert not chatter.look(False, MINUTE) and not chatter.active


def test_what_is_held_is_counted_from_its_first_begin():
    """And not by how long each lasted, nor by how often it was looked at."""
    chatter = Chatter()
    for at in (0, 1, 2):
        assert chatter.look(True, 10 * at * SECOND)
        for look in range(1, 4):
            assert chatter.look(True, (10 * at + look) * SECOND)
        chatter.look(False, (10 * at + 5) * SECOND)
    assert chatter.look(False, MINUTE - 1)
    assert not chatter.look(False, MINUTE)
    assert chatter.look(True, MINUTE), "there is room for one"
    assert chatter.look(False, MINUTE + 10 * SECOND - 1), "and for the next when the second is a minute old"
    assert not chatter.look(False, MINUTE + 10 * SECOND)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20 * SECOND)), max_size=60))
def test_it_begins_no_more_than_three_times_in_any_minute(looks):
    """And while the condition is there it is said to be."""
    chatter, now, was, begins = Chatter(), 5 * MINUTE, False, []
    for there, later in looks:
        now += later
        active = chatter.look(there, now)
        assert active or not there
        assert active is chatter.active
        if active and not was:
            begins.append(now)
        was = active
    assert all(fourth - first >= MINUTE for first, fourth in zip(begins, begins[3:], strict=False))
