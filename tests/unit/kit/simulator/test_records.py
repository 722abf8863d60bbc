"""The simulated PLC's bounded logs, what a client has read of them, and running figures."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.kit.simulator.records import Log, LogCopy, Periods


@given(st.integers(1, 20), st.integers(0, 60), st.integers(-5, 70), st.integers(1, 30))
def test_a_log_gives_what_it_keeps_by_number(keep, total, start, limit):
    log = Log(keep, blank=lambda number: number)
    for number in range(total):
        log.append(number)
    kept = range(max(0, total - keep), total)
    found, after = log.since(start, limit)
    assert found == [number for number in kept if number >= start][:limit]
    assert log.since(after, limit)[0] == [number for number in kept if number >= after][:limit]


class Walked(AssertionError):
    """An item was looked at that was not asked for."""


class Watched:
    """What a log keeps its items in, as long as it is not walked over."""

    def __iter__(self):
        raise Walked


class WatchedList(Watched, list):
    def __getitem__(self, at):
        found = super().__getitem__(at)
        if isinstance(at, slice) and len(found) > LIMIT:
            raise Walked
        return found


class WatchedDeque(Watched, deque):
    pass


LIMIT = 64


@pytest.mark.parametrize("start", [0, 9_990, 10_000, 14_000, 19_936, 20_000])
def test_a_look_at_a_log_costs_what_it_gives_wherever_that_is(start):
    """The PLC that looks serves Modbus meanwhile: with 200,000 kept, a walk to the newest takes milliseconds."""
    log = Log(10_000, blank=lambda number: number)
    for number in range(20_000):
        log.append(number)
    kind = WatchedList if isinstance(log._items, list) else WatchedDeque
    log._items = kind(log._items)
    found, after = log.since(start, LIMIT)
    assert found == list(range(max(start, 10_000), min(max(start, 10_000) + LIMIT, 20_000)))
    assert after == max(start, 10_000) + len(found)


class Paged:
    """A log as a client asks for it, and how much it was asked for."""

    def __init__(self, log, page):
        self.log, self.page, self.asked, self.given = log, page, 0, 0

    def __call__(self, number):
        items, after = self.log.since(number, self.page)
        self.asked += 1
        self.given += len(items)
        return {"items": items, "next": after, "total": self.log.total, "first": self.log.first}


@given(st.integers(1, 20), st.lists(st.integers(0, 40), max_size=8), st.integers(1, 9), st.integers(-3, 120))
def test_a_copy_has_what_the_log_keeps_and_asks_for_each_item_once(keep, batches, page, start):
    log, copy = Log(keep, blank=lambda number: number), LogCopy()
    ask = Paged(log, page)
    for batch in batches:
        for _ in range(batch):
            log.append(log.total)
        copy.renew(ask)
        assert copy.since(start) == [number for number in range(log.first, log.total) if number >= start]
        assert copy.next == log.total
    assert ask.given <= log.total
    assert ask.asked <= len(batches) + ask.given // page + 1


def test_a_copy_from_the_middle_reads_nothing_before_it():
    log = Log(100, blank=lambda number: number)
    for number in range(90):
        log.append(number)
    ask, copy = Paged(log, 8), LogCopy(80)
    copy.renew(ask)
    assert (copy.since(80), ask.given) == (list(range(80, 90)), 10)


def test_without_a_period_all_figures_are_0():
    assert Periods().figures() == {"count": 0, "mean_ms": 0.0, "max_deviation_ms": 0.0}


def test_the_largest_deviation_is_measured_from_the_mean_to_both_sides():
    periods = Periods()
    for period_ms in (100, 100, 100, 60):
        periods.add(period_ms * 1_000_000)
    assert periods.figures() == {"count": 4, "mean_ms": 90.0, "max_deviation_ms": 30.0}
