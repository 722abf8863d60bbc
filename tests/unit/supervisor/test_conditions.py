"""Which alarms the board's cells mean."""

from __future__ import annotations

import pytest

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.messages import Reason
from aoi_daemon.plcmap.registers import Status
from aoi_daemon.stage.board import CameraCell, Cell, Link, StageState, Stopped, camera_cell, reason_cell
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.stage.status import snapshot
from aoi_daemon.supervisor.conditions import Conditions
from tests.unit.supervisor.conftest import S


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


def holds(board, cameras=2, at=S, **keys):
    return {alarm.name for alarm in Conditions(board, cameras, **keys).now(at)}


def test_a_line_that_runs_has_no_alarm(board):
    assert holds(board, ack_behind=3) == set()


@pytest.mark.parametrize(
    ("cells", "alarms"),
    [
        ({Cell.LINE_STATE: Line.FAULTED}, {"RESTART_BUDGET"}),
        ({Cell.LINE_STATE: Line.RECOVERING, Cell.INSPECTION_STATE: StageState.LOST}, {"ENGINE_FAULT"}),
        ({Cell.LINE_STATE: Line.RECOVERING}, {"STAGE_LOST"}),
        ({Cell.INSPECTION_STATE: StageState.REFUSED}, {"GOLDEN_FAILED"}),
        ({Cell.LINK: Link.DOWN}, {"PLC_LINK"}),
        ({camera_cell(1, CameraCell.PRESENT): 0}, {"CAMERA_LOST"}),
        ({Cell.ACK_BEHIND: 3}, set()),
        ({Cell.ACK_BEHIND: 4}, {"PLC_BEHIND"}),
    ],
)  # fmt: skip
def test_each_fault_of_the_board_is_its_alarm(board, cells, alarms):
    for cell, value in cells.items():
        board[cell] = value
    assert holds(board, ack_behind=3) == alarms


def test_a_plc_that_is_not_asked_is_never_behind(board):
    board[Cell.ACK_BEHIND] = 200
    assert holds(board) == set()


def test_while_a_line_starts_nobody_is_sent_to_a_cable_or_a_camera(board):
    """They are on their way: an alarm at each start is one that nobody reads."""
    board[Cell.LINE_STATE], board[Cell.LINK] = Line.STARTING, Link.DOWN
    board[camera_cell(0, CameraCell.PRESENT)] = 0
    assert holds(board) == set()


@pytest.mark.parametrize(("cell", "alarm"), [
    (camera_cell(1, CameraCell.OVERRUNS), "OVERRUN"), (reason_cell(Reason.OPTICS), "OPTICS"), (Cell.DEADLINE_MISSES, "DEADLINE_MISSED"),
])  # fmt: skip
def test_what_is_counted_alarms_for_five_seconds_after_the_last(board, cell, alarm):
    conditions = Conditions(board, 2)
    assert not conditions.now(S)
    board.add(cell)
    assert {found.name for found in conditions.now(2 * S)} == {alarm}
    board.add(cell)
    assert conditions.now(6 * S)
    assert conditions.now(11 * S - 1)
    assert not conditions.now(11 * S)


def test_most_alarms_say_nothing_more(board):
    board[Cell.UNCONFIRMED] = 5
    conditions = Conditions(board, 0)
    assert [alarm for alarm in Alarm if conditions.detail(alarm)] == [Alarm.REJECT_UNCONFIRMED]
