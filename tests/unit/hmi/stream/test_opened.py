"""Which pages are open: kept while a browser listens, and for a while after; never more than so many."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.hmi.stream.opened import KEPT_S, MOST, NEVER_LISTENED_S, Opened


class Now:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def page(number: int):
    return SimpleNamespace(id=f"p{number}", listener=None)


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def opened(now):
    return Opened(now)


def test_a_page_that_no_browser_listens_to_is_forgotten(opened, now):
    one = page(1)
    opened.add(one)
    now.s = NEVER_LISTENED_S - 1
    assert opened.find("p1") is one
    now.s = NEVER_LISTENED_S
    assert opened.find("p1") is None and len(opened) == 0


def test_a_page_that_is_listened_to_stays_and_after_that_for_a_while(opened, now):
    one = page(1)
    opened.add(one)
    opened.begins(one)
    one.listener = object()
    now.s = 10 * KEPT_S
    assert opened.listened_to() == [one] and opened.find("p1") is one
    one.listener = None
    opened.ends(one)
    assert opened.listened_to() == []
    now.s += KEPT_S - 1
    assert opened.find("p1") is one
    now.s += 1
    assert opened.find("p1") is None


def test_the_one_that_was_left_longest_ago_makes_room_and_none_that_is_listened_to(opened):
    watched = page(0)
    opened.add(watched)
    opened.begins(watched)
    for number in range(1, 2 * MOST):
        opened.add(page(number))
    assert len(opened) == MOST
    assert opened.find("p0") is watched and opened.find("p1") is None and opened.find(f"p{2 * MOST - 1}") is not None


@given(st.lists(st.tuples(st.sampled_from(["add", "begins", "ends", "wait"]), st.integers(0, 400)), max_size=600))
def test_whatever_browsers_do_what_is_kept_is_bounded_and_true(steps):
    now = Now()
    opened = Opened(now)
    pages = {}
    for what, number in steps:
        one = pages.get(number)
        if what == "wait":
            now.s += number
        elif what == "add":
            pages[number] = page(number)
            pages[number].id = f"p{len(pages)}-{now.s}-{number}"
            opened.add(pages[number])
        elif one is not None and opened.find(one.id) is one:
            if what == "begins":
                one.listener = object()
                opened.begins(one)
            elif one.listener is not None:
                one.listener = None
                opened.ends(one)
        listened = [each for each in pages.values() if each.listener is not None]
        assert len(opened) <= max(MOST, len(listened) + 1)
        assert set(map(id, opened.listened_to())) >= set(map(id, listened))
