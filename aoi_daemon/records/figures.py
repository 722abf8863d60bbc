"""Figures of a time: counts, Pareto, rejects by the hour, latency, a shift. Times are UTC in Unix seconds.

Complete quarters of an hour come from the tables that the recorder keeps (`schema_figures`), what is left at both ends
is counted. While an older database is being filled, or is read as it is, all of it is counted: slower, never wrong.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from aoi_daemon.records.rows import Cause, Counts, Hour, Latency, Shift
from aoi_daemon.records.schema_figures import SLOT_S, STEPS_PER_MS

_RAISED: Final = "unacknowledged"
"""The state that an alarm comes into when its condition comes, and in no other way."""
_SLOTS_PER_HOUR: Final = 3600 // SLOT_S


class _Span(NamedTuple):
    """A time: the slots from `first` until before `end` are in the tables, `rest` is counted."""

    first: int
    end: int
    rest: tuple[tuple[float, float], ...]


def counts(connection: sqlite3.Connection, since: float, until: float) -> Counts:
    """What became of the parts from `since` until before `until`."""
    span = _span(connection, since, until)
    parts, passed, missed, undelivered = _sums(
        connection, span,
        "SELECT sum(parts), sum(passed), sum(missed), sum(undelivered) FROM part_figures WHERE slot >= ? AND slot < ?",
        # These columns are in the index of times: no row is read.
        "SELECT count(*), sum(passed), sum(missed), sum(latency_ms IS NULL) FROM parts WHERE at >= ? AND at < ?",
    )  # fmt: skip
    false_calls, confirmed = _sums(
        connection, span,
        "SELECT sum(false_calls), sum(confirmed) FROM reject_figures WHERE slot >= ? AND slot < ?",
        "SELECT sum(v.verdict = 'false_call'), sum(v.verdict = 'defect') FROM parts p CROSS JOIN reviews v "
        "ON v.part_id = p.id WHERE p.passed = 0 AND p.at >= ? AND p.at < ?",
    )  # fmt: skip
    (lost,) = connection.execute(
        "SELECT ifnull(sum(parts), 0) FROM gaps WHERE what = 'rows' AND at >= ? AND at < ?", (since, until)
    ).fetchone()
    rejected = parts - passed
    return Counts(
        parts, passed, rejected, missed, undelivered, false_calls, confirmed, rejected - false_calls - confirmed, lost
    )


def pareto(connection: sqlite3.Connection, since: float, until: float) -> list[Cause]:
    """What parts were rejected for, most frequent first: by class of the worst defect, else by reason.

    False calls are not among `rejects`.
    """
    rows = _rows(
        connection, _span(connection, since, until),
        "SELECT cause, is_class, sum(rejects - false_calls), sum(false_calls) FROM reject_figures "
        "WHERE slot >= ? AND slot < ? GROUP BY 1, 2",
        "SELECT ifnull(p.worst_class, p.reason), p.worst_class IS NOT NULL, "
        "sum(v.verdict IS NOT 'false_call'), sum(v.verdict IS 'false_call') "
        "FROM parts p LEFT JOIN reviews v ON v.part_id = p.id "
        "WHERE p.passed = 0 AND p.at >= ? AND p.at < ? GROUP BY 1, 2",
    )  # fmt: skip
    rejects: Counter[tuple[str, bool]] = Counter()
    false_calls: Counter[tuple[str, bool]] = Counter()
    for name, is_class, rejected, false in rows:
        rejects[name, bool(is_class)] += rejected
        false_calls[name, bool(is_class)] += false
    found = [Cause(*key, rejects[key], false_calls[key]) for key in rejects]
    return sorted(found, key=lambda cause: (-cause.rejects, cause.name, cause.is_class))


def rejects_per_hour(connection: sqlite3.Connection, since: float, until: float) -> list[Hour]:
    """Parts and rejects of each hour in which there was a part, oldest first."""
    rows = _rows(
        connection, _span(connection, since, until),
        f"SELECT slot / {_SLOTS_PER_HOUR} AS hour, sum(parts), sum(parts - passed) FROM part_figures "
        "WHERE slot >= ? AND slot < ? GROUP BY hour",
        "SELECT CAST(at / 3600 AS INTEGER) AS hour, count(*), sum(NOT passed) FROM parts "
        "WHERE at >= ? AND at < ? GROUP BY hour",
    )  # fmt: skip
    parts: Counter[int] = Counter()
    rejected: Counter[int] = Counter()
    for hour, some, bad in rows:
        parts[hour] += some
        rejected[hour] += bad
    return [Hour(hour * 3600.0, parts[hour], rejected[hour]) for hour in sorted(parts)]


def latency(connection: sqlite3.Connection, since: float, until: float) -> Latency:
    """How long delivered parts took, from the frame in the ring to the PLC's verified answer."""
    rows = _rows(
        connection, _span(connection, since, until),
        "SELECT step, sum(parts), max(most_ms) FROM latency_figures WHERE slot >= ? AND slot < ? GROUP BY step",
        f"SELECT CAST(latency_ms * {STEPS_PER_MS} AS INTEGER) AS step, count(*), max(latency_ms) FROM parts "
        "WHERE at >= ? AND at < ? AND latency_ms IS NOT NULL GROUP BY step",
    )  # fmt: skip
    steps: Counter[int] = Counter()
    most_ms = 0.0
    for step, some, its_most_ms in rows:
        steps[step] += some
        most_ms = max(most_ms, its_most_ms)
    total = steps.total()
    if not total:
        return Latency(0, 0.0, 0.0, 0.0, 0.0)
    in_order = sorted(steps.items())

    def quantile(fraction: float) -> float:
        left = math.ceil(fraction * total)
        for step, some in in_order:
            left -= some
            if left <= 0:
                # The end of the step: never less than what was measured.
                return (step + 1) / STEPS_PER_MS
        return most_ms

    return Latency(total, quantile(0.5), quantile(0.99), quantile(0.999), most_ms)


def shift(connection: sqlite3.Connection, since: float, until: float) -> Shift:
    """The account of a shift."""
    alarms: Counter[str] = Counter()
    raised = connection.execute("SELECT body FROM events WHERE kind = 'alarm' AND at >= ? AND at < ?", (since, until))
    for (text,) in raised:
        body = json.loads(text)
        # Only its coming: acknowledging it and its going are transitions of the same alarm.
        if body.get("state") == _RAISED:
            alarms[body["name"]] += 1
    return Shift(
        since, until, counts(connection, since, until), tuple(pareto(connection, since, until)),
        latency(connection, since, until), dict(alarms), _recipes(connection, since, until),
    )  # fmt: skip


def _recipes(connection: sqlite3.Connection, since: float, until: float) -> dict[str, int]:
    rows = _rows(
        connection, _span(connection, since, until),
        "SELECT d.recipe, sum(f.parts) FROM part_figures f JOIN products d ON d.id = f.product_id "
        "WHERE f.slot >= ? AND f.slot < ? GROUP BY d.recipe",
        "SELECT d.recipe, count(*) FROM parts p JOIN products d ON d.id = p.product_id "
        "WHERE p.at >= ? AND p.at < ? GROUP BY d.recipe",
    )  # fmt: skip
    found: Counter[str] = Counter()
    for recipe, parts in rows:
        found[recipe] += parts
    return dict(found.most_common())


def filling(connection: sqlite3.Connection, name: str = "figures") -> bool:
    """Whether the kept figures, or what else is filled by `name`, do not have all parts yet."""
    return connection.execute("SELECT 1 FROM fills WHERE name = ?", (name,)).fetchone() is not None


def _span(connection: sqlite3.Connection, since: float, until: float) -> _Span:
    first, end = math.ceil(since / SLOT_S), math.floor(until / SLOT_S)
    if first >= end or filling(connection):
        return _Span(0, 0, ((since, until),))
    rest = ((since, float(first * SLOT_S)), (float(end * SLOT_S), until))
    return _Span(first, end, tuple((begin, stop) for begin, stop in rest if begin < stop))


def _rows(connection: sqlite3.Connection, span: _Span, kept: str, counted: str) -> Iterator[tuple[Any, ...]]:
    """The rows of `kept` for the slots of `span`, then of `counted` for the rest; each takes a begin and an end."""
    if span.first < span.end:
        yield from connection.execute(kept, (span.first, span.end))
    for rest in span.rest:
        yield from connection.execute(counted, rest)


def _sums(connection: sqlite3.Connection, span: _Span, kept: str, counted: str) -> list[int]:
    """The columns of `_rows`, each added up."""
    rows = [tuple(value or 0 for value in row) for row in _rows(connection, span, kept, counted)]
    return [sum(column) for column in zip(*rows, strict=True)]
