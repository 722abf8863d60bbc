"""The shifts of a day: when they begin and end, in local time, over changes of the clock too. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple


class Shift(NamedTuple):
    """From `since` to `until`, seconds since the epoch; `label` is its local start, as 2026-11-22 06:00."""

    since: float
    until: float
    label: str


def shift_at(at_s: float, starts: Sequence[str]) -> Shift:
    """The shift that runs at `at_s` (seconds since the epoch); `starts` as 06:00, local time, earliest first."""
    today = datetime.fromtimestamp(at_s).date()
    # Two days each way: where a zone changed sides of the date line, yesterday or tomorrow was left out.
    days = [today + timedelta(days=offset) for offset in (-2, -1, 0, 1, 2)]
    edges = [datetime.combine(day, time.fromisoformat(start)) for day in days if _is_there(day) for start in starts]
    # Compared as instants: in the hour that a clock goes back, local times come twice.
    begin = max((edge for edge in edges if edge.timestamp() <= at_s), key=datetime.timestamp)
    end = min((edge for edge in edges if edge.timestamp() > at_s), key=datetime.timestamp)
    return Shift(begin.timestamp(), end.timestamp(), begin.strftime("%Y-%m-%d %H:%M"))


def _is_there(day: date) -> bool:
    """Whether this zone has `day`: Samoa had no 30 December 2011."""
    noon = datetime.combine(day, time(12))
    return datetime.fromtimestamp(noon.timestamp()).date() == day


def last_shifts(at_s: float, starts: Sequence[str], count: int) -> list[Shift]:
    """The running shift and those before it, newest first."""
    found = [shift_at(at_s, starts)]
    while len(found) < count:
        found.append(shift_at(found[-1].since - 1, starts))
    return found
