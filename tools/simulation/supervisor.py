"""The supervisor: the daemon's own keeper, changeover, alarms and chronicle, with processes that are none.

What is left out of its loop is what reads files and serves clients.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.reload import ReloadPlan
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.ring import events
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import Board, Cell, StageState
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.stage import Setup
from aoi_daemon.supervisor.alarm_watch import AlarmWatch, product_differs
from aoi_daemon.supervisor.changeover import Changeover
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.conditions import Conditions
from aoi_daemon.supervisor.keeper import StageKeeper
from aoi_daemon.supervisor.order import Order, Result
from aoi_daemon.supervisor.plc_says import PlcSays
from aoi_daemon.supervisor.shared import Shared
from tools.simulation.inspection_stage import InspectionStage
from tools.simulation.life import Life
from tools.simulation.plan import Plan, Shape
from tools.simulation.process import Log, Memory
from tools.simulation.stage_process import Process
from tools.simulation.timeline import MS, Timeline, chance

_TICK_NS: Final = 50 * MS
_PRODUCTS: Final = ("demo", "other")


def recipes_of(shape: Shape) -> dict[str, Recipe]:
    """Each of its own engine: from one to the other is a change of processes."""
    pictures = [shape.picture(view) for view in range(shape.views)] if shape.named else []
    views = [{"name": f"v{n}", "camera": f"c{camera}", "fov": fov} for n, (camera, fov) in enumerate(pictures)]
    return {
        name: Recipe.model_validate(
            {"id": number, "name": name, "bundle": f"bundle{number}", "width_px": 64, "height_px": 64, "views": views}
        )
        for number, name in enumerate(_PRODUCTS, 1)
    }


class Supervisor(InspectionStage):
    """Of one start of the daemon. `start_plc` and `kill_plc` are of the process that the run holds."""

    def __init__(
        self, timeline: Timeline, plan: Plan, life: Life, log: Log, *, start_plc: Callable[[], None],
        kill_plc: Callable[[], None], tell_plc: Callable[..., None],
    ) -> None:  # fmt: skip
        super().__init__(timeline, plan, life)
        self._start_plc, self._kill_plc, self._tell_plc = start_plc, kill_plc, tell_plc
        self.board: Board = life.board
        for cell in (Cell.LINE_RUNNING, Cell.ASKED_RECIPE, Cell.FORCED):
            self.board[cell] = -1
        self._pids = 0
        self.audits: list[tuple[int, str]] = []
        chronicle = Chronicle(
            events.EventWriter(cast(SharedMemory, Memory(events.SIZE_BYTES))), log, timeline.now_ns
        )  # fmt: skip
        line, recipes = plan.shape.config(), recipes_of(plan.shape)
        configuration = Configuration(
            Path("line.toml"), line, recipes, material={name: f"engine of {name}" for name in recipes}
        )
        shared = cast(Shared, _Fds(self.board))
        self.keeper = StageKeeper(
            configuration, shared, self._setup, chronicle.event,
            process=lambda name, index: Process(name, index, self), clock=timeline,
        )  # fmt: skip
        self.keeper._log = log
        poll = line.plc.poll
        self.alarms = AlarmWatch(
            self.board, Conditions(self.board, len(line.cameras), None if poll is None else poll.ack_behind), chronicle
        )
        self.says = PlcSays(self.keeper.plc, self.alarms, chronicle, self._reset)
        self.changeover = Changeover(
            self.keeper, self._setup_of, self._land, self._done,
            clock=timeline, sleep=lambda _: None,
        )  # fmt: skip
        self.changeover._log = log
        self.done: list[Result] = []
        self._chronicle = chronicle

    # -- what Process asks ------------------------------------------------------

    def next_pid(self) -> int:
        """A number for a process."""
        self._pids += 1
        return self._pids

    def now_ns(self) -> int:
        """The clock."""
        return self._timeline.now

    def started(self, process: Process) -> None:
        """A process begins: its time until it is ready depends on what it is."""
        mark = self._pids
        if process.name == "plc":
            # The kernel starts an interpreter, which imports for a while.
            self._later(150 + 200 * chance(self._plan.seed, 80, mark), self._plc_begins, process, process.pid)
        elif process.name == "acquire":
            self._later(50 + 100 * chance(self._plan.seed, 81, mark), self._camera_is_open, process, process.pid)
        else:
            self._inspection_starts(process)

    def told(self, process: Process, command: dict[str, Any]) -> None:
        """A command for a process."""
        if process is self.keeper.plc:
            self._tell_plc(**command)
        elif process.name == "inspection":
            self._later(0.3, self._inspection_hears, process, process.pid, command["do"])

    def killed(self, process: Process) -> None:
        """SIGKILL from the supervisor."""
        if process is self.keeper.plc:
            self._kill_plc()
        else:
            self._inspection_is_gone(process)
            self._later(1, self.ended, process, process.pid)

    # -- what the run says ------------------------------------------------------

    def start(self) -> None:
        """Start the stages, and the loop."""
        self.keeper.start_all()
        self._later(50, self._tick)

    def says_of_plc(self, **message: Any) -> None:
        """The plc stage tells something; heard within a millisecond, as its socket wakes the loop."""
        self._later(1, self._heard, self.keeper.plc, message)

    def ended(self, process: StageProcess, pid: int) -> None:
        """A process is gone."""
        if not self.over and process.pid == pid:
            self.keeper.ended(process)

    def inspection_dies(self) -> None:
        """The engine crashes."""
        live = self.keeper.pair.live
        self._inspection_is_gone(live)
        self._later(1, self.ended, live, live.pid)

    def change_over(self) -> None:
        """A person orders the other product."""
        if not self.changeover.busy:
            in_use = self.keeper.configuration.in_use
            product = next(name for name in _PRODUCTS if name != in_use)
            self.changeover.begin(Order("recipe", "a person", "command", product=product))

    # -- its loop ------------------------------------------------------------------

    def _tick(self) -> None:
        if self.over:
            return
        now = self._timeline.now
        self.board[Cell.SUPERVISOR_NS] = now
        for stage, message in self.keeper.heard():
            self._heard(stage, message)
        self.keeper.look(paused=False)
        self.changeover.look(now)
        self.says.look(now)
        others = {} if self.changeover.busy else product_differs(self.board)
        if self._plan.shape.polled:
            others.pop(Alarm.PRODUCT_DIFFERS, None)  # the shipped program asks for no product
        if self.alarms.look(now, others):
            self.keeper.wake_plc()
        self._timeline.at(now + _TICK_NS, self._tick)

    def _heard(self, stage: StageProcess, message: dict[str, Any]) -> None:
        if self.over:
            return
        tell = message["tell"]
        if tell == "alarm_reset":
            self.says.alarm_reset(self._timeline.now)
        elif tell == "plc_refused":
            self.says.refused(message["detail"])
        elif tell not in ("forced", "unforced"):
            self.changeover.heard(stage, message)

    def _reset(self, by: str, via: str) -> None:
        if self._chronicle.audit("reset", by, via):
            self.audits.append((self._timeline.now, "reset"))
        self.alarms.reset(by, self._timeline.now)
        self.keeper.reset()

    def _land(self, configuration: Configuration, _: ReloadPlan) -> None:
        self.keeper.configuration = configuration
        self._tell_plc(do="recipe", recipe=configuration.recipe.model_dump_json())

    def _done(self, result: Result) -> None:
        self.done.append(result)

    def _setup(self, name: str, index: int, fds: dict[str, int]) -> Setup:
        return self._setup_of(self.keeper.configuration, name, index, fds)

    @staticmethod
    def _setup_of(configuration: Configuration, name: str, index: int, fds: dict[str, int]) -> Setup:
        return Setup(
            name, index, configuration.line, configuration.recipe, "json", "", configuration.file, Path("socket"), fds
        )

    # -- the processes -----------------------------------------------------------------

    def _plc_begins(self, process: StageProcess, pid: int) -> None:
        if not self.over and process.pid == pid:
            self._start_plc()

    def _camera_is_open(self, process: StageProcess, pid: int) -> None:
        if not self.over and process.pid == pid:
            self._life.camera_is(process.index, there=True)

    def _wakes(self) -> None:
        """A switch waits for no tick: the loop looks at those sockets."""
        self._later(0.5, self._hears)

    def _hears(self) -> None:
        if not self.over:
            for stage, message in self.keeper.heard():
                self._heard(stage, message)

    def is_ready(self) -> bool:
        """All stages are."""
        return self.board[Cell.INSPECTION_STATE] == StageState.READY and bool(self.board[Cell.READY])


class _Fds:
    """Stands for `Shared`: a board, and no descriptors that a process would be given."""

    def __init__(self, board: Board) -> None:
        self.board = board

    @staticmethod
    def fds_for(stage: str, index: int) -> dict[str, int]:
        """None are needed."""
        return {}


def product_of(supervisor: Supervisor) -> Recipe:
    """What plc is set up with."""
    return supervisor.keeper.configuration.recipe


