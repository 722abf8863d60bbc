"""Keeps the stages alive: starts them, notices when they end or hang, starts them again.

Moves the line's state by `lifecycle`'s table. Knows nothing of alarms, commands
or configuration files; the supervisor gives it the configuration to start with.
"""

from __future__ import annotations

import select
import signal
from collections.abc import Callable
from typing import Any, Final

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.views import without_regions
from aoi_daemon.ring.parcel import MessageError
from aoi_daemon.ring.ports import Clock
from aoi_daemon.stage.board import CameraCell, Cell, Hears, Link, StageState, camera_cell
from aoi_daemon.stage.lifecycle import Event, Line, after
from aoi_daemon.stage.logs import logger
from aoi_daemon.stage.process import STOPPED, StageProcess
from aoi_daemon.stage.stage import Setup, now_ns
from aoi_daemon.supervisor.pair import InspectionPair
from aoi_daemon.supervisor.restarts import RestartBudget
from aoi_daemon.supervisor.shared import Shared
from aoi_daemon.supervisor.watchdog import DECISION_LOOP, Look

_STOP_S: Final = 3.0
_AFTER_STOP_NS: Final = 1_000_000_000
"""So long a stage that was stopped stays down, where the service goes on."""
_NO_ROOM_NS: Final = 200_000_000
"""The system had no room for a process: it has none a moment later either."""


class StageKeeper:
    """The stages of one line, and the state that they are in together."""

    def __init__(
        self, configuration: Configuration, shared: Shared, setup: Callable[[str, int, dict[str, int]], Setup],
        event: Callable[..., None], *, process: Callable[[str, int], StageProcess], clock: Clock,
    ) -> None:  # fmt: skip
        self._now_ns = clock.now_ns
        self.configuration = configuration
        self._shared = shared
        self._setup = setup
        self._event = event
        self._log = logger()
        self.board = shared.board
        line = configuration.line
        # plc first: the safe state is on the wire before anything else begins.
        self.plc = process("plc", 0)
        self.pair = InspectionPair(process, clock)
        self.cameras = [process("acquire", index) for index in range(len(line.cameras))]
        self._budget = RestartBudget(line.supervisor.restarts, int(line.supervisor.window_s * 1e9))
        self._due: dict[str, int] = {}  # stage label: when to start it again
        self.state = Line.STARTING
        self.board[Cell.LINE_STATE] = self.state

    @property
    def stages(self) -> list[StageProcess]:
        """Those that the line needs: of two inspections the one that is live."""
        return [self.plc, self.pair.live, *self.cameras]

    @property
    def processes(self) -> list[StageProcess]:
        """All of them, those on their way in or out too."""
        return [*self.stages, *self.pair.others]

    def start_all(self) -> None:
        """Start every stage."""
        for stage in self.stages:
            self._start(stage)

    def look(self, *, paused: bool) -> None:
        """Kill what hangs (unless the machine `paused`, all of it), start what is due, see whether all are ready."""
        now = self._now_ns()
        for stage in self.stages:
            # No stage moves while the machine is held up: after a pause each has one more look to move in.
            if stage.pid and not paused and self._hangs(stage, now):
                self._log.error("stage_hangs", which=stage.label, pid=stage.pid, action="kill and restart")
                stage.signal(signal.SIGKILL)
            if now >= self._due.get(stage.label, now + 1) and self.state is not Line.FAULTED:
                del self._due[stage.label]
                self._begin(stage)
        self.pair.look(now)
        if all(self.state_of(stage) == StageState.READY for stage in self.stages):
            self.move(Event.ALL_READY)

    def move(self, event: Event) -> None:
        """Something happened to the line; its new state is on the board, and plc looks at it at once."""
        state = after(self.state, event)
        if state is self.state:
            return
        log = self._log.error if state is Line.FAULTED else self._log.info
        log("line", was=self.state.name, now=state.name, because=event.value)
        self._event("line", was=self.state.name, now=state.name, because=event.value)
        self.state = state
        self.board[Cell.LINE_STATE] = state
        self.wake_plc()

    def tell_plc(self, recipe: Recipe) -> bool:
        """Tell plc what it counts by from now on; False when it cannot take it now.

        Without the regions, which it has no use for: to read 10,000 corners took 2.4 ms of its loop.
        """
        return self.plc.hand(do="recipe", recipe=without_regions(recipe).model_dump_json())

    def wake_plc(self) -> None:
        """Let plc look at the board now instead of at its next heartbeat."""
        self.plc.tell(do="look")

    def state_of(self, stage: StageProcess) -> int:
        """What the board says of `stage`; DOWN while it has no process."""
        return self.board[self._cell_of(stage)] if stage.pid else StageState.DOWN

    def restart(self, stage: StageProcess) -> None:
        """End `stage` in order; it is started again with the configuration as it is then, outside the budget."""
        if stage.pid:
            stage.ended_on_purpose = True
            stage.tell(do="stop")

    @staticmethod
    def kill(stage: StageProcess) -> None:
        """End `stage` at once, on purpose."""
        stage.ended_on_purpose = True
        stage.signal(signal.SIGKILL)

    def reset(self) -> None:
        """A person has looked at the line: a new budget, and a new start of what has been given up."""
        self._budget.reset()
        self.plc.tell(do="reset")
        self.move(Event.RESET)
        for stage in self.stages:
            if self.state_of(stage) == StageState.REFUSED:
                self.restart(stage)

    def prove(self, setup: Callable[[str, int, dict[str, int]], Setup]) -> None:
        """Start another inspection beside the live one. Raises OSError and MessageError as `start` does."""
        self.pair.prove(setup("inspection", 0, self._shared.fds_for("inspection", 0)))
        assert self.pair.reserve is not None
        self._log.info("standby_started", pid=self.pair.reserve.pid)

    def exchange(self) -> bool:
        """The other inspection takes the line, where one is ready to. It is given `hang_ms` for it."""
        if not self.pair.proven:
            return False
        before = self.board[Cell.INSPECTION_STATE]
        # Before it is told: from then on these cells are its own.
        self.board[Cell.INSPECTION_STATE] = StageState.CHANGEOVER
        self.board[Cell.INSPECTION_NS] = self._now_ns()
        if not self.pair.exchange():
            self.board[Cell.INSPECTION_STATE] = before
            return False
        self._due.pop(self.pair.live.label, None)
        self.wake_plc()
        return True

    def ended(self, stage: StageProcess) -> None:
        """The process of `stage` is gone: say so to everybody, and start it again as the budget allows."""
        if stage in self.pair.others:
            self._log.info("inspection_ended", pid=stage.pid, how=self.pair.ended(stage))
            return
        pid, how = stage.pid, stage.reap()
        self.pair.how = how if stage is self.pair.live else self.pair.how
        # On the board before anything is decided: plc rejects what waits, and takes READY, by these cells.
        self._mark_lost(stage)
        self.wake_plc()
        if stage.ended_on_purpose:
            self._begin(stage)
            return
        if how in STOPPED:
            # All of the service are told to stop, and this one was the first to hear it; or a person did it.
            self._log.info("stage_stopped", which=stage.label, pid=pid, how=how)
            self.move(Event.STAGE_LOST)
            self._due[stage.label] = self._now_ns() + _AFTER_STOP_NS
            return
        # A proven inspection that waits takes over at once: it needs no start, and costs no restart of the budget.
        if stage is self.pair.live and self.exchange():
            self._log.error("stage_lost", which=stage.label, pid=pid, how=how, instead=self.pair.live.pid)
            self._event("stage", which=stage.label, what="lost", how=how)
            return
        delay_ns = self._lost(stage, "stage_lost", "lost", how, pid=pid)
        if delay_ns == 0 and self.state is not Line.FAULTED:
            self._begin(stage)
        else:
            self._due[stage.label] = self._now_ns() + delay_ns

    def _lost(self, stage: StageProcess, said: str, what: str, how: str, **more: Any) -> int:
        """`stage` does not run, unasked: it costs a restart of the budget. How long to wait before it, in ns."""
        restart = self._budget.lost(self._now_ns())
        allowed = self.configuration.line.supervisor.restarts
        self._log.error(said, which=stage.label, how=how, restarts=f"{restart.number}/{allowed}", **more)
        self._event("stage", which=stage.label, what=what, how=how)
        self.move(Event.BUDGET_SPENT if restart.spent else Event.STAGE_LOST)
        self.board.add(Cell.RESTARTS)
        return restart.delay_ns

    def stop_all(self) -> None:
        """No new part first, then the parts in hand, then the safe state; the engine last."""
        self.move(Event.TERMINATE)
        for name in ("acquire", "plc", "inspection"):
            group = [stage for stage in self.processes if stage.name == name and stage.pid]
            for stage in group:
                stage.tell(do="stop")
                if name != "plc":  # which writes the safe state first, ready or not
                    stage.signal(signal.SIGTERM)  # heard by one that is not ready yet
            self.await_ends(group)

    @staticmethod
    def await_ends(group: list[StageProcess], stop_ns: int = int(_STOP_S * 1e9)) -> None:
        """Reap those of `group` as they end; kill what has not ended after `stop_ns`."""
        until = now_ns() + stop_ns
        while running := [stage for stage in group if stage.pid]:
            poll = select.poll()
            for stage in running:
                poll.register(stage.pidfd, select.POLLIN)
            ready = {fd for fd, _ in poll.poll(50)}
            for stage in running:
                if stage.pidfd in ready:
                    stage.reap()
                elif now_ns() > until:
                    stage.signal(signal.SIGKILL)

    def _cell_of(self, stage: StageProcess) -> int:
        if stage.name == "acquire":
            return camera_cell(stage.index, CameraCell.STATE)
        return Cell.INSPECTION_STATE if stage.name == "inspection" else Cell.PLC_STATE

    def _begin(self, stage: StageProcess) -> None:
        if stage is not self.pair.live or not self.exchange():
            self._start(stage)

    def _start(self, stage: StageProcess) -> None:
        self.board[self._cell_of(stage)] = StageState.STARTING
        try:
            stage.start(self._setup(stage.name, stage.index, self._shared.fds_for(stage.name, stage.index)))
        except (OSError, MessageError) as error:
            self._mark_lost(stage)
            delay_ns = self._lost(stage, "stage_not_started", "not started", str(error))
            self._due[stage.label] = self._now_ns() + max(delay_ns, _NO_ROOM_NS)
            return
        self._log.info("stage_started", which=stage.label, pid=stage.pid)

    def _mark_lost(self, stage: StageProcess) -> None:
        self.board[self._cell_of(stage)] = StageState.LOST
        if stage.name == "inspection":
            self.board[Cell.GOLDEN_PASSED] = self.board[Cell.PROVEN] = 0
        elif stage.name == "acquire":
            self.board[camera_cell(stage.index, CameraCell.PRESENT)] = 0
            self.board[camera_cell(stage.index, CameraCell.HEARS)] = Hears.NOTHING
        else:
            self.board[Cell.LINK] = Link.DOWN
            self.board[Cell.READY] = 0
            self.board[Cell.FORCED] = -1

    def _hangs(self, stage: StageProcess, now: int) -> bool:
        section = self.configuration.line.supervisor
        if self.state_of(stage) == StageState.STARTING:
            return now - stage.started_ns > section.start_s * 1e9
        if stage.name == "acquire":
            moved = self.board[camera_cell(stage.index, CameraCell.PROGRESS_NS)]
            limit_s = self.configuration.line.cameras[stage.index].open_s
        else:
            moved = self.board[Cell.INSPECTION_NS if stage.name == "inspection" else Cell.PLC_NS]
            limit_s = section.hang_ms / 1e3
        return now - max(moved, stage.started_ns) > limit_s * 1e9

    def looks(self) -> list[Look]:
        """The decision loop, for the service manager's watchdog."""
        return [
            Look(
                stage.name, self.state_of(stage), self.board[DECISION_LOOP[stage.name]], stage.started_ns,
                self._due.get(stage.label, 0),
            )
            for stage in self.stages
            if stage.name in DECISION_LOOP
        ]  # fmt: skip

    def heard(self) -> list[tuple[StageProcess, dict[str, Any]]]:
        """What the stages have said since the last call."""
        return [(stage, message) for stage in self.processes for message in stage.heard()]
