"""What the supervisor makes of the PLC's words: conditions, alarm watch, what plc says, status and the service's text."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.plcmap.registers import Status
from aoi_daemon.ring import events
from aoi_daemon.ring.events import EventReader, EventWriter
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, Cell, Link, Stopped
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.stage.status import snapshot
from aoi_daemon.supervisor.alarm_watch import AlarmWatch
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.conditions import Conditions
from aoi_daemon.supervisor.main import Supervisor
from aoi_daemon.supervisor.plc_says import PlcSays

S = 1_000_000_000
QUIET = SimpleNamespace(info=lambda *_, **__: None, warning=lambda *_, **__: None)


@pytest.fixture
def desk():
    """A line that runs, with no camera; `desk.now` is the time."""
    with SharedMemory.create("board", SIZE_BYTES) as memory, SharedMemory.create("events", events.SIZE_BYTES) as ring:
        board = Board(memory)
        board[Cell.LINE_STATE], board[Cell.LINK] = Line.RUNNING, Link.UP
        board[Cell.INSPECTION_STATE] = 2
        found = SimpleNamespace(board=board, now=S, events=EventReader(ring), resets=0, plc=SimpleNamespace(pid=7))
        chronicle = Chronicle(EventWriter(ring), QUIET, lambda: found.now)
        found.watch = AlarmWatch(board, Conditions(board, 0), chronicle)

        def reset(by, via):
            found.resets += 1
            chronicle.audit("reset", by, via)

        found.says = PlcSays(found.plc, found.watch, chronicle, reset)
        found.alarms = lambda: look(found)
        yield found
        board._cells.release()


def look(desk):
    """The active alarms with their details, as the status has them."""
    desk.now += S // 20
    desk.says.look(desk.now)
    desk.watch.look(desk.now, {})
    return {row["name"]: row["detail"] for row in desk.watch.snapshot() if row["active"]}


def test_a_frozen_plc_is_an_alarm_that_ends_when_it_moves(desk):
    desk.board[Cell.PLC_MOVES_BY_NS] = desk.now
    assert "PLC_FROZEN" in desk.alarms()
    desk.board[Cell.PLC_MOVES_BY_NS] = desk.now + 10 * S
    assert desk.alarms() == {}


def test_without_a_connection_it_is_the_connection_that_is_told_of(desk):
    desk.board[Cell.PLC_MOVES_BY_NS], desk.board[Cell.LINK] = 1, Link.DOWN
    assert set(desk.alarms()) == {"PLC_LINK"}


@pytest.mark.parametrize(("stopped", "text"), [(Stopped.UNCONFIRMED, "asked to stop"), (0, "no connection")])
def test_the_part_that_was_not_confirmed_is_named_until_a_person_resets(desk, stopped, text):
    board = desk.board
    board[Cell.UNCONFIRMED], board[Cell.UNCONFIRMED_MORE], board[Cell.STOPPED_BY_RULE] = 41, 2, stopped
    (detail,) = desk.alarms().values()
    assert detail.startswith("part 41 and 2 more") and text in detail
    board[Cell.UNCONFIRMED] = board[Cell.STOPPED_BY_RULE] = 0
    assert "REJECT_UNCONFIRMED" in desk.alarms(), "latched"
    desk.watch.reset("Anna", desk.now)
    assert desk.alarms() == {}


def test_a_reject_that_was_not_confirmed_is_not_called_too_many_bad_parts(desk):
    desk.board[Cell.UNCONFIRMED], desk.board[Cell.STOPPED_BY_RULE] = 1, Stopped.UNCONFIRMED
    assert set(desk.alarms()) == {"REJECT_UNCONFIRMED"}
    desk.board[Cell.STOPPED_BY_RULE] |= Stopped.RULE
    assert set(desk.alarms()) == {"REJECT_UNCONFIRMED", "STOP_RULE"}


def test_bypass_is_an_alarm_and_in_the_status(desk):
    desk.board[Cell.PLC_STATUS] = Status.BYPASS
    assert set(desk.alarms()) == {"PLC_BYPASS"}
    assert snapshot(desk.board, [])["plc"]["bypass"] is True
    desk.board[Cell.PLC_STATUS] = 0
    assert desk.alarms() == {}
    assert snapshot(desk.board, [])["plc"]["bypass"] is False


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


def test_a_persons_resets_are_never_left_out(desk):
    for _ in range(50):
        assert desk.watch._chronicle.audit("reset", "Anna", "page")
    assert sum(event.kind == "audit" for event in desk.events.read()) == 50


def test_a_camera_clock_that_is_refused_is_an_alarm_that_a_reset_does_not_end(desk):
    supervisor, stage = SimpleNamespace(alarms=desk.watch), SimpleNamespace()

    def hear(camera, detail):
        Supervisor._heard(supervisor, stage, {"tell": "camera_clock", "camera": camera, "detail": detail})

    hear(0, "camera top: its clock ticks at 1e+08 Hz")
    assert desk.alarms() == {"CAMERA_CLOCK": "camera top: its clock ticks at 1e+08 Hz"}
    desk.watch.reset("anna", desk.now)
    assert "CAMERA_CLOCK" in desk.alarms()
    hear(1, "camera side: it stands still")
    assert desk.alarms()["CAMERA_CLOCK"] == "camera top: its clock ticks at 1e+08 Hz; camera side: it stands still"
    hear(0, "")
    hear(1, "")
    hear(1, "")
    assert desk.alarms() == {}
