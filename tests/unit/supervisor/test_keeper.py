"""The stages are started, found hanging, restarted and given up: supervisor/keeper.py."""

from __future__ import annotations

import select
import signal

import pytest

from aoi_daemon.stage.board import CameraCell, Cell, StageState, camera_cell
from aoi_daemon.stage.lifecycle import Line
from tests.unit.supervisor.conftest import SECOND

CELLS = (Cell.PLC_STATE, Cell.INSPECTION_STATE, camera_cell(0, CameraCell.STATE))


def test_a_stage_that_cannot_be_started_is_down_is_tried_again_ever_later_and_then_given_up(held, kept, no_room):
    found, events = kept
    before = held()
    found.start_all()
    assert [found.board[cell] for cell in CELLS] == [StageState.LOST] * 3
    assert [found.state_of(stage) for stage in found.stages] == [StageState.DOWN] * 3
    lost = [body for kind, body in events if kind == "stage"]
    assert [(body["which"], body["what"]) for body in lost] == [
        ("plc", "not started"), ("inspection", "not started"), ("acquire-0", "not started")
    ]  # fmt: skip
    assert all("Too many open files" in body["how"] for body in lost)
    for _ in range(600):
        no_room.now += SECOND // 20
        found.look(paused=False)
    assert found.state is Line.FAULTED, "the budget is spent"
    first, again = no_room.tries[0], no_room.tries[3]
    assert again - first >= SECOND // 5, "there is no room a moment later either"
    restarts = found.configuration.line.supervisor.restarts
    assert len(no_room.tries) == restarts + 1
    assert held() == before
    # A person has made room, and resets.
    no_room.there_is = True
    found.reset()
    found.look(paused=False)
    assert all(stage.pid for stage in found.stages)
    assert [found.board[cell] for cell in CELLS] == [StageState.STARTING] * 3


def test_a_stage_comes_once_there_is_room(kept, no_room):
    found, _ = kept
    no_room.there_is = True
    found.start_all()
    no_room.there_is = False
    plc = found.plc
    plc.signal(signal.SIGKILL)
    select.select([plc.pidfd], [], [], 10)
    found.ended(plc)
    assert found.board[Cell.PLC_STATE] == StageState.LOST
    assert found.state is Line.RECOVERING
    first = no_room.now
    while len(no_room.tries) < 2:
        no_room.now += SECOND // 20
        found.look(paused=False)
    assert no_room.now - first >= SECOND // 5
    no_room.there_is = True
    for _ in range(100):
        no_room.now += SECOND // 20
        found.look(paused=False)
    assert plc.pid


def test_a_second_inspection_that_cannot_be_started_leaves_the_pair_as_it_was(held, kept, no_room):
    found, _ = kept
    before = held()
    with pytest.raises(OSError, match="Too many open files"):
        found.prove(found._setup)
    assert found.pair.reserve is None
    assert not found.pair.proven
    assert held() == before


def test_a_stage_that_was_stopped_costs_nothing_of_the_budget_and_comes_back(kept, no_room):
    found, events = kept
    no_room.there_is = True
    found.start_all()
    for _ in range(3 * found.configuration.line.supervisor.restarts):
        stage = found.cameras[0]
        stage.signal(signal.SIGKILL)  # the real one is waited for; how it ended is said for it
        select.select([stage.pidfd], [], [], 10)
        reap = stage.reap
        stage.reap = lambda reap=reap: reap() and "signal SIGTERM"
        found.ended(stage)
        del stage.reap
        assert not stage.pid
        no_room.now += 2 * SECOND
        found.look(paused=False)
        assert stage.pid
    assert found.state is Line.RECOVERING
    assert found.board[Cell.RESTARTS] == 0
    assert [body for kind, body in events if kind == "stage"] == []
