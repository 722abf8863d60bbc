"""Figures of a time: counts, Pareto, rejects by the hour, latency, a shift. Times are UTC in Unix seconds."""

from __future__ import annotations

import json
import math
import sqlite3
from typing import Final

from aoi_daemon.records.rows import Cause, Counts, Hour, Latency, Shift

_BUCKETS_PER_MS: Final = 100
_RAISED: Final = "unacknowledged"
"""The state that an alarm comes into when its condition comes, and in no other way."""


def counts(connection: sqlite3.Connection, since: float, until: float) -> Counts:
    """What became of the parts from `since` until before `until`."""
    times = (since, until)
    # These columns are in the index of times: no row is read.
    parts, passed, missed, undelivered = connection.execute(
        "SELECT count(*), ifnull(sum(passed), 0), ifnull(sum(missed), 0), ifnull(sum(latency_ms IS NULL), 0) "
        "FROM parts WHERE at >= ? AND at < ?",
        times,
    ).fetchone()
    false_calls, confirmed = connection.execute(
        "SELECT ifnull(sum(v.verdict = 'false_call'), 0), ifnull(sum(v.verdict = 'defect'), 0) "
        "FROM reviews v JOIN parts p ON p.id = v.part_id WHERE p.at >= ? AND p.at < ?",
        times,
    ).fetchone()
    (lost,) = connection.execute(
        "SELECT ifnull(sum(parts), 0) FROM gaps WHERE what = 'rows' AND at >= ? AND at < ?", times
    ).fetchone()
    rejected = parts - passed
    return Counts(
        parts, passed, rejected, missed, undelivered, false_calls, confirmed, rejected - false_calls - confirmed, lost
    )


def pareto(connection: sqlite3.Connection, since: float, until: float) -> list[Cause]:
    """What parts were rejected for, most frequent first: by class of the worst defect, else by reason.

    False calls are not among `rejects`.
    """
    rows = connection.execute(
        "SELECT ifnull(p.worst_class, p.reason), p.worst_class IS NOT NULL, "
        "sum(v.verdict IS NOT 'false_call') AS rejects, sum(v.verdict IS 'false_call') "
        "FROM parts p LEFT JOIN reviews v ON v.part_id = p.id "
        "WHERE p.passed = 0 AND p.at >= ? AND p.at < ? GROUP BY 1, 2 ORDER BY rejects DESC, 1",
        (since, until),
    )
    return [Cause(name, bool(is_class), rejects, false_calls) for name, is_class, rejects, false_calls in rows]


def rejects_per_hour(connection: sqlite3.Connection, since: float, until: float) -> list[Hour]:
    """Parts and rejects of each hour in which there was a part, oldest first."""
    rows = connection.execute(
        "SELECT CAST(at / 3600 AS INTEGER) AS hour, count(*), sum(NOT passed) FROM parts "
        "WHERE at >= ? AND at < ? GROUP BY hour ORDER BY hour",
        (since, until),
    )
    return [Hour(hour * 3600.0, parts, rejected) for hour, parts, rejected in rows]


def latency(connection: sqlite3.Connection, since: float, until: float) -> Latency:
    """How long delivered parts took, from the frame in the ring to the PLC's verified answer."""
    # Counted in steps of 0.01 ms: a shift has too many parts to sort them on every look at the page.
    rows = connection.execute(
        f"SELECT CAST(latency_ms * {_BUCKETS_PER_MS} AS INTEGER) AS step, count(*), max(latency_ms) FROM parts "
        "WHERE at >= ? AND at < ? AND latency_ms IS NOT NULL GROUP BY step ORDER BY step",
        (since, until),
    ).fetchall()
    total = sum(count for _, count, _ in rows)
    if not total:
        return Latency(0, 0.0, 0.0, 0.0, 0.0)

    def quantile(fraction: float) -> float:
        left = math.ceil(fraction * total)
        for step, count, _ in rows:
            left -= count
            if left <= 0:
                # The end of the step: never less than what was measured.
                return float((step + 1) / _BUCKETS_PER_MS)
        return float(rows[-1][2])

    return Latency(total, quantile(0.5), quantile(0.99), quantile(0.999), rows[-1][2])


def shift(connection: sqlite3.Connection, since: float, until: float) -> Shift:
    """The account of a shift."""
    alarms: dict[str, int] = {}
    raised = connection.execute("SELECT body FROM events WHERE at >= ? AND at < ? AND kind = 'alarm'", (since, until))
    for (text,) in raised:
        body = json.loads(text)
        # Only its coming: acknowledging it and its going are transitions of the same alarm.
        if body.get("state") == _RAISED:
            alarms[body["name"]] = alarms.get(body["name"], 0) + 1
    recipes = connection.execute(
        "SELECT d.recipe, count(*) FROM parts p JOIN products d ON d.id = p.product_id "
        "WHERE p.at >= ? AND p.at < ? GROUP BY d.recipe ORDER BY 2 DESC",
        (since, until),
    )
    return Shift(
        since, until, counts(connection, since, until), tuple(pareto(connection, since, until)),
        latency(connection, since, until), alarms, dict(recipes.fetchall()),
    )  # fmt: skip
