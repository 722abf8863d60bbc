"""The watchdog is fed by the decision loop's progress, and by nothing else."""

import pytest

from aoi_daemon.stage.board import StageState
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.supervisor.watchdog import Look, Watchdog

SECOND = 1_000_000_000
START = 60 * SECOND
NOW = 1000 * SECOND


def look(name, state=StageState.READY, moved_ns=1, started_ns=NOW, due_ns=0):
    return Look(name, state, moved_ns, started_ns, due_ns)


def loop(plc=None, inspection=None):
    return [plc or look("plc"), inspection or look("inspection")]


@pytest.fixture
def watchdog():
    """Fed once, with both stages at 1."""
    found = Watchdog(START)
    assert found.stuck(Line.RUNNING, loop(), NOW) == ""
    return found


def test_a_loop_that_moves_feeds(watchdog):
    for step in range(2, 10):
        moved = loop(look("plc", moved_ns=step), look("inspection", moved_ns=step))
        assert watchdog.stuck(Line.RUNNING, moved, NOW) == ""


@pytest.mark.parametrize("name", ["plc", "inspection"])
@pytest.mark.parametrize("line", [Line.STARTING, Line.RUNNING, Line.RECOVERING])
@pytest.mark.parametrize("state", [StageState.READY, StageState.REFUSED])
def test_a_stage_that_stands_still_starves_it(watchdog, name, line, state):
    other = "inspection" if name == "plc" else "plc"
    assert watchdog.stuck(line, [look(name, state), look(other, state)], NOW) in ("", name, other)
    assert watchdog.stuck(line, [look(name, state), look(other, state, moved_ns=2)], NOW) == name


def test_who_did_not_feed_goes_on_once_the_stage_moves(watchdog):
    assert watchdog.stuck(Line.RUNNING, loop(look("plc", moved_ns=2)), NOW) == "inspection"
    assert watchdog.stuck(Line.RUNNING, loop(look("plc", moved_ns=3), look("inspection", moved_ns=2)), NOW) == ""


def test_one_move_feeds_once(watchdog):
    moved = loop(look("plc", moved_ns=2), look("inspection", moved_ns=2))
    assert watchdog.stuck(Line.RUNNING, moved, NOW) == ""
    assert watchdog.stuck(Line.RUNNING, moved, NOW) != ""


def test_to_have_become_ready_is_a_move(watchdog):
    starting = look("inspection", StageState.STARTING, moved_ns=5)
    assert watchdog.stuck(Line.RECOVERING, [look("plc", moved_ns=2), starting], NOW) == ""
    ready = look("inspection", moved_ns=5)
    assert watchdog.stuck(Line.RUNNING, [look("plc", moved_ns=3), ready], NOW) == ""
    assert watchdog.stuck(Line.RUNNING, [look("plc", moved_ns=4), ready], NOW) == "inspection"


@pytest.mark.parametrize(("ago_s", "stuck"), [(0, ""), (60, ""), (64.9, ""), (65.1, "inspection")])
def test_a_stage_may_start_for_as_long_as_the_supervisor_lets_it(watchdog, ago_s, stuck):
    starting = look("inspection", StageState.STARTING, started_ns=NOW - int(ago_s * SECOND))
    assert watchdog.stuck(Line.RECOVERING, [look("plc", moved_ns=3), starting], NOW) == "", "it has just begun"
    assert watchdog.stuck(Line.RECOVERING, [look("plc", moved_ns=2), starting], NOW) == stuck


@pytest.mark.parametrize("state", [StageState.LOST, StageState.DOWN])
@pytest.mark.parametrize(("due_s", "stuck"), [(5, ""), (-4.9, ""), (-5.1, "inspection")])
def test_a_lost_stage_may_wait_for_its_restart(watchdog, state, due_s, stuck):
    lost = look("inspection", state, due_ns=NOW + int(due_s * SECOND))
    assert watchdog.stuck(Line.RECOVERING, [look("plc", moved_ns=3), lost], NOW) == "", "it has just gone"
    assert watchdog.stuck(Line.RECOVERING, [look("plc", moved_ns=2), lost], NOW) == stuck


def test_a_lost_stage_that_nobody_starts_again_starves_it(watchdog):
    lost = look("inspection", StageState.LOST)
    assert watchdog.stuck(Line.RECOVERING, [look("plc", moved_ns=3), lost], NOW) == "", "it has just gone"
    assert watchdog.stuck(Line.RECOVERING, [look("plc", moved_ns=2), lost], NOW) == "inspection"


@pytest.mark.parametrize("state", list(StageState))
def test_a_fault_is_never_cleared_by_the_watchdog_while_plc_moves(watchdog, state):
    given_up = look("inspection", state, started_ns=0)
    for step in range(2, 10):
        assert watchdog.stuck(Line.FAULTED, [look("plc", moved_ns=step), given_up], NOW) == ""


def test_a_fault_of_plc_itself_waits_for_a_person_too(watchdog):
    lost = look("plc", StageState.LOST)
    for _ in range(5):
        assert watchdog.stuck(Line.FAULTED, [lost, look("inspection")], NOW) == ""


def test_a_plc_that_hangs_starves_it_in_a_fault_as_well(watchdog):
    """It runs and does not move, and the supervisor's SIGKILL did not end it."""
    assert watchdog.stuck(Line.FAULTED, loop(), NOW) == "plc"
