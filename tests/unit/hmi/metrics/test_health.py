"""Health tells the truth: by a table of what can be wrong, and what is then said."""

import pytest

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.hmi.metrics.health import Limits, health
from aoi_daemon.stage.board import CameraCell, Cell, Link, StageState, camera_cell
from aoi_daemon.stage.lifecycle import Line

from .conftest import NOW, S

LIMITS = Limits(inspection_ns=3 * S, plc_ns=3 * S, cameras=(("top", 31 * S), ("side", 31 * S)))
SIDE_STATE, SIDE_PRESENT, SIDE_NS = (camera_cell(1, cell) for cell in (CameraCell.STATE, CameraCell.PRESENT, CameraCell.PROGRESS_NS))


def test_a_line_that_runs_is_alive_and_ready(board):
    found = health(board, NOW, LIMITS)
    assert found.alive and found.ready and found.problems == found.missing == () and found.state == "RUNNING"


@pytest.mark.parametrize(
    ("cells", "alive", "said"),
    [
        # The supervisor: everything else on the board is only as fresh as its writer.
        ({Cell.SUPERVISOR_NS: NOW - 3 * S}, True, None),
        ({Cell.SUPERVISOR_NS: NOW - 4 * S}, False, "supervisor: has not moved for 4.0 s; it hangs, or is gone"),
        ({Cell.SUPERVISOR_NS: 0}, False, "supervisor: has not moved for 1000.0 s; it hangs, or is gone"),
        # The line.
        ({Cell.LINE_STATE: Line.FAULTED, Cell.READY: 0}, False, "line: FAULTED, a stage failed too often; mend the cause, then reset"),
        ({Cell.LINE_STATE: Line.STOPPING, Cell.READY: 0}, False, "line: STOPPING"),
        ({Cell.LINE_STATE: Line.STARTING, Cell.READY: 0}, True, "line: STARTING"),
        ({Cell.LINE_STATE: Line.RECOVERING, Cell.READY: 0}, True, "line: RECOVERING"),
        # The stages.
        ({Cell.INSPECTION_NS: NOW - 3 * S}, True, None),
        ({Cell.INSPECTION_NS: NOW - 4 * S}, False, "inspection: has not moved for 4.0 s; it hangs"),
        ({Cell.PLC_NS: NOW - 4 * S}, False, "plc: has not moved for 4.0 s; it hangs"),
        ({SIDE_NS: NOW - 31 * S}, True, None),
        ({SIDE_NS: NOW - 32 * S}, False, "acquire-1: has not moved for 32.0 s; it hangs"),
        ({Cell.INSPECTION_STATE: StageState.LOST, Cell.READY: 0}, False, "inspection: ended unasked"),
        ({Cell.PLC_STATE: StageState.LOST, Cell.READY: 0}, False, "plc: ended unasked"),
        ({SIDE_STATE: StageState.LOST, Cell.READY: 0}, False, "acquire-1: ended unasked"),
        ({Cell.PLC_STATE: StageState.DOWN, Cell.READY: 0}, False, "plc: does not run"),
        # One that starts has not moved for as long as it likes.
        ({Cell.INSPECTION_STATE: StageState.STARTING, Cell.INSPECTION_NS: 0, Cell.GOLDEN_PASSED: 0, Cell.READY: 0}, True, "inspection: the golden parts have not passed"),
        ({Cell.INSPECTION_STATE: StageState.REFUSED, Cell.GOLDEN_PASSED: 0, Cell.READY: 0}, True, "inspection: refuses to run, a golden part got the wrong verdict"),
        ({Cell.PROVEN: 0, Cell.READY: 0}, True, "inspection: the product is not proven by golden parts of its own"),
        # What READY needs.
        ({Cell.LINK: Link.DOWN, Cell.READY: 0}, True, "plc: no connection to the PLC"),
        ({Cell.LINK: Link.DOWN}, True, "plc: no connection to the PLC"),
        ({SIDE_PRESENT: 0, Cell.READY: 0}, True, "camera side: gives no pictures"),
        ({Cell.READY: 0}, True, "plc: the PLC has not verified READY"),
    ],
)
def test_what_is_wrong_is_said_and_decides(board, cells, alive, said):
    for cell, value in cells.items():
        board[cell] = value
    found = health(board, NOW, LIMITS)
    assert found.alive is alive
    assert found.ready is (said is None)
    if said is not None:
        assert (found.missing if alive else found.problems)[0] == said
        assert set(found.problems) <= set(found.missing)


def test_a_ready_that_nobody_renews_is_no_ready(board):
    """READY=1 stays on the board when those who wrote it hang."""
    found = health(board, NOW + 60 * S, LIMITS)
    assert board[Cell.READY] and not found.ready and not found.alive
    assert [problem.split(":")[0] for problem in found.problems] == ["supervisor", "inspection", "plc", "acquire-0", "acquire-1"]


def test_before_the_first_stage_runs_it_is_starting_and_alive(board):
    for cell in (Cell.INSPECTION_STATE, Cell.PLC_STATE, SIDE_STATE, camera_cell(0, CameraCell.STATE)):
        board[cell] = StageState.DOWN
    board[Cell.LINE_STATE], board[Cell.READY] = Line.STARTING, 0
    assert health(board, NOW, LIMITS).alive


def test_a_stage_may_stand_as_long_as_the_supervisor_lets_it_and_a_second_more():
    config = LineConfig.model_validate({
        "cameras": [{"kind": "genicam", "producer": "x.cti", "name": "top", "open_s": 12.0}],
        "supervisor": {"hang_ms": 1500.0},
    })  # fmt: skip
    assert Limits.of(config) == Limits(2_500_000_000, 2_500_000_000, (("top", 13 * S),))


def test_the_answer_is_json_with_all_that_is_wrong(board):
    board[Cell.LINK], board[Cell.READY], board[Cell.LINE_STATE] = Link.DOWN, 0, Line.FAULTED
    found = health(board, NOW, LIMITS)
    said = found.as_json(found.ready)
    assert said["ok"] is False and said["state"] == "FAULTED"
    assert len(said["problems"]) == 1 and said["missing"] == [*said["problems"], "plc: no connection to the PLC"]
