"""An inspection process with its lanes, as supervisor, board and doorbells see it.

The lanes beside lane 0 are processes of the daemon's own `Lanes`, which says whether all have answered. The order of
steps is that of `aoi_daemon/inspection/main.py` and `lane.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from aoi_daemon.inspection.lanes import LANE_S, Awaited, LaneLostError, Lanes
from aoi_daemon.messages import Announcement, Proof
from aoi_daemon.stage.board import Cell, StageState, lane_cell
from aoi_daemon.stage.stage import Setup, Stage
from tools.simulation.judging import BUNDLE, Judging
from tools.simulation.plan import Plan
from tools.simulation.stage_process import Process
from tools.simulation.timeline import MS, Timeline, chance
from tools.simulation.world import Weather

if TYPE_CHECKING:
    from tools.simulation.life import Life

Said = Callable[[list[dict[str, Any]]], None]
_HEARS_NS: Final = 3 * MS // 10
"""From a command to the process that reads it."""
_WITH_IT_NS: Final = 3 * MS // 10
"""A lane goes with lane 0: the kernel kills it, so much later at most."""


class Inspection:
    """One process, lane 0, and the lanes that it starts.

    Args:
        number: which one it is of this start of the daemon.
        setup: what the supervisor starts it with.
        next_pid: gives a number for a process.
        ended: called once it has ended by itself; with what it tells the supervisor of it.
    """

    def __init__(
        self, timeline: Timeline, plan: Plan, weather: Weather, life: Life, *, number: int, setup: Setup,
        next_pid: Callable[[], int], ended: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._timeline = timeline
        self._plan = plan
        self._life = life
        self._number = number
        self._ended = ended
        self._next_pid = next_pid
        self.gone = False
        self._waits = False  # lane 0 waits for the others, and judges nothing
        self._process: dict[int, Process] = {}
        self.recipe = setup.recipe.id
        self._judging = [
            Judging(
                timeline, plan, weather, life, number=lane, by=(number, self.recipe),
                moved=self._lane_0_moved if lane == 0 else self._lane_moved(lane),
            )
            for lane in range(plan.shape.lanes)
        ]  # fmt: skip
        stage = SimpleNamespace(setup=setup, config=setup.config, board=life.board, tell=_none)
        self._lanes = Lanes(cast(Stage, stage), process=self._make, clock=timeline)
        self._lanes.start()

    # -- what `Process` asks: these are the lanes' processes ---------------------------------

    def _make(self, lane: int) -> Process:
        self._process[lane] = process = Process("inspection", lane, self)
        return process

    def next_pid(self) -> int:
        """A number for a process."""
        return self._next_pid()

    def now_ns(self) -> int:
        """The clock."""
        return self._timeline.now

    def started(self, process: Process) -> None:
        """A lane begins: it opens its engine."""
        took_ms = 200 + 300 * chance(self._plan.seed, 84, process.pid)
        self._timeline.at(self._timeline.now + int(took_ms * MS), self._is_open, process)

    def told(self, process: Process, command: dict[str, Any]) -> None:
        """A command for a lane."""
        self._timeline.at(self._timeline.now + _HEARS_NS, self._hears, process, command["do"])

    def killed(self, process: Process) -> None:
        """Nobody signals a lane."""

    # -- the lanes ------------------------------------------------------------------

    def _is_open(self, process: Process) -> None:
        if self.gone or not process.alive or self._fails("open", process):
            return
        process.said.append({"tell": "lane"})

    def _hears(self, process: Process, word: str) -> None:
        """A lane reads what it was told, as soon as it looks."""
        if self.gone or not process.alive:
            return
        judging = self._judging[process.index]
        if judging.hung or (word == "stop" and judging.busy):
            self._timeline.at(self._timeline.now + MS, self._hears, process, word)
        elif word == "live":
            if not self._fails(word, process):
                judging.takes_up()
                process.said.append({"tell": "lane_live"})
                judging.takes()
        elif word == "retire":
            if not self._fails(word, process):
                judging.leaves(lambda: self._lane_left(process))
        elif word == "stop":
            self.lane_dies(process.index)

    def _lane_left(self, process: Process) -> None:
        self._judging[process.index].ends()
        process.said.append({"tell": "lane_retired"})

    def _fails(self, word: str, process: Process) -> bool:
        """Whether the lane fails as it is told `word`, as a fault wants it: it dies, or stands for a while."""
        for_ns = self._life.inspections.fails(word)
        if for_ns is None:
            return False
        if not for_ns:
            self.lane_dies(process.index)
            return True
        if word == "retire":
            self._judging[process.index].hangs(for_ns)
        again = (self._is_open, process) if word == "open" else (self._hears, process, word)
        self._timeline.at(self._timeline.now + for_ns, *again)
        return True

    def lane_dies(self, lane: int) -> None:
        """Its process is gone, and lane 0 sees it as soon as it looks."""
        process = self._process[lane]
        self._judging[lane].ends()
        process.alive = False
        self._timeline.at(self._timeline.now + MS // 10, self._check)

    def _check(self) -> None:
        """Lane 0 looks after the others, where it is in its loop."""
        if self.on and self._judging[0].free and not self._waits and not self.gone:
            try:
                self._lanes.check()
            except LaneLostError as error:
                self._exits(str(error))

    def _lane_moved(self, lane: int) -> Callable[[int], None]:
        cell, board = lane_cell(lane), self._life.board

        def moved(now_ns: int) -> None:
            board[cell] = now_ns

        return moved

    def _lane_0_moved(self, now_ns: int) -> None:
        if not self._waits:
            self._life.board[Cell.INSPECTION_NS] = self._lanes.slowest_ns(now_ns)

    # -- lane 0 -----------------------------------------------------------------------

    def _hear(self, word: str, limit_s: float, then: Said) -> None:
        """As `Lanes.hear`, in virtual time: lane 0 goes on with `then` once all have said `word`."""
        self._waits = True
        self._look(self._lanes.awaits(word, limit_s), then)

    def _look(self, awaited: Awaited, then: Said) -> None:
        if self.gone:
            return
        if self._judging[0].hung:
            said = None
        else:
            try:
                said = self._lanes.answers(awaited)
            except LaneLostError as error:
                self._exits(str(error))
                return
        if said is None:
            self._timeline.at(self._timeline.now + MS // 2, self._look, awaited, then)
            return
        self._waits = False
        then(said)

    def _tells(self, word: str) -> bool:
        try:
            self._lanes.tell(do=word)
        except LaneLostError as error:
            self._exits(str(error))
            return False
        return True

    def opened(self, then: Callable[[], None]) -> None:
        """Its own engine is open: `then`, once those of all lanes are."""
        self._hear("lane", 60.0, lambda _: then())

    def goes_live(self, views: int, then: Callable[[], None]) -> None:
        """Take the line, once all lanes have. `views`: which ones it judges, `Expected.code`."""
        if not self.gone and self._tells("live"):
            self._hear("lane_live", LANE_S, lambda _: self._is_live(views, then))

    def _is_live(self, views: int, then: Callable[[], None]) -> None:
        board = self._life.board
        board[Cell.VIEWS] = views
        board[Cell.RECIPE], board[Cell.BUNDLE], board[Cell.GOLDEN_PASSED] = self.recipe, BUNDLE, 1
        board[Cell.PROVEN] = Proof.PROVEN
        board[Cell.LIVE_NS] = self._judging[0].takes_up()
        board[Cell.INSPECTION_NS] = board[Cell.LIVE_NS]
        board[Cell.INSPECTION_STATE] = StageState.READY
        self._judging[0].takes()
        then()

    def retires(self, then: Callable[[], None]) -> None:
        """Leave the line in order: lane 0 ends its view, then the others theirs."""

        def others() -> None:
            if self._tells("retire"):
                self._hear("lane_retired", LANE_S, lambda _: self._has_left(then))

        self._judging[0].leaves(others)

    def _has_left(self, then: Callable[[], None]) -> None:
        self._judging[0].ends()
        self._life.board[Cell.INSPECTION_STATE] = StageState.CHANGEOVER
        then()

    def _exits(self, why: str) -> None:
        """It ends by an error."""
        self.ends()
        self._ended(why)

    def stops(self) -> None:
        """It is told to end: it judges no more, and tells the lanes."""
        self._judging[0].ends()
        self._lanes.close()

    def ends(self) -> None:
        """Its process is gone, and the lanes with it."""
        if self.gone:
            return
        self.gone = True
        self._judging[0].ends()
        for lane in range(1, len(self._judging)):
            late = int(_WITH_IT_NS * chance(self._plan.seed, 85, 8 * self._number + lane))
            self._timeline.at(self._timeline.now + late, self._judging[lane].ends)

    # -- what is seen of it ---------------------------------------------------------------

    @property
    def on(self) -> bool:
        """It is on the line."""
        return self._judging[0].on

    @property
    def stands(self) -> bool:
        """It says that it works, and one of its lanes does not."""
        return self.on and any(judging.hung for judging in self._judging)

    @property
    def moved_ns(self) -> int:
        """When the lane that has not moved for longest moved last."""
        return min(judging.moved_ns for judging in self._judging)

    def hangs(self, lane: int, for_ns: int) -> None:
        """That lane stands for so long."""
        self._judging[lane].hangs(for_ns)

    def hands(self) -> list[deque[Announcement]]:
        """What its lanes have read, and not judged yet."""
        return [judging.hand for judging in self._judging]

    def rung(self) -> None:
        """A frame is there."""
        for judging in self._judging:
            judging.takes()

    def moves(self) -> None:
        """Its loops turn, as they do without a part."""
        for judging in self._judging[1:]:
            judging.moves()
        if not self._waits:
            self._judging[0].moves()
        if self._process:
            self._check()


def _none(**_: Any) -> None:
    """What lane 0 hands on to the supervisor concerns no part."""
