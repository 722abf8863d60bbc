"""One change on its way into the line: a reload, or another product. It lands completely, or the line stays as it is.

    files checked -> plan -> nothing that judges a part: it lands, the recipe is swapped between two parts
                          -> anything else: a second inspection proves itself, and the product, beside the live one
                               -> refused: the live one has not noticed
                               -> proven: the live one finishes its part and leaves, the other takes the line: it lands

Whoever ends at whatever moment: the line goes on with the one that is left, and
the configuration in use is always the one that parts are judged by. One change
at a time: an order that comes meanwhile is refused with a text, as a person who
gave it has not seen what came of the first.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from aoi_daemon.config.changes import changes
from aoi_daemon.config.load import Configuration
from aoi_daemon.config.reload import ReloadPlan, plan
from aoi_daemon.errors import ConfigError
from aoi_daemon.messages import Proof
from aoi_daemon.ring.parcel import MessageError
from aoi_daemon.ring.ports import Clock
from aoi_daemon.stage.board import Cell, StageState
from aoi_daemon.stage.logs import logger
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.stage import Setup
from aoi_daemon.supervisor.checking import Checking, settled
from aoi_daemon.supervisor.keeper import StageKeeper
from aoi_daemon.supervisor.order import Order, Result, Step, UnderWay

_SECOND: Final = 1_000_000_000
_SWAP_NS: Final = 5 * _SECOND
"""Longest wait for inspection to say that it has swapped; what it is told has landed either way."""
_SETTLE_NS: Final = 2 * _SECOND
"""Longest wait for READY after a switch, and for the stages that are started anew; with no PLC there is no READY."""


class Changeover:
    """The change under way, if there is one.

    Args:
        keeper: of the stages.
        setup: makes a stage's setup for a configuration.
        land: makes a configuration the one in use, and tells everybody but inspection.
        done: hears what came of each order, once.
        clock: that of the `now` which `look` is given.
        sleep: waits so many seconds, in the thread of a check.
    """

    def __init__(
        self,
        keeper: StageKeeper,
        setup: Callable[[Configuration, str, int, dict[str, int]], Setup],
        land: Callable[[Configuration, ReloadPlan], None],
        done: Callable[[Result], None],
        *,
        clock: Clock,
        sleep: Callable[[float], object],
    ) -> None:
        self._now_ns = clock.now_ns
        self._sleep = sleep
        self._keeper = keeper
        self._setup = setup
        self._land = land
        self._done = done
        self._log = logger()
        self._change: UnderWay | None = None
        self.step = Step.IDLE
        self.last: dict[str, Any] = {}
        """Of the last switch from one engine to another: `last_ms` and `recipe`."""

    @property
    def busy(self) -> bool:
        """Whether a change is under way."""
        return self._change is not None

    def fds(self) -> list[int]:
        """What to poll for reading, so that a switch does not wait for the next tick."""
        if self._change is None:
            return []
        pair = self._keeper.pair
        processes = [pair.live] if pair.reserve is None else [pair.live, pair.reserve]
        return [process.control.fileno() for process in processes if process.control is not None]

    def status(self) -> dict[str, Any]:
        """For the status JSON."""
        under_way = {"what": self._change.order.what} if self._change else {}
        return {"step": self.step.value, **under_way, **self.last}

    def begin(self, order: Order) -> None:
        """Begin; only while nothing is under way."""
        old = self._keeper.configuration
        self._change = change = UnderWay(order, old)
        self._go(change, Step.CHECKING)
        if order.what == "reload":
            change.checking = Checking(lambda: settled(old.file, old.in_use, self._sleep), self._log)
            return
        try:
            self._plan(change, old.with_product(order.product))
        except ConfigError as error:
            self._refuse(change, str(error))

    def look(self, now: int) -> None:
        """What has become of it since; called in each tick."""
        change = self._change
        if change is None:
            return
        waited_ns = now - change.since_ns
        if self.step is Step.CHECKING:
            self._look_at_check(change)
        elif self.step is Step.PROVING:
            self._look_at_proof(change, waited_ns)
        elif self.step is Step.SWAPPING:
            if waited_ns > _SWAP_NS or self._keeper.pair.live.pid != change.pid:
                self._settle(change)
        elif self.step is Step.SWITCHING:
            if change.pid not in self._keeper.pair.pids:
                self._back(change)
        else:
            self._look_at_rest(change, waited_ns)

    def heard(self, stage: StageProcess, message: dict[str, Any]) -> None:
        """A stage has said something."""
        pair, change, tell = self._keeper.pair, self._change, message["tell"]
        if tell == "retired" and stage is pair.live and not self._keeper.exchange():
            stage.tell(do="live")  # who was to follow has ended: it goes on
        if change is None:
            return
        if tell == "standby" and stage is pair.reserve and self.step is Step.PROVING:
            if message["passed"]:
                pair.proven = True
                self._switch(change)
            else:
                self._refuse(change, message["error"])
        elif tell == "live" and self.step is Step.SWITCHING and stage.pid == change.pid:
            self._landed(change)
        elif tell == "swapped" and self.step is Step.SWAPPING:
            self._settle(change)

    def _go(self, change: UnderWay, step: Step) -> None:
        self.step = step
        change.since_ns = self._now_ns()

    def _look_at_check(self, change: UnderWay) -> None:
        checking = change.checking
        if checking is None or not checking.done:
            return
        if checking.found is None:
            self._refuse(change, checking.error)
            return
        try:
            self._plan(change, checking.found)
        except ConfigError as error:
            self._refuse(change, str(error))

    def _plan(self, change: UnderWay, new: Configuration) -> None:
        """The files are right. Raises ConfigError where the change needs a restart of the service."""
        change.plan = plan(change.old, new)
        if not change.plan.changed and self._unproven():
            note = "the product was not proven; its golden parts hold now"
            change.plan = replace(change.plan, standby=True, notes=(*change.plan.notes, note))
        change.new = new
        if not change.plan.standby:
            self._swap(change)
            return
        try:
            self._keeper.prove(lambda name, index, fds: self._setup(new, name, index, fds))
        except (OSError, MessageError) as error:
            self._refuse(change, f"a second inspection cannot be started: {getattr(error, 'strerror', error)}")
        else:
            self._go(change, Step.PROVING)

    def _unproven(self) -> bool:
        """Whether the inspection in use found its golden parts wanting, as they were when it started.

        By then they may have been others than the configuration in use was checked with: a disk that was not mounted.
        """
        board = self._keeper.board
        return board[Cell.INSPECTION_STATE] == StageState.READY and board[Cell.PROVEN] == Proof.NOT_PROVEN

    def _swap(self, change: UnderWay) -> None:
        """What judges parts is the same: the rest lands, and inspection takes the recipe between two parts."""
        # It lands before inspection has swapped: whoever is started from now on is started with the new configuration,
        # inspection included should it end in the midst of this.
        self._lands(change)
        live = self._keeper.pair.live
        if not change.plan.swap_recipe or not live.pid:
            self._settle(change)
        elif live.hand(do="recipe", recipe=change.new.recipe.model_dump_json(), upgraded=self._upgraded(change.new)):
            change.pid = live.pid
            self._go(change, Step.SWAPPING)
        else:
            # It takes no messages any more: its successor starts with the recipe.
            self._keeper.restart(live)
            self._settle(change)

    def _upgraded(self, new: Configuration) -> bool:
        """As a setup would say it now: the time after an upgrade may be over since the live one was started."""
        return self._setup(new, "inspection", 0, {}).upgraded

    def _look_at_proof(self, change: UnderWay, waited_ns: int) -> None:
        start_s = change.old.line.supervisor.start_s
        if self._keeper.pair.reserve is None:
            self._refuse(change, f"the new engine's process ended: {self._keeper.pair.how}")
        elif waited_ns > start_s * 1e9:
            self._keeper.pair.reserve.signal(signal.SIGKILL)
            self._refuse(change, f"the new engine was not ready within supervisor.start_s = {start_s:g} s")

    def _switch(self, change: UnderWay) -> None:
        """The other has proven itself: the live one is to leave the line."""
        keeper, pair = self._keeper, self._keeper.pair
        assert pair.reserve is not None
        change.pid = pair.reserve.pid
        change.told_ns, change.was_ready = self._now_ns(), bool(keeper.board[Cell.READY])
        self._go(change, Step.SWITCHING)
        # plc first: it counts by the new recipe before the first part is judged by it.
        keeper.tell_plc(change.new.recipe)
        works = keeper.state_of(pair.live) in (StageState.READY, StageState.REFUSED)
        if works and pair.live.tell(do="retire"):
            return
        if pair.live.pid:
            keeper.kill(pair.live)  # not on the line yet, or deaf: there is nothing that it could finish
        else:
            keeper.exchange()

    def _landed(self, change: UnderWay) -> None:
        # The one that left is let go only now that the other is on the line: until then it was the way back.
        self._keeper.pair.dismiss()
        self._lands(change)
        self.last = {"last_ms": None, "recipe": change.new.in_use}
        self._settle(change)

    def _lands(self, change: UnderWay) -> None:
        stages = [self._keeper.cameras[index] for index in change.plan.restart_acquire]
        stages += [self._keeper.plc] if change.plan.restart_plc else []
        change.ending = {stage: stage.pid for stage in stages}
        self._land(change.new, change.plan)

    def _settle(self, change: UnderWay) -> None:
        self._go(change, Step.SETTLING)
        self._look_at_rest(change, 0)

    def _look_at_rest(self, change: UnderWay, waited_ns: int) -> None:
        """Landed it has. Whoever ordered it hears so once the rest is done too, or takes its time."""
        ready_ns = self._keeper.board[Cell.READY_NS]
        if change.told_ns and ready_ns > change.told_ns and not change.switch_ms:
            change.switch_ms = self.last["last_ms"] = round((ready_ns - change.told_ns) / 1e6, 3)
        ready = change.switch_ms or not (change.told_ns and change.was_ready)
        anew = all(stage.pid not in (0, pid) for stage, pid in change.ending.items())
        if (ready and anew) or waited_ns > _SETTLE_NS:
            self._finish(change)

    def _back(self, change: UnderWay) -> None:
        """The new one ended on its way to the line; the keeper has seen to it that the line goes on."""
        # The line is judged by the old recipe again, and must be counted by it.
        self._keeper.tell_plc(change.old.recipe)
        self._refuse(change, f"the new engine's process ended as it took the line: {self._keeper.pair.how}")

    def _finish(self, change: UnderWay) -> None:
        found = tuple(changes(change.old, change.new))
        self._end(Result(change.order, "", change.plan, found, change.switch_ms))

    def _refuse(self, change: UnderWay, error: str) -> None:
        self._keeper.pair.dismiss()
        self._end(Result(change.order, error))

    def _end(self, result: Result) -> None:
        # Before it is told: whoever hears of the end may order the next change at once.
        self._change, self.step = None, Step.IDLE
        self._done(result)
