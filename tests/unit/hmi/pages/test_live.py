"""What the line says now: parts and alarms, from the rings and the board."""

from __future__ import annotations

from aoi_daemon.decide.alarm_list import Alarm, mask_of
from aoi_daemon.decide.alarms import AlarmState
from aoi_daemon.hmi.live import AlarmLog, Live, PartLog, verdict_ms
from aoi_daemon.hmi.widgets.classes import class_name
from aoi_daemon.messages import Reason
from aoi_daemon.ring.events import Event
from aoi_daemon.stage.board import Cell

from .conftest import MS, outcome


def alarm_event(number: int, name: str, state: AlarmState) -> Event:
    return Event(number, number * MS, "alarm", {"name": name, "state": state.value, "detail": "why"})


def test_a_verdict_is_timed_from_where_its_deadline_counts():
    assert verdict_ms(outcome(1), 50.0) == 10.0
    assert verdict_ms(outcome(1, answered_ns=0), 50.0) == 0.0


def test_a_late_or_lost_verdict_is_missed_and_stands_out_of_the_chart():
    log = PartLog(50.0)
    late = outcome(2)._replace(answered_ns=outcome(2).deadline_ns + 1)
    log.add([outcome(1), late, outcome(3, answered_ns=0)])
    (second,) = log.seconds()
    assert second.missed == 2
    assert second.slowest_ms == 100.0  # not delivered: twice the deadline
    assert log.quantiles_ms()["max"] < 50.1  # a part that was not delivered has no time


def test_each_second_has_its_own_slowest_and_median():
    log = PartLog(50.0)
    log.add(outcome(part) for part in (1, 2, 3, 21))
    first, second = log.seconds()
    assert (first.at_s, second.at_s) == (0, 1)
    assert first.slowest_ms == first.median_ms == 10.0


def test_a_part_that_was_not_judged_is_marked_apart():
    log = PartLog(50.0)
    log.add([outcome(1), outcome(2, Reason.DEFECT), outcome(3, Reason.LATE)])
    assert [(mark.passed, mark.judged) for mark in log.marks] == [(True, False), (False, True), (False, False)]


def test_alarms_come_highest_first_and_gone_ones_stay_until_they_are_acknowledged():
    log = AlarmLog()
    log.add(alarm_event(1, "CONFIG_REFUSED", AlarmState.UNACKNOWLEDGED))
    log.add(alarm_event(2, "CAMERA_LOST", AlarmState.UNACKNOWLEDGED))
    log.add(alarm_event(3, "PLC_LINK", AlarmState.RETURNED))
    rows = log.now(mask_of(Alarm.CONFIG_REFUSED, Alarm.CAMERA_LOST))
    assert [row.alarm for row in rows] == [Alarm.PLC_LINK, Alarm.CAMERA_LOST, Alarm.CONFIG_REFUSED]
    assert [row.active for row in rows] == [False, True, True]
    log.add(alarm_event(4, "PLC_LINK", AlarmState.NORMAL))
    assert Alarm.PLC_LINK not in [row.alarm for row in log.now(mask_of(Alarm.CAMERA_LOST))]


def test_the_board_is_believed_before_the_events():
    log = AlarmLog()
    log.add(alarm_event(1, "CAMERA_LOST", AlarmState.UNACKNOWLEDGED))
    rows = log.now(mask_of(Alarm.OPTICS))  # the one is gone, the other has come: their events were lost
    assert [(row.alarm, row.state) for row in rows] == [(Alarm.OPTICS, AlarmState.UNACKNOWLEDGED)]


def test_an_alarm_of_a_newer_daemon_is_left_out():
    log = AlarmLog()
    log.add(Event(1, 1, "alarm", {"name": "NEW_ALARM", "state": "unacknowledged"}))
    log.add(Event(2, 2, "alarm", {"name": "OPTICS", "state": "undreamt of"}))
    assert log.now(0) == []


def test_live_reads_what_the_line_writes(stage):
    writer = stage.verdicts()
    writer.append(outcome(1))
    live = Live(stage)
    assert [mark.part for mark in live.parts.marks] == [1]  # what was there before
    writer.append(outcome(2, Reason.DEFECT))
    stage.events().append("alarm", {"name": "OPTICS", "state": "unacknowledged"}, 5)
    stage.board[Cell.ALARMS] = mask_of(Alarm.OPTICS)
    assert [part.part for part in live.read()] == [2]
    assert [row.alarm for row in live.alarms()] == [Alarm.OPTICS]
    assert live.read() == []
    assert live.last is not None and live.last.part == 2


def test_a_class_that_the_bundle_does_not_name_is_shown_by_its_number():
    assert class_name(("open",), 0) == "open"
    assert class_name(("open",), 7) == "#7"
