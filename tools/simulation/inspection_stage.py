"""What the supervisor and its inspection processes say to each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from aoi_daemon.config.views import expected_of, views_of
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.supervisor.keeper import StageKeeper
from tools.simulation.inspection import Inspection
from tools.simulation.life import Life
from tools.simulation.plan import Plan
from tools.simulation.stage_process import Process
from tools.simulation.timeline import MS, Timeline, chance


class InspectionStage(ABC):
    """Starts, tells and hears inspection processes, for the supervisor of one start of the daemon."""

    keeper: StageKeeper

    def __init__(self, timeline: Timeline, plan: Plan, life: Life) -> None:
        self._timeline = timeline
        self._plan = plan
        self._life = life
        self.over = False
        self._inspections: dict[StageProcess, Inspection] = {}
        self._proven: set[int] = set()  # by process id: they have said so

    @abstractmethod
    def next_pid(self) -> int:
        """A number for a process."""

    @abstractmethod
    def ended(self, process: StageProcess, pid: int) -> None:
        """A process is gone."""

    @abstractmethod
    def _wakes(self) -> None:
        """Something was said."""

    def _later(self, ms: float, do: Callable[..., None], *about: Any) -> None:
        self._timeline.at(self._timeline.now + int(ms * MS), do, *about)

    def _inspection_starts(self, process: Process) -> None:
        assert process.setup is not None
        pid = process.pid
        self._inspections[process] = self._life.inspections.starts(
            process.setup, self.next_pid, lambda why: self._inspection_exits(process, pid, why)
        )
        self._later(200 + 300 * chance(self._plan.seed, 82, pid), self._engine_is_open, process, pid)

    def _inspection_is_gone(self, process: StageProcess) -> None:
        if process in self._inspections:
            self._inspections[process].ends()

    def _engine_is_open(self, process: Process, pid: int) -> None:
        if not self.over and process.pid == pid:
            self._inspections[process].opened(lambda: self._engine_is_ready(process, pid))

    def _engine_is_ready(self, process: Process, pid: int) -> None:
        if self.over or process.pid != pid:
            return
        if process is self.keeper.pair.live:
            self._goes_live(process)
        else:
            self._proven.add(pid)
            process.said.append({"tell": "standby", "passed": True, "error": ""})
            self._wakes()

    def _inspection_exits(self, process: Process, pid: int, why: str) -> None:
        """It ended by itself: a standby says why, where it has not proven itself."""
        if self.over or process.pid != pid:
            return
        if process is not self.keeper.pair.live and pid not in self._proven:
            process.said.append({"tell": "standby", "passed": False, "error": why})
            self._wakes()
        self._later(1, self.ended, process, pid)

    def _goes_live(self, process: Process) -> None:
        assert process.setup is not None
        views = views_of(process.setup.recipe, self._plan.shape.config().cameras)

        def live() -> None:
            process.said.append({"tell": "live"})
            self._wakes()

        self._inspections[process].goes_live(expected_of(views).code, live)

    def _inspection_hears(self, process: Process, pid: int, do: str) -> None:
        if self.over or process.pid != pid:
            return
        pair = self.keeper.pair
        if do == "retire" and process is pair.live:
            self._inspections[process].retires(lambda: self._retired(process))
        elif do == "live" and process is pair.live:
            self._later(1 + 10 * chance(self._plan.seed, 83, pid), self._takes_the_line, process, pid)
        elif do == "stop":
            self._inspections[process].stops()
            # Where there are lanes, one may be told in vain, and goes with lane 0, whose engine takes its time.
            longest_ms = 500 if self._plan.shape.lanes > 1 else 0
            self._later(5 + longest_ms * chance(self._plan.seed, 87, pid), self._stopped, process, pid)

    def _stopped(self, process: Process, pid: int) -> None:
        if process.pid == pid:
            self._inspections[process].ends()
            self.ended(process, pid)

    def _takes_the_line(self, process: Process, pid: int) -> None:
        if not self.over and process.pid == pid and process is self.keeper.pair.live:
            self._goes_live(process)

    def _retired(self, process: Process) -> None:
        process.said.append({"tell": "retired"})
        self._wakes()
