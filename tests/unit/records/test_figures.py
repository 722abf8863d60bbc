"""Figures of a time, against a plain count."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aoi_daemon.messages import Defect, Reason
from aoi_daemon.records import parts, queries
from aoi_daemon.records.database import writing
from aoi_daemon.records.reviews import review
from tests.unit.records.conftest import MS, NOON, make_outcome

OPEN = (Defect(0, 0.9, 1.0, 2.0, 3.0, 4.0),)


def test_of_no_parts_all_figures_are_nothing(records):
    found = queries.counts(records.reader, 0.0, queries.NEVER)
    assert (found.parts, found.rejected, found.reject_percent, found.lost) == (0, 0, 0.0, 0)
    assert queries.pareto(records.reader, 0.0, queries.NEVER) == []
    assert queries.rejects_per_hour(records.reader, 0.0, queries.NEVER) == []
    assert queries.latency(records.reader, 0.0, queries.NEVER).max == 0.0
    assert queries.shift(records.reader, 0.0, queries.NEVER).alarms == {}


def test_counts_keep_reviews_misses_and_losses_apart(records):
    rows = [records.add(n, Reason.DEFECT) for n in range(1, 5)]
    records.add(5)
    records.add(6, Reason.LATE, answered_ns=0)
    review(records.writer, rows[0], "false_call", by="a", at=NOON)
    review(records.writer, rows[1], "defect", by="a", at=NOON)
    with writing(records.writer):
        parts.insert_gap(records.writer, records.run, parts.Gap("rows", 7, 16, 10, NOON, "x"))
        parts.insert_gap(records.writer, records.run, parts.Gap("images", 1, 2, 2, NOON, "x"))
    found = queries.counts(records.reader, NOON, NOON + 100)
    assert (found.parts, found.passed, found.rejected, found.missed, found.undelivered) == (6, 1, 5, 1, 1)
    assert (found.false_calls, found.confirmed, found.unreviewed, found.lost) == (1, 1, 3, 10)
    assert round(found.reject_percent, 1) == 83.3
    assert queries.counts(records.reader, NOON + 2, NOON + 4).parts == 2


def test_false_calls_are_no_rejects_in_the_pareto(records):
    rows = [records.add(n, Reason.DEFECT) for n in range(1, 4)]
    records.add(4, Reason.DEFECT, defects=OPEN)
    records.add(5, Reason.LATE)
    review(records.writer, rows[0], "false_call", by="a", at=NOON)
    review(records.writer, rows[1], "defect", by="a", at=NOON)
    found = queries.pareto(records.reader, 0.0, queries.NEVER)
    assert [(c.name, c.is_class, c.rejects, c.false_calls) for c in found] == [("short", True, 2, 1), ("LATE", False, 1, 0), ("open", True, 1, 0)]


def test_hours_begin_on_the_hour(records):
    for part, minute in enumerate((59, 60, 61, 119, 120), 1):
        records.add(part, Reason.DEFECT if part == 3 else Reason.NONE, at=NOON + 60 * minute)
    found = queries.rejects_per_hour(records.reader, NOON, NOON + 7200 + 1)
    assert [(hour.at - NOON, hour.parts, hour.rejected) for hour in found] == [(0, 1, 0), (3600, 3, 1), (7200, 1, 0)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(10_000, 60 * MS), min_size=1, max_size=60))
def test_latencies_are_those_of_a_plain_sort(records, took_ns):
    """Never less than what was measured, and at most a hundredth of a millisecond more."""
    with writing(records.writer):
        records.writer.execute("DELETE FROM parts")
    for part, took in enumerate(took_ns, 1):
        records.add(part, answered_ns=make_outcome(part).ready_ns + took)
    found = queries.latency(records.reader, 0.0, queries.NEVER)
    exact = np.array(took_ns) / MS
    assert found.parts == len(took_ns) and abs(found.max - exact.max()) < 1e-9
    for value, percent in ((found.p50, 50), (found.p99, 99), (found.p999, 99.9)):
        expected = np.percentile(exact, percent, method="inverted_cdf")
        assert expected - 1e-6 <= value <= expected + 0.0101


def test_what_was_not_delivered_has_no_latency(records):
    records.add(1, answered_ns=0)
    assert queries.latency(records.reader, 0.0, queries.NEVER).parts == 0


def test_a_shift_counts_each_alarm_when_it_comes(records):
    records.add(1)
    states = ("unacknowledged", "acknowledged", "normal", "unacknowledged", "returned, unacknowledged")
    with writing(records.writer):
        for number, state in enumerate(states, 1):
            body = {"name": "CAMERA_LOST", "state": state}
            parts.insert_event(records.writer, records.run, number, at=NOON + number, kind="alarm", body=body)
        parts.insert_event(records.writer, records.run, 9, at=NOON + 2, kind="line", body={"state": "unacknowledged"})
    found = queries.shift(records.reader, NOON, NOON + 10)
    assert found.alarms == {"CAMERA_LOST": 2}
    assert found.recipes == {"demo": 1}
    assert (found.counts.parts, found.latency.parts, found.causes) == (1, 1, ())
