"""The line of `systemctl status`: what the line does, and what it waits for."""

from __future__ import annotations

import pytest

from aoi_daemon.stage.board import CameraCell, Cell, Link, StageState, camera_cell
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.supervisor.words import describe
from tests.unit.supervisor.conftest import LINE


def test_a_line_that_runs_says_its_counts(board):
    board[Cell.PARTS], board[Cell.REJECTED] = 1234, 12
    assert str(describe(board, LINE)) == "running: 1234 parts, 12 rejected"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({Cell.LINK: Link.DOWN}, "not ready: waits for the PLC at 10.0.0.5:502"),
        ({Cell.PLC_STATE: StageState.LOST, Cell.LINK: Link.DOWN}, "not ready: plc is started"),
        ({camera_cell(1, CameraCell.PRESENT): 0}, "not ready: camera side: no picture"),
        ({camera_cell(0, CameraCell.STATE): StageState.STARTING}, "not ready: camera top: is opened"),
        ({camera_cell(0, CameraCell.STATE): StageState.DOWN}, "not ready: camera top: is not started"),
        ({Cell.INSPECTION_STATE: StageState.STARTING, Cell.LINE_STATE: Line.STARTING},
         "starting: the model is loaded and its golden parts are judged"),
        ({Cell.INSPECTION_STATE: StageState.REFUSED, Cell.LINE_STATE: Line.STARTING},
         "starting: golden check failed: load another bundle, or have this one rebuilt"),
        ({Cell.INSPECTION_STATE: StageState.LOST, Cell.LINE_STATE: Line.RECOVERING}, "recovering: inspection is started again"),
        ({Cell.LINE_STATE: Line.FAULTED}, "faulted: a stage failed too often; read the journal, mend the cause, aoi-daemon reset"),
        ({Cell.LINE_STATE: Line.STOPPING}, "stopping"),
        ({}, "not ready: waits for the PLC to take READY"),
        ({Cell.PROVEN: 0}, "not ready: the product is not proven: aoi-daemon golden add, then aoi-daemon reload"),
        ({Cell.LINK: Link.DOWN, camera_cell(0, CameraCell.PRESENT): 0},
         "not ready: waits for the PLC at 10.0.0.5:502; camera top: no picture"),
    ],
)  # fmt: skip
def test_a_line_that_is_not_ready_says_what_it_waits_for(board, cells, words):
    board[Cell.READY] = 0
    for cell, value in cells.items():
        board[cell] = value
    assert str(describe(board, LINE)) == words


def test_a_line_stopped_by_its_rule_says_so(board):
    board[Cell.STOPPED_BY_RULE] = 1
    assert str(describe(board, LINE)) == "running: 0 parts, 0 rejected; asks the line to stop (stop rule): aoi-daemon reset"
