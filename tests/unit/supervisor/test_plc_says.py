"""What the supervisor makes of the PLC's words: conditions, alarm watch, what plc says, status and the service's text."""

from __future__ import annotations

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.stage.board import Cell, Link
from tests.unit.supervisor.conftest import S


def test_a_plc_that_refuses_is_told_with_what_it_refused_and_no_one_is_sent_to_the_cable(desk):
    desk.board[Cell.LINK] = Link.DOWN
    desk.says.refused("FC16 at 100, unit 1: exception 2, illegal address")
    assert desk.alarms() == {"PLC_REFUSED": "FC16 at 100, unit 1: exception 2, illegal address"}
    desk.watch.reset("Anna", desk.now)
    assert set(desk.alarms()) == {"PLC_REFUSED"}, "to have seen it does not end it"
    desk.says.refused("")
    assert set(desk.alarms()) == {"PLC_LINK"}


def test_what_a_plc_process_said_ends_with_it(desk):
    desk.says.refused("FC03 at 0")
    assert desk.alarms()
    desk.plc.pid = 8
    assert desk.alarms() == {}


def test_more_resets_than_a_hand_makes_are_not_obeyed_and_are_told_in_one_line(desk):
    for _ in range(50):
        desk.says.alarm_reset(desk.now)
        desk.now += S // 10
    assert desk.resets == 6
    desk.now += 60 * S
    desk.alarms()
    audits = [event.body for event in desk.events.read() if event.kind == "audit"]
    assert len(audits) == 7
    assert audits[-1]["detail"].startswith("44 more were not obeyed")
    desk.says.alarm_reset(desk.now)
    assert desk.resets == 7


def test_an_alarm_that_a_person_brought_about_ends_when_it_is_mended_however_often(desk):
    for said, held in ((desk.watch.said, False), (desk.watch.plc_said, True)):
        for _ in range(10):
            said[Alarm.CONFIG_REFUSED] = "line.toml"
            assert desk.alarms() == {"CONFIG_REFUSED": "line.toml"}
            del said[Alarm.CONFIG_REFUSED]
            found = desk.alarms()
        assert bool(found) is held
