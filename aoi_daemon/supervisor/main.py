"""The supervisor: the loop that everything is heard in; the stages are its keeper's, the rest its attendants'.

Process: supervisor. Blocks: in poll, on the stages' ends, the control socket
and signals. Memory: owns all that is shared. It is off the
critical path: while it does not run, the stages go on; when it ends, they end.
"""

from __future__ import annotations

import os
import select
import signal
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.files.lock import HeldError, hold
from aoi_daemon.ring.doorbell import make_pipe
from aoi_daemon.ring.events import EventWriter
from aoi_daemon.ring.ports import MONOTONIC
from aoi_daemon.stage.board import Cell
from aoi_daemon.stage.control_path import ENGINES, socket_path
from aoi_daemon.stage.logs import logger
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.service import take_environment
from aoi_daemon.stage.stage import Setup, now_ns
from aoi_daemon.supervisor.alarm_watch import AlarmWatch, frames_misfit, product_differs, views_missed
from aoi_daemon.supervisor.attendants import Attendants
from aoi_daemon.supervisor.awake import CpuLatency
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.clock_desk import ClockDesk
from aoi_daemon.supervisor.conditions import Conditions
from aoi_daemon.supervisor.control import ControlServer
from aoi_daemon.supervisor.engines import Engines
from aoi_daemon.supervisor.force_desk import ForceDesk
from aoi_daemon.supervisor.keeper import StageKeeper
from aoi_daemon.supervisor.notices import Notices
from aoi_daemon.supervisor.orders import Orders
from aoi_daemon.supervisor.plc_says import PlcSays
from aoi_daemon.supervisor.product import ProductFile, choose, of_another_name, state_file
from aoi_daemon.supervisor.proofs import Proofs, grace_at_start
from aoi_daemon.supervisor.requests import Requests
from aoi_daemon.supervisor.shared import Shared
from aoi_daemon.supervisor.target_desk import TargetDesk
from aoi_daemon.version import described

_TICK_S: Final = 0.05
_PAUSE_NS: Final = int(10 * _TICK_S * 1e9)
"""A tick so late means that the machine was held up, all of it, and that no stage hangs."""


class Supervisor:
    """Runs the line of `configuration` until told to stop. `log_fd` is where all processes write their lines."""

    def __init__(self, configuration: Configuration, log_format: str, log_fd: int) -> None:
        self.stopping = False
        self.reload_wanted = False
        # First of all: whoever asks for the end while this begins gets it, with nothing left behind.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self.log = logger()
        line = configuration.line
        with ExitStack() as owned:
            self.shared = owned.enter_context(Shared(line))
            # Several lines may have one; a restore, which replaces it, has it to itself. Not line.toml's own folder:
            # whoever changes users holds that.
            held = self._hold_recipes(configuration.file.parent / "recipes")
            if held is not None:
                owned.callback(os.close, held)
            self.control = ControlServer(socket_path(line.supervisor.socket, line.line.name).absolute())
            owned.callback(self.control.close)
            self._owned = owned.pop_all()
        self.board = self.shared.board
        for cell in (Cell.LINE_RUNNING, Cell.ASKED_RECIPE, Cell.FORCED):
            self.board[cell] = -1
        self.signal_r, self.signal_w = make_pipe()
        self.chronicle = Chronicle(EventWriter(self.shared.event_memory), self.log, now_ns)
        self._run_id = uuid.uuid4().hex
        self._log_format = log_format
        kept_at = state_file(line.supervisor.state_folder, self.control.path, line.line.name)
        file = ProductFile(kept_at, self.log)
        self._owned.callback(file.close)
        kept = file.read()
        configuration, wrong = choose(configuration, kept)
        wrong = wrong or of_another_name(kept_at)
        self.log.info("program", version=(version := described()))
        self.log.info("product", recipe=configuration.in_use, id=configuration.recipe.id, start=line.line.recipe)
        self.engines = Engines(self.chronicle, MONOTONIC, kept_at.with_suffix(ENGINES))
        self.keeper = StageKeeper(
            configuration, self.shared, self._stage_setup, self.engines.event,
            process=lambda name, index: StageProcess(name, index, log_fd), clock=MONOTONIC,
        )  # fmt: skip
        self.attendants = Attendants(configuration, self.shared, log_fd, self._off_path_setup)
        self.notices = Notices(take_environment(os.environ, os.getpid()), self.board, line, self.log)
        self._owned.callback(self.notices.close)
        self.alarms = self._alarm_watch(line, wrong)
        self._keep_awake(line)
        grace = grace_at_start(configuration, kept)
        self.proofs = Proofs(self.board, self.chronicle, lambda: self.configuration, grace)
        self.orders = Orders(
            keeper=self.keeper, attendants=self.attendants, alarms=self.alarms, chronicle=self.chronicle,
            notices=self.notices, file=file, kept=kept, proofs=self.proofs, setup=self._standby_setup,
            clock=MONOTONIC, sleep=time.sleep,
        )  # fmt: skip
        recorder = self.attendants.all["recorder"]
        self.clock, self.targets = ClockDesk(recorder, self.chronicle), TargetDesk(recorder)
        self.force = ForceDesk(self.keeper.plc, self.chronicle)
        self.plc_says = PlcSays(self.keeper.plc, self.alarms, self.chronicle, self._reset)
        self.requests = Requests(
            shared=self.shared, keeper=self.keeper, attendants=self.attendants, alarms=self.alarms, orders=self.orders,
            chronicle=self.chronicle, proofs=self.proofs, wall_clock=self.clock, targets=self.targets, force=self.force,
            engines=self.engines, reset=self._reset, run=self._run_id, version=version, clock=MONOTONIC,
        )  # fmt: skip
        self._ticked_ns = now_ns()

    def _alarm_watch(self, line: LineConfig, wrong: str) -> AlarmWatch:
        """`wrong`: why the product that was kept is not the one in use; "" where it is."""
        poll = line.plc.poll
        conditions = Conditions(self.board, len(line.cameras), poll.ack_behind if poll else None)
        watch = AlarmWatch(self.board, conditions, self.chronicle)
        if wrong:
            self.log.warning("product_differs", problem=wrong)
            watch.said[Alarm.PRODUCT_DIFFERS] = wrong
        return watch

    def _keep_awake(self, line: LineConfig) -> None:
        bound = CpuLatency(line.realtime.cpu_latency_us)
        self._owned.callback(bound.close)
        if bound.refused:
            self.log.warning("realtime_refused", refused=[bound.refused])
            self.alarms.said[Alarm.REALTIME_REFUSED] = bound.refused

    @staticmethod
    def _hold_recipes(folder: Path) -> int | None:
        try:
            return hold(folder, in_common=True)
        except HeldError:
            raise HeldError(f"{folder}: a backup is being restored there; start the line when that is done") from None

    @property
    def configuration(self) -> Configuration:
        """What the line works by now."""
        return self.keeper.configuration

    def run(self) -> int:
        """Start, watch, stop; the exit code of the service."""
        with self._owned:
            signal.set_wakeup_fd(self.signal_w)
            if not self.stopping:
                self.keeper.start_all()
            while not self.stopping:
                self._wait(_TICK_S)
                self._tick()
            self.notices.stopping()
            self.orders.keep()
            self.keeper.stop_all()
            self.attendants.stop_all(self.keeper.await_ends)
            self.notices.stopping()  # where its queue was full
            self.log.info("stopped")
        return 0

    def _stage_setup(self, name: str, index: int, fds: dict[str, int]) -> Setup:
        return self._setup(self.configuration, name, index, fds)

    def _off_path_setup(self, name: str, fds: dict[str, int]) -> Setup:
        return self._setup(self.configuration, name, 0, fds)

    def _standby_setup(self, configuration: Configuration, name: str, index: int, fds: dict[str, int]) -> Setup:
        return replace(self._setup(configuration, name, index, fds), standby=True)

    def _setup(self, now: Configuration, name: str, index: int, fds: dict[str, int]) -> Setup:
        return Setup(
            name, index, now.line, now.recipe, self._log_format, self._run_id, now.file, self.control.path, fds,
            product=now.in_use, upgraded=name == "inspection" and self.proofs.upgraded(now),
            engines=self.engines.file, left_out=self.engines.left_out(),
        )  # fmt: skip

    def _on_signal(self, number: int, _frame: object) -> None:
        # Only a flag: the loop acts, so that a signal never interrupts a step half done.
        if number == signal.SIGHUP:
            self.reload_wanted = True
        else:
            self.stopping = True

    def _wait(self, timeout_s: float) -> None:
        poll = select.poll()
        ends = {stage.pidfd: stage for stage in self.keeper.processes if stage.pidfd >= 0}
        beside = self.attendants.by_pidfd()
        changing = self.orders.changeover.fds()
        for fd in (*ends, *beside, *changing, *self.control.fds(), self.signal_r):
            poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(timeout_s * 1000)}
        if self.signal_r in ready:
            os.read(self.signal_r, 4096)
        for fd in ready & ends.keys():
            for message in ends[fd].heard():
                self._heard(ends[fd], message)
            self.keeper.ended(ends[fd])
        for fd in ready & beside.keys():
            if how := self.attendants.ended(beside[fd]):
                self.chronicle.event("stage", which=beside[fd].process.label, what="lost", how=how)
        for client, request in self.control.requests(ready):
            self.requests.serve(client, request)

    def _tick(self) -> None:
        now = now_ns()
        paused = now - self._ticked_ns > _PAUSE_NS
        self._ticked_ns = self.board[Cell.SUPERVISOR_NS] = now
        for stage, message in self.keeper.heard():
            self._heard(stage, message)
        self.keeper.look(paused=paused)
        self.attendants.look(now, paused=paused)
        if self.reload_wanted:
            self.reload_wanted = False
            self.orders.signalled()
        self.orders.look(now)
        self.force.look(now)
        self.plc_says.look(now)
        ended, keep = self.proofs.look(now)
        if ended:
            self.keeper.wake_plc()
        if keep:
            self.orders.keep()
        self._watch_alarms(now)
        self.notices.tick(now, self.configuration.line, self.keeper.looks)

    def _heard(self, stage: StageProcess, message: dict[str, Any]) -> None:
        tell = message["tell"]
        if tell == "realtime_refused":
            self.alarms.said.setdefault(Alarm.REALTIME_REFUSED, "")
        elif tell == "fresh":
            stage.ended_on_purpose = True  # not a crash: it costs no restart of the budget
        elif tell == "camera_clock":
            self.alarms.clocks.said(message["camera"], message["detail"])
        elif tell == "alarm_reset":
            self.plc_says.alarm_reset(now_ns())
        elif tell == "plc_refused":
            self.plc_says.refused(message["detail"])
        elif tell == "forced":
            self.force.forced(message)
        elif tell == "unforced":
            self.force.ended(message["why"])
        else:
            self.engines.heard(message)
            self.orders.changeover.heard(stage, message)
            if "proof" in message:
                self.proofs.heard(message)  # after it has landed: of the recipe that is in use now

    def _watch_alarms(self, now: int) -> None:
        # While a change is under way the PLC has been heard, and waits for the answer.
        others = {} if self.orders.changeover.busy else product_differs(self.board)
        line = self.configuration.line
        others |= frames_misfit(self.board, line.cameras, self.configuration.recipe)
        others |= views_missed(self.board, line.cameras, self.configuration.recipe)
        others |= self.proofs.alarms()
        if self.attendants.trouble("recorder", now):
            others[Alarm.RECORDER_DISK] = ""
        others |= self.clock.alarms() | self.targets.alarms()
        if self.alarms.look(now, others):
            self.keeper.wake_plc()

    def _reset(self, by: str, via: str) -> None:
        """A person has looked at the line: acknowledge, and start again what was given up."""
        self.chronicle.audit("reset", by, via)
        self.alarms.reset(by, now_ns())
        self.engines.reset()
        self.keeper.reset()
