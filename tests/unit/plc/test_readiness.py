"""Whether the line may be READY, and whether all that says that it works has moved: the board's cells and a time."""

from __future__ import annotations

import pytest

from aoi_daemon.messages import Proof
from aoi_daemon.plc.readiness import Readiness
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, Cell, StageState, camera_cell
from aoi_daemon.stage.lifecycle import Line

MS = 1_000_000
NOW = 1_000_000 * MS
STALL_NS = 500 * MS
VIEWS = 7
MOVED = {"inspection": Cell.INSPECTION_NS, "camera 0": camera_cell(0, CameraCell.PROGRESS_NS), "camera 1": camera_cell(1, CameraCell.PROGRESS_NS)}
MISSING = {
    "the line recovers": (Cell.LINE_STATE, Line.RECOVERING),
    "the line is faulted": (Cell.LINE_STATE, Line.FAULTED),
    "inspection is lost": (Cell.INSPECTION_STATE, StageState.LOST),
    "another engine takes the line": (Cell.INSPECTION_STATE, StageState.CHANGEOVER),
    "no golden part has passed": (Cell.GOLDEN_PASSED, 0),
    "inspection judges other views": (Cell.VIEWS, 8),
    "the product is not proven": (Cell.PROVEN, Proof.NOT_PROVEN),
    "a camera is being opened": (camera_cell(1, CameraCell.STATE), StageState.STARTING),
    "a camera is not there": (camera_cell(1, CameraCell.PRESENT), 0),
    "the other camera is not there": (camera_cell(0, CameraCell.PRESENT), 0),
    "the PLC's program is frozen": (Cell.PLC_MOVES_BY_NS, NOW),
}


@pytest.fixture
def board():
    """A line of two cameras that is READY; all has moved at NOW."""
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        found = Board(memory)
        found[Cell.LINE_STATE], found[Cell.GOLDEN_PASSED], found[Cell.PROVEN] = Line.RUNNING, 1, Proof.PROVEN
        found[Cell.INSPECTION_STATE], found[Cell.VIEWS] = StageState.READY, VIEWS
        for camera in (0, 1):
            found[camera_cell(camera, CameraCell.STATE)] = StageState.READY
            found[camera_cell(camera, CameraCell.PRESENT)] = 1
        for cell in MOVED.values():
            found[cell] = NOW
        yield found
        found._cells.release()


@pytest.fixture
def readiness(board):
    found = Readiness(board, 2, STALL_NS)
    found.views = VIEWS
    return found


def test_a_line_where_all_is_as_it_must_be_is_ready(readiness):
    assert readiness.line(NOW)


@pytest.mark.parametrize("what", MISSING)
def test_one_thing_that_is_missing_is_enough_for_no_ready(board, readiness, what):
    cell, value = MISSING[what]
    board[cell] = value
    assert not readiness.line(NOW)


@pytest.mark.parametrize("proof", [proof for proof in Proof if proof is not Proof.NOT_PROVEN])
def test_a_product_that_somebody_answers_for_is_ready(board, readiness, proof):
    board[Cell.PROVEN] = proof
    assert readiness.line(NOW)


@pytest.mark.parametrize("what", MISSING)
def test_what_ready_says_already_stops_no_heartbeat(board, readiness, what):
    """The heartbeat is for what nobody would notice otherwise."""
    cell, value = MISSING[what]
    board[cell] = value
    assert readiness.all_move(NOW)


@pytest.mark.parametrize("what", MOVED)
def test_who_says_that_it_works_must_have_moved_within_stall_ms(board, readiness, what):
    """To the nanosecond; then neither READY nor the heartbeat says that all is well."""
    board[MOVED[what]] = NOW - STALL_NS
    assert readiness.all_move(NOW) and readiness.line(NOW)
    board[MOVED[what]] -= 1
    assert not readiness.all_move(NOW)
    assert not readiness.line(NOW)


def test_who_is_known_to_be_down_need_not_move(board, readiness):
    for cell in MOVED.values():
        board[cell] = 0
    board[Cell.INSPECTION_STATE] = StageState.LOST
    board[camera_cell(0, CameraCell.STATE)] = StageState.STARTING
    board[camera_cell(1, CameraCell.PRESENT)] = 0
    assert readiness.all_move(NOW)
    assert not readiness.line(NOW)
