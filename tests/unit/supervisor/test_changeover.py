"""A change on its way into the line: each step, whoever ends or is silent in it, by a scripted clock and processes that are none.

Keeper and pair are the daemon's own. Held in each: the configuration in use is the one that parts are judged by, whoever
ordered hears once what came of it, and the line is never left without the inspection that it had.
"""

from __future__ import annotations

import signal
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.messages import Proof
from aoi_daemon.ring.parcel import MessageError
from aoi_daemon.stage.board import SIZE_BYTES, Board, Cell, StageState
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.supervisor import changeover as under_test
from aoi_daemon.supervisor.changeover import Changeover
from aoi_daemon.supervisor.keeper import StageKeeper
from aoi_daemon.supervisor.order import Order, Result, Step

MS, SECOND = 1_000_000, 1_000_000_000
START_S = 7.0


class Process(StageProcess):
    """A stage that does nothing: what it was told is kept, and it ends where a test says so."""

    def __init__(self, name: str, index: int, line: Line) -> None:
        super().__init__(name, index, -1)
        self._line = line
        self._pid = 0
        self.told: list[dict[str, Any]] = []
        self.signals: list[int] = []
        self.deaf = False

    @property
    def pid(self) -> int:
        return self._pid

    def start(self, setup: Any) -> None:
        if self._line.no_room is not None:
            raise self._line.no_room
        self._line.pids += 1
        self._pid = self._line.pids
        self.setup, self.ended_on_purpose = setup, False

    def tell(self, **command: Any) -> bool:
        if self.deaf or not self._pid:
            return False
        self.told.append(command)
        return True

    def hand(self, **command: Any) -> bool:
        return self.tell(**command)

    def signal(self, number: signal.Signals) -> None:
        self.signals.append(number)

    def reap(self) -> str:
        self._pid = 0
        return "signal SIGKILL"

    def does(self) -> list[str]:
        return [each["do"] for each in self.told]


def recipe(number: int, name: str, **keys: Any) -> Recipe:
    return Recipe.model_validate({"id": number, "name": name, "bundle": f"b{number}", "width_px": 64, "height_px": 64, **keys})


def configuration(**line: Any) -> Configuration:
    cameras = [{"name": name, "kind": "replay", "source": "images"} for name in ("left", "right")]
    config = LineConfig.model_validate({"cameras": cameras, "supervisor": {"start_s": START_S}, **line})
    return Configuration(Path("line.toml"), config, {"demo": recipe(1, "demo"), "other": recipe(2, "other")})


class Line:
    """The daemon's keeper and changeover in a line of two cameras, all ready, under a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now, self.pids, self.no_room = 100 * SECOND, 0, None
        self.board = Board(cast(Any, SimpleNamespace(map=bytearray(SIZE_BYTES))))
        self.results: list[Result] = []
        self.landed: list[Configuration] = []
        self.slept: list[float] = []
        self.setups: list[tuple[Configuration, str, int, dict[str, int]]] = []
        self.upgraded = False
        clock = SimpleNamespace(now_ns=lambda: self.now)
        shared = SimpleNamespace(board=self.board, fds_for=lambda name, index: {name: index})
        self.keeper = StageKeeper(
            configuration(), cast(Any, shared), lambda name, index, fds: cast(Any, (name, index, fds)), lambda *_, **__: None,
            process=lambda name, index: Process(name, index, self), clock=clock,
        )  # fmt: skip
        self.keeper.start_all()
        for stage in self.keeper.stages:
            self.board[self.keeper._cell_of(stage)] = StageState.READY
        self.board[Cell.PROVEN] = Proof.PROVEN
        self.board[Cell.READY] = 1
        self.board[Cell.READY_NS] = self.now - SECOND
        self.changeover = Changeover(self.keeper, self._setup, self._land, self.results.append, clock=clock, sleep=self.slept.append)

    def _setup(self, configuration: Configuration, name: str, index: int, fds: dict[str, int]) -> Any:
        self.setups.append((configuration, name, index, fds))
        return SimpleNamespace(upgraded=self.upgraded)

    def _land(self, configuration: Configuration, plan: Any) -> None:
        self.landed.append(configuration)
        self.keeper.configuration = configuration
        for index in plan.restart_acquire:
            self.keeper.restart(self.keeper.cameras[index])
        if plan.restart_plc:
            self.keeper.restart(self.keeper.plc)

    @property
    def live(self) -> Process:
        return cast(Process, self.keeper.pair.live)

    @property
    def reserve(self) -> Process:
        assert self.keeper.pair.reserve is not None
        return cast(Process, self.keeper.pair.reserve)

    @property
    def plc(self) -> Process:
        return cast(Process, self.keeper.plc)

    def plc_counts_by(self) -> list[str]:
        return [Recipe.model_validate_json(each["recipe"]).name for each in self.plc.told if each["do"] == "recipe"]

    def order(self, product: str = "other", client: Any = None) -> Order:
        order = Order("recipe", "Ann", "command", client, product)
        self.changeover.begin(order)
        return order

    def reload(self, monkeypatch: pytest.MonkeyPatch, new: Configuration | Exception) -> Order:
        """Files that were checked, with this result."""

        class Checked:
            def __init__(self, work: Any, log: Any) -> None:
                self.work, self.done = work, False
                self.found, self.error = (None, str(new)) if isinstance(new, Exception) else (new, "")

        monkeypatch.setattr(under_test, "Checking", Checked)
        order = Order("reload", "Ann", "command")
        self.changeover.begin(order)
        assert self.changeover.step is Step.CHECKING
        self.later(0)
        assert not self.results, "not known yet"
        assert self.changeover._change is not None and self.changeover._change.checking is not None
        cast(Any, self.changeover._change.checking).done = True
        self.later(0)
        return order

    def later(self, ns: int) -> None:
        self.now += ns
        self.changeover.look(self.now)

    def says(self, stage: StageProcess, tell: str, **more: Any) -> None:
        self.changeover.heard(stage, {"tell": tell, **more})

    def dies(self, process: Process) -> None:
        self.keeper.ended(process)
        self.changeover.look(self.now)

    def ready_again(self, after_ns: int) -> None:
        self.now += after_ns
        self.board[Cell.READY_NS] = self.now

    def only(self) -> Result:
        """What was said of the one order; nothing is under way any more."""
        (result,) = self.results
        assert not self.changeover.busy and self.changeover.status()["step"] == "none"
        assert "what" not in self.changeover.status()
        return result

    def is_as_it_was(self) -> None:
        """The live one has not noticed."""
        assert self.live.pid and self.live.does() == []
        assert self.keeper.configuration.in_use == "demo" and not self.landed
        assert self.keeper.pair.reserve is None and not self.live.signals


@pytest.fixture
def line() -> Line:
    return Line()


def unchanged(line: Line, **keys: Any) -> Configuration:
    """As in use, but these keys of the recipe in use (none of them one that is proven)."""
    old = line.keeper.configuration
    return replace(old, recipes={**old.recipes, "demo": old.recipes["demo"].model_copy(update=keys)})


def test_nothing_is_under_way_at_first(line):
    line.later(SECOND)
    assert not line.changeover.busy and line.changeover.fds() == []
    assert line.changeover.status() == {"step": "none"}
    assert line.results == []


# -- another product -------------------------------------------------------------------


def test_another_product_takes_the_line_as_the_one_in_use_leaves_it(line):
    """In this order: the other proves itself, plc counts by the new recipe, the live one leaves, the other takes over, it lands."""
    old, order = line.live, line.order()
    assert line.changeover.busy and line.changeover.step is Step.PROVING
    assert line.changeover.status() == {"step": Step.PROVING.value, "what": "recipe"}
    assert (line.setups[-1][0].in_use, *line.setups[-1][1:]) == ("other", "inspection", 0, {"inspection": 0})
    new = line.reserve
    assert new.pid not in (0, old.pid) and old.does() == [] and line.plc_counts_by() == []

    line.later(5 * MS)
    line.says(new, "standby", passed=True)
    assert line.changeover.step is Step.SWITCHING
    assert line.plc_counts_by() == ["other"]
    assert old.does() == ["retire"] and not old.signals
    assert line.keeper.configuration.in_use == "demo" and not line.landed, "until the other judges"

    line.says(old, "retired")
    assert line.live is new and new.does() == ["live"]
    assert old.does() == ["retire"], "it has left"
    line.later(0)
    assert line.changeover.step is Step.SWITCHING
    line.says(new, "live")
    assert [each.in_use for each in line.landed] == ["other"] == [line.keeper.configuration.in_use]
    assert old.does() == ["retire", "stop"] and line.keeper.pair.reserve is None
    assert line.changeover.step is Step.SETTLING and line.results == []
    assert line.changeover.status()["recipe"] == "other"

    line.ready_again(1_912_345_678)
    line.later(0)
    result = line.only()
    assert result.order is order and result.error == ""
    assert result.plan.standby and result.switch_ms == 1912.346
    assert [(each.key, each.was, each.now) for each in result.changed] == [("product", "demo", "other")]
    assert line.changeover.status() == {"step": "none", "last_ms": 1912.346, "recipe": "other"}
    line.later(SECOND)
    line.only()


def switching(line: Line) -> tuple[Process, Process]:
    """The other is proven, and the live one told to leave: (live, other)."""
    line.order()
    old, new = line.live, line.reserve
    line.says(new, "standby", passed=True)
    return old, new


def on_the_line(line: Line) -> tuple[Process, Process]:
    old, new = switching(line)
    line.says(old, "retired")
    line.says(new, "live")
    return old, new


def test_a_line_that_was_not_ready_waits_for_no_ready(line):
    line.board[Cell.READY] = 0
    on_the_line(line)
    assert line.only().error == ""
    assert line.only().switch_ms == 0 and line.changeover.last == {"last_ms": None, "recipe": "other"}


@pytest.mark.parametrize("waited_ms", [0, 1, 1000, 2000])
def test_a_ready_that_stays_away_is_waited_for_two_seconds(line, waited_ms):
    on_the_line(line)
    line.later(waited_ms * MS)
    assert line.results == []
    line.later(2 * SECOND - waited_ms * MS + 1)
    assert line.only().error == "" and line.only().switch_ms == 0


@pytest.mark.parametrize("before_ns", [0, 1, SECOND])
def test_a_ready_of_before_the_switch_is_not_that_after_it(line, before_ns):
    line.board[Cell.READY_NS] = line.now - before_ns
    on_the_line(line)
    line.later(MS)
    assert line.results == []


def test_the_first_ready_after_a_switch_is_what_it_took(line):
    """And not a later one, of an outage meanwhile: the camera that is started anew takes its time."""
    old = line.keeper.configuration
    line.keeper.configuration = replace(old, product="demo")
    new, camera = _two_things(line), line.keeper.cameras[1]
    line.changeover.begin(Order("recipe", "Ann", "command", product="other"))
    assert line.changeover._change is not None
    line.changeover._plan(line.changeover._change, new)
    live, reserve = line.live, line.reserve
    line.says(reserve, "standby", passed=True)
    line.says(live, "retired")
    line.says(reserve, "live")
    line.ready_again(3 * MS)
    line.later(0)
    assert line.results == [], "the camera is not there yet"
    line.ready_again(500 * MS)
    camera._pid = 99
    line.later(0)
    assert line.only().switch_ms == 3.0 == line.changeover.last["last_ms"]


def _two_things(line: Line) -> Configuration:
    """Another product, and the second camera changed."""
    old = line.keeper.configuration
    cameras = (old.line.cameras[0], old.line.cameras[1].model_copy(update={"open_s": 29.0}))
    return replace(old, line=old.line.model_copy(update={"cameras": cameras}), product="other")


def test_an_unknown_product_is_refused_by_name(line):
    line.order("absent")
    assert "there is no recipe of this name (there: demo, other)" in line.only().error
    line.is_as_it_was()


def test_golden_parts_that_do_not_hold_leave_the_line_as_it_is(line):
    line.order()
    other = line.reserve
    line.says(other, "standby", passed=False, error="board 3 passes")
    assert (line.only().error, line.only().switch_ms) == ("board 3 passes", 0)
    assert line.plc_counts_by() == [] and other.does() == ["stop"]
    line.is_as_it_was()
    assert other in line.keeper.pair.others, "until it has ended"


@pytest.mark.parametrize("room", [OSError(12, "Cannot allocate memory"), MessageError("the setup does not fit")])
def test_no_room_for_a_second_inspection(line, room):
    line.no_room = room
    line.order()
    said = getattr(room, "strerror", None) or str(room)
    assert line.only().error == f"a second inspection cannot be started: {said}"
    line.is_as_it_was()


def test_a_second_inspection_that_ends_while_it_proves_itself(line):
    line.order()
    line.dies(line.reserve)
    assert line.only().error == "the new engine's process ended: signal SIGKILL"
    line.is_as_it_was()


def test_a_second_inspection_that_is_never_ready_is_killed(line):
    line.order()
    other = line.reserve
    line.later(int(START_S * SECOND))
    assert line.changeover.busy and not other.signals, "it has start_s"
    line.later(1)
    assert line.only().error == "the new engine was not ready within supervisor.start_s = 7 s"
    assert other.signals == [signal.SIGKILL] and other.does() == ["stop"]
    line.is_as_it_was()


def test_the_time_of_a_proof_is_of_its_own(line, monkeypatch):
    """However long the files were checked before."""

    def proves_after_a_check(waited_ns: int) -> None:
        line.now += waited_ns
        line.reload(monkeypatch, replace(line.keeper.configuration, product="other"))
        line.later(int(START_S * SECOND))
        assert line.changeover.step is Step.PROVING

    proves_after_a_check(60 * SECOND)


# -- whoever ends, or is deaf, as the line is handed over ---------------------------------


def test_the_live_one_may_crash_as_it_is_to_leave(line):
    old, new = switching(line)
    line.dies(old)
    assert line.live is new and new.does() == ["live"]
    line.says(new, "live")
    assert line.keeper.configuration.in_use == "other" and line.keeper.pair.reserve is None


def test_a_live_one_that_is_deaf_is_killed(line):
    line.order()
    old, new = line.live, line.reserve
    old.deaf = True
    line.says(new, "standby", passed=True)
    assert old.signals == [signal.SIGKILL] and old.ended_on_purpose
    line.dies(old)
    assert line.live is new and new.does() == ["live"]


@pytest.mark.parametrize(
    ("state", "killed"),
    [(StageState.READY, False), (StageState.REFUSED, False), (StageState.STARTING, True), (StageState.LOST, True), (StageState.DOWN, True), (StageState.CHANGEOVER, True)],
)
def test_one_that_is_not_on_the_line_has_no_part_to_finish(line, state, killed):
    line.order()
    line.board[Cell.INSPECTION_STATE] = state
    line.says(line.reserve, "standby", passed=True)
    assert (line.live.signals == [signal.SIGKILL]) is killed
    assert (line.live.does() == ["retire"]) is not killed


def test_where_none_is_live_the_proven_one_takes_the_line_at_once(line):
    line.order()
    old, new = line.live, line.reserve
    old._pid = 0
    line.says(new, "standby", passed=True)
    assert line.live is new and new.does() == ["live"] and not old.signals


def test_the_other_ends_before_the_live_one_has_left(line):
    """It was told to leave, and finds nobody to follow: it goes on, and plc counts by its recipe again."""
    old, new = switching(line)
    line.dies(new)
    assert line.only().error == "the new engine's process ended as it took the line: signal SIGKILL"
    assert line.plc_counts_by() == ["other", "demo"]
    line.says(old, "retired")
    assert line.live is old and old.does() == ["retire", "live"]
    assert not line.landed and line.keeper.configuration.in_use == "demo"


def test_the_other_ends_as_it_takes_the_line(line):
    """Whoever left is still there."""
    old, new = switching(line)
    line.says(old, "retired")
    line.dies(new)
    assert line.live is old and old.does() == ["retire", "live"]
    assert line.only().error.startswith("the new engine's process ended as it took the line")
    assert line.plc_counts_by() == ["other", "demo"] and not line.landed


def test_a_switch_goes_on_while_the_other_runs(line):
    switching(line)
    for _ in range(3):
        line.later(20 * SECOND)
    assert line.changeover.step is Step.SWITCHING and line.results == []


# -- what is said at the wrong time, or by the wrong one ----------------------------------


def test_a_word_counts_only_from_whom_it_is_expected_and_when(line):
    """Of a process of before, of another stage, doubled or too early: nothing comes of it."""
    line.says(line.live, "standby", passed=True)
    line.says(line.live, "live")
    line.says(line.live, "swapped")
    line.later(0)
    assert not line.changeover.busy
    line.order()
    for stage in (line.live, line.plc, *line.keeper.cameras):
        line.says(stage, "standby", passed=True)
        line.says(stage, "live")
        line.says(stage, "swapped")
    line.says(line.reserve, "live")
    assert line.changeover.step is Step.PROVING and not line.landed and line.live.does() == []
    old, new = line.live, line.reserve
    line.says(new, "standby", passed=True)
    for word in ("swapped", "standby"):
        line.says(new, word, passed=False, error="late")
    line.says(old, "live")
    assert line.changeover.step is Step.SWITCHING and not line.landed
    line.says(new, "retired")
    assert new.does() == [], "it is not the one on the line"


def test_one_that_leaves_while_nothing_is_under_way_goes_on(line):
    """It was told so for a change that has failed meanwhile."""
    line.says(line.live, "retired")
    assert line.live.does() == ["live"]


# -- a reload ------------------------------------------------------------------------------


def test_files_that_are_wrong_are_refused(line, monkeypatch):
    order = line.reload(monkeypatch, ValueError("line.toml: takt"))
    assert line.only() == Result(order, "line.toml: takt")
    line.is_as_it_was()


def test_a_section_that_only_a_restart_changes_is_refused(line, monkeypatch):
    line.reload(monkeypatch, configuration(line={"name": "another"}))
    assert "line: changed" in line.only().error
    line.is_as_it_was()


def test_the_check_reads_the_file_in_use_and_waits_by_the_port(line, monkeypatch):
    asked = []
    monkeypatch.setattr(under_test, "settled", lambda *which: asked.append(which))
    line.keeper.configuration = replace(line.keeper.configuration, product="other")
    line.reload(monkeypatch, ValueError("-"))
    line.changeover.begin(Order("reload", "Ann", "command"))
    assert line.changeover._change is not None
    cast(Any, line.changeover._change.checking).work()
    ((file, product, sleep),) = asked
    assert (file, product) == (Path("line.toml"), "other")
    sleep(0.1)
    assert line.slept == [0.1]


def test_a_reload_that_changes_nothing_lands_at_once(line, monkeypatch):
    line.reload(monkeypatch, unchanged(line))
    assert line.only().error == "" and line.only().changed == ()
    assert line.live.does() == [] and len(line.landed) == 1
    assert line.changeover.last == {}, "no engine was changed"


@pytest.mark.parametrize(
    ("state", "proof", "anew"),
    [
        (StageState.READY, Proof.NOT_PROVEN, True),
        (StageState.READY, Proof.PROVEN, False),
        (StageState.READY, Proof.ACCEPTED, False),
        (StageState.STARTING, Proof.NOT_PROVEN, False),
        (StageState.REFUSED, Proof.NOT_PROVEN, False),
    ],
)
def test_golden_parts_that_were_away_as_inspection_started_are_proven_by_a_reload(line, monkeypatch, state, proof, anew):
    line.board[Cell.INSPECTION_STATE], line.board[Cell.PROVEN] = state, proof
    line.reload(monkeypatch, unchanged(line))
    if not anew:
        line.only()
        return
    assert line.changeover.step is Step.PROVING
    assert line.changeover._change is not None
    assert line.changeover._change.plan.notes == ("the product was not proven; its golden parts hold now",)


def test_a_reload_of_something_else_proves_nothing_anew(line, monkeypatch):
    line.board[Cell.PROVEN] = Proof.NOT_PROVEN
    stop = line.keeper.configuration.recipe.stop.model_copy(update={"same_place": 7})
    line.reload(monkeypatch, unchanged(line, stop=stop))
    assert line.changeover.step is Step.SWAPPING


def swapping(line: Line, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    stop = line.keeper.configuration.recipe.stop.model_copy(update={"same_place": 7})
    new = unchanged(line, stop=stop)
    line.reload(monkeypatch, new)
    return new


@pytest.mark.parametrize("upgraded", [False, True])
def test_stop_rules_are_swapped_between_two_parts(line, monkeypatch, upgraded):
    line.upgraded = upgraded
    new = swapping(line, monkeypatch)
    assert line.changeover.step is Step.SWAPPING and line.landed == [new]
    (told,) = line.live.told
    assert told == {"do": "recipe", "recipe": new.recipe.model_dump_json(), "upgraded": upgraded}
    assert line.setups[-1] == (new, "inspection", 0, {})
    assert line.results == [] and line.keeper.pair.reserve is None
    line.later(SECOND)
    line.says(line.live, "swapped")
    assert line.only().error == "" and line.only().plan.swap_recipe
    assert [each.key for each in line.only().changed] == ["recipes/demo.stop.same_place"]
    assert line.changeover.last == {}, "no engine was changed"


def test_a_swap_that_nobody_confirms_has_landed_all_the_same(line, monkeypatch):
    swapping(line, monkeypatch)
    line.later(5 * SECOND)
    assert line.changeover.step is Step.SWAPPING
    line.later(1)
    assert line.only().error == ""


def test_an_inspection_that_ends_in_a_swap_starts_with_the_recipe(line, monkeypatch):
    new = swapping(line, monkeypatch)
    line.dies(line.live)
    assert line.only().error == "" and line.keeper.configuration is new


def test_one_that_takes_no_messages_is_started_anew_with_the_recipe(line, monkeypatch):
    line.live.deaf = True
    swapping(line, monkeypatch)
    assert line.live.ended_on_purpose
    assert line.only().error == ""


def test_none_is_told_where_none_runs(line, monkeypatch):
    line.live._pid = 0
    swapping(line, monkeypatch)
    assert line.only().error == "" and not line.live.ended_on_purpose


# -- what is started anew beside it ----------------------------------------------------------


def test_a_changed_camera_is_waited_for_and_no_other(line, monkeypatch):
    old = line.keeper.configuration
    cameras = (old.line.cameras[0], old.line.cameras[1].model_copy(update={"open_s": 29.0}))
    line.reload(monkeypatch, replace(old, line=old.line.model_copy(update={"cameras": cameras})))
    left, right = (cast(Process, each) for each in line.keeper.cameras)
    assert right.does() == ["stop"] and left.does() == [] and line.plc.does() == []
    assert line.changeover.step is Step.SETTLING and line.results == []
    right._pid = 0
    line.later(MS)
    assert line.results == [], "it has ended, and is not there yet"
    right._pid = 77
    line.later(MS)
    assert line.only().error == ""


def test_a_camera_that_does_not_come_back_is_waited_for_two_seconds(line, monkeypatch):
    old = line.keeper.configuration
    cameras = (old.line.cameras[0].model_copy(update={"open_s": 29.0}), old.line.cameras[1])
    line.reload(monkeypatch, replace(old, line=old.line.model_copy(update={"cameras": cameras})))
    line.later(2 * SECOND)
    assert line.results == []
    line.later(1)
    assert line.only().error == ""


def test_a_changed_plc_is_waited_for(line, monkeypatch):
    old = line.keeper.configuration
    plc = old.line.plc.model_copy(update={"heartbeat_ms": old.line.plc.heartbeat_ms + 1})
    line.reload(monkeypatch, replace(old, line=old.line.model_copy(update={"plc": plc})))
    assert line.plc.does() == ["stop"] and line.results == []
    line.plc._pid = 78
    line.later(MS)
    assert line.only().error == ""


# -- what is polled ----------------------------------------------------------------------------


def test_a_switch_waits_for_nobodys_tick(line):
    """The sockets of the live one and of the other are polled, as long as a change is under way and they have one."""
    sockets = socket.socketpair()
    try:
        line.order()
        assert line.changeover.fds() == []
        line.live.control, line.reserve.control = sockets
        assert line.changeover.fds() == [each.fileno() for each in sockets]
        other = line.reserve
        line.keeper.pair.reserve = None
        assert line.changeover.fds() == [sockets[0].fileno()]
        line.keeper.pair.reserve = other
        line.says(other, "standby", passed=False, error="-")
        assert line.changeover.fds() == []
    finally:
        for each in sockets:
            each.close()
