"""Shifts in local time, also when the clock is changed."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from aoi_daemon.hmi.shifts.times import last_shifts, shift_at

STARTS = ("06:00", "14:00", "22:00")


@pytest.fixture
def apia(zone):
    """Where 31 December 2011 came after the 29th: in no rule that TZ can spell, so the machine must know the name."""
    if not any((Path(folder) / "Pacific/Apia").is_file() for folder in zoneinfo.TZPATH):
        pytest.skip("no time zone Pacific/Apia on this machine (Debian: apt-get install tzdata)")
    zone("Pacific/Apia")


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("now", "begin"),
    [
        ("2026-11-22 06:00", "2026-11-22 06:00"),
        ("2026-11-22 13:59:59", "2026-11-22 06:00"),
        ("2026-11-22 14:00", "2026-11-22 14:00"),
        ("2026-11-22 05:59", "2026-11-21 22:00"),
        ("2026-11-22 23:30", "2026-11-22 22:00"),
    ],
)
def test_a_shift_begins_when_it_is_said_to(berlin, now, begin):
    shift = shift_at(at(now), STARTS)
    assert shift.label == begin
    assert shift.since == at(begin)
    assert shift.since <= at(now) < shift.until


def test_one_shift_a_day_lasts_a_day(berlin):
    shift = shift_at(at("2026-11-22 05:00"), ("06:00",))
    assert (shift.label, shift.until - shift.since) == ("2026-11-21 06:00", 86_400)


def test_the_night_in_which_the_clock_goes_back_is_an_hour_longer(berlin):
    shift = shift_at(at("2026-10-25 04:00"), STARTS)
    assert shift.label == "2026-10-24 22:00"
    assert shift.until - shift.since == 9 * 3600
    twice = datetime(2026, 10, 25, 2, 30)
    for fold in (0, 1):
        assert shift_at(twice.replace(fold=fold).timestamp(), STARTS) == shift


def test_the_night_in_which_the_clock_goes_on_is_an_hour_shorter(berlin):
    shift = shift_at(at("2026-03-29 04:00"), STARTS)
    assert shift.until - shift.since == 7 * 3600


def test_the_last_shifts_leave_no_gap(berlin):
    shifts = last_shifts(at("2026-10-26 12:00"), STARTS, 9)
    assert len({shift.label for shift in shifts}) == 9
    assert all(newer.since == older.until for newer, older in pairwise(shifts))


@pytest.mark.parametrize("now", ["2011-12-29 23:59", "2011-12-31 00:01", "2011-12-31 05:59"])
def test_a_shift_goes_on_over_a_day_that_the_zone_left_out(apia, now):
    shift = shift_at(at(now), STARTS)
    assert shift.label == "2011-12-29 22:00"
    assert (shift.until, shift.until - shift.since) == (at("2011-12-31 06:00"), 8 * 3600)


def test_no_shift_is_dated_by_a_day_that_the_zone_left_out(apia):
    shifts = last_shifts(at("2011-12-31 23:00"), STARTS, 5)
    assert [shift.label for shift in shifts] == [
        "2011-12-31 22:00", "2011-12-31 14:00", "2011-12-31 06:00", "2011-12-29 22:00", "2011-12-29 14:00",
    ]  # fmt: skip
    assert all(newer.since == older.until for newer, older in pairwise(shifts))
