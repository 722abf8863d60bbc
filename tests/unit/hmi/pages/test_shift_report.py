"""The shift report: stops, figures and its CSV."""

from __future__ import annotations

import csv
import io

import pytest

from aoi_daemon.hmi.shifts.report import Stop, as_csv, read_report, stops
from aoi_daemon.hmi.shifts.times import Shift
from aoi_daemon.messages import Reason
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.records.reviews import review

from .conftest import NOON

SHIFT = Shift(NOON, NOON + 8 * 3600, "2026-11-22 12:00")
GO, STAND = {"now": "RUNNING"}, {"now": "RECOVERING", "because": "a stage ended or hung"}


def test_a_stop_lasts_from_leaving_running_to_coming_back():
    events = [(10.0, STAND), (11.0, {"now": "FAULTED", "because": "the restart budget is spent"}), (20.0, GO)]
    assert stops(events, 0.0, ran=True) == [Stop(10.0, 20.0, "a stage ended or hung")]


def test_a_line_that_stood_when_the_shift_began_stood_from_its_begin():
    assert stops([(20.0, GO)], 5.0, ran=False) == [Stop(5.0, 20.0, "")]
    assert stops([(20.0, GO)], 5.0, ran=True) == []


def test_a_line_that_still_stands_stands_until_the_end_of_the_report():
    (stop,) = stops([(10.0, STAND)], 0.0, ran=True)
    assert stop.end is None
    assert stop.lasted_s(35.0) == 25.0


def test_a_report_has_the_figures_of_its_shift_alone(records):
    before = records.add(1, Reason.DEFECT, at=NOON - 1)
    false = records.add(2, Reason.DEFECT, at=NOON)
    real = records.add(3, Reason.DEFECT, at=NOON + 1)
    records.add(4, Reason.LATE, at=NOON + 2)
    records.add(5, at=NOON + 3)
    records.add(6, Reason.DEFECT, at=SHIFT.until)
    for row, said in ((before, "false_call"), (false, "false_call"), (real, "defect")):
        review(records.writer, row, said, by="anna (operator)", at=NOON)
    records.event(1, NOON - 10, "line", now="RUNNING")
    records.event(2, NOON + 60, "line", now="RECOVERING", because="a stage ended or hung")
    records.event(3, NOON + 90, "line", now="RUNNING")
    records.event(4, NOON + 61, "alarm", name="STAGE_LOST", state="unacknowledged", event="the condition came")
    report = read_report(records.folder, SHIFT, SHIFT.until + 600)
    assert report.account.counts.parts == 4
    assert report.false_call_percent == 50.0
    assert report.stops == (Stop(NOON + 60, NOON + 90, "a stage ended or hung"),)
    rows = list(csv.reader(io.StringIO(as_csv(report, "line-1"))))
    assert ["parts", "total", "4", ""] in rows
    assert ["review", "false_call_percent", "50.000", ""] in rows
    assert ["reject", "short", "1", "1"] in rows
    assert ["reject", "LATE", "1", "0"] in rows
    assert ["alarm", "STAGE_LOST", "1", ""] in rows
    assert any(row[0] == "stop" and row[2] == "30.0" for row in rows)


def test_a_shift_that_stood_still_has_no_yield_and_no_rate(records):
    report = read_report(records.folder, SHIFT, NOON + 60)
    assert report.false_call_percent is None
    assert "parts,yield_percent,," in as_csv(report, "line-1")


def test_records_that_are_not_there_are_an_error_in_words(tmp_path):
    with pytest.raises(RecordsError, match="no such folder"):
        read_report(tmp_path / "none", SHIFT, NOON)
