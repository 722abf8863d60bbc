"""The supervisor: alarms, commands, reload, signals; the stages are its keeper's, the rest its attendants'.

Process: supervisor. Blocks: in poll, on the stages' ends, the control socket,
the log pipe and signals. Memory: owns all that is shared. It is beside the
path: while it does not run, the stages go on; when it ends, they end.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

from aoi_daemon.board import Cell
from aoi_daemon.config import reload as reloading
from aoi_daemon.config.changes import Change, changes
from aoi_daemon.config.load import Configuration
from aoi_daemon.control import socket_path
from aoi_daemon.decide.alarms import KINDS, Alarm, Alarms, AlarmState, Transition
from aoi_daemon.errors import AoiError
from aoi_daemon.logs import logger
from aoi_daemon.preflight import check
from aoi_daemon.ring.doorbell import make_pipe
from aoi_daemon.ring.events import EventWriter
from aoi_daemon.stage import Setup, now_ns
from aoi_daemon.status import snapshot
from aoi_daemon.supervisor.attendants import Attendants
from aoi_daemon.supervisor.conditions import Conditions
from aoi_daemon.supervisor.control import ControlServer, answer, peer
from aoi_daemon.supervisor.keeper import StageKeeper
from aoi_daemon.supervisor.shared import Shared
from aoi_daemon.supervisor.stages import StageProcess

_TICK_S: Final = 0.05
_PAUSE_NS: Final = int(10 * _TICK_S * 1e9)
"""A tick so late means that the whole machine stood still, and nobody hangs."""


class Supervisor:
    """Runs the line of `configuration` until told to stop."""

    def __init__(self, configuration: Configuration, log_format: str) -> None:
        self.configuration = configuration
        self.log = logger()
        line = configuration.line
        with ExitStack() as owned:
            self.shared = owned.enter_context(Shared(line))
            self.control = ControlServer(socket_path(line.supervisor.socket).absolute())
            owned.callback(self.control.close)
            self._owned = owned.pop_all()
        self.board = self.shared.board
        self.board[Cell.LINE_RUNNING] = -1
        self.log_r, log_w = make_pipe()
        self.signal_r, self.signal_w = make_pipe()
        self.events = EventWriter(self.shared.event_memory)
        self._run_id = uuid.uuid4().hex
        self._log_format = log_format
        self.keeper = StageKeeper(configuration, self.shared, log_w, self._setup, self._event)
        self.attendants = Attendants(configuration, self.shared, log_w, lambda name, fds: self._setup(name, 0, fds))
        self.alarms = Alarms()
        poll = line.plc.poll
        self.conditions = Conditions(self.board, len(line.cameras), poll.ack_behind if poll else None)
        self.sticky: set[Alarm] = set()
        self.stopping = False
        self.reload_wanted = False
        self._ticked_ns = now_ns()

    def run(self) -> int:
        """Start, watch, stop; the exit code of the service."""
        with self._owned:
            signal.set_wakeup_fd(self.signal_w)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, self._on_signal)
            self.keeper.start_all()
            while not self.stopping:
                self._wait(_TICK_S)
                self._tick()
            self.keeper.stop_all(self._forward_logs)
            self.attendants.stop_all(lambda group, limit: self.keeper.await_ends(group, self._forward_logs, limit))
            self._forward_logs()
            self.log.info("stopped")
        return 0

    def _setup(self, name: str, index: int, fds: dict[str, int]) -> Setup:
        now = self.configuration
        return Setup(
            name, index, now.line, now.recipe, self._log_format, self._run_id, now.file, self.control.path, fds
        )

    def _event(self, kind: str, **body: Any) -> None:
        self.events.append(kind, body, now_ns())

    def _on_signal(self, number: int, _frame: object) -> None:
        # Only a flag: the loop acts, so that a signal never interrupts a step half done.
        if number == signal.SIGHUP:
            self.reload_wanted = True
        else:
            self.stopping = True

    def _wait(self, timeout_s: float) -> None:
        poll = select.poll()
        ends = {stage.pidfd: stage for stage in self.keeper.stages if stage.pidfd >= 0}
        beside = self.attendants.by_pidfd()
        for fd in (*ends, *beside, *self.control.fds(), self.log_r, self.signal_r):
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
                self._event("stage", which=beside[fd].process.label, what="lost", how=how)
        if self.log_r in ready:
            self._forward_logs()
        for client, request in self.control.requests(ready):
            self._serve(client, request)

    def _forward_logs(self) -> None:
        try:
            while data := os.read(self.log_r, 65536):
                os.write(2, data)
        except OSError:
            pass  # empty; or nobody reads our stderr, which must not stop the line

    def _tick(self) -> None:
        now = now_ns()
        paused = now - self._ticked_ns > _PAUSE_NS
        self._ticked_ns = self.board[Cell.SUPERVISOR_NS] = now
        for stage, message in self.keeper.heard():
            self._heard(stage, message)
        self.keeper.look(paused=paused)
        self.attendants.look(now, paused=paused)
        self._watch_alarms(now)
        if self.reload_wanted:
            self.reload_wanted = False
            # One datagram with both, else systemd 253 to 257 takes the reload for hung.
            self.keeper.notify(reloading=1, monotonic_usec=time.monotonic_ns() // 1000)
            self.reload("root", "signal")
            self.keeper.notify(ready=1)

    def _heard(self, stage: StageProcess, message: dict[str, Any]) -> None:
        if message["tell"] == "realtime_refused":
            self.sticky.add(Alarm.REALTIME_REFUSED)
        elif message["tell"] == "fresh":
            stage.ended_on_purpose = True  # not a crash: it costs no restart of the budget
        elif message["tell"] == "alarm_reset":
            self._reset("PLC", "plc")

    def _watch_alarms(self, now: int) -> None:
        active = self.conditions.now(now) | self.sticky
        if self.attendants.trouble("recorder", now):
            active |= {Alarm.RECORDER_DISK}
        for alarm in Alarm:
            self._log_alarms(self.alarms.set(alarm, alarm in active, now))
        mask = self.alarms.active_mask
        if mask != self.board[Cell.ALARMS]:
            self.board[Cell.ALARMS] = mask
            self.keeper.wake_plc()

    def _log_alarms(self, transitions: list[Transition], by: str = "") -> None:
        for change in transitions:
            kind = KINDS[change.alarm]
            log = self.log.info if change.after is AlarmState.NORMAL else self.log.warning
            log("alarm", alarm=change.alarm.name, state=change.after.value, remedy=kind.remedy)
            self._event(
                "alarm", name=change.alarm.name, was=change.before.value, state=change.after.value,
                event=change.event.value, priority=kind.priority.name, detail=change.detail, by=by,
            )  # fmt: skip

    def _audit(
        self, what: str, by: str, via: str, *, ok: bool = True, detail: str = "", changed: Sequence[Change] = ()
    ) -> None:
        """A person, or the PLC, has acted: into the journal, and to whoever keeps records."""
        log = self.log.info if ok else self.log.warning
        log("audit", what=what, by=by, via=via, ok=ok, detail=detail, changes=[list(change) for change in changed])
        self._event(
            "audit", what=what, by=by, via=via, ok=ok, detail=detail,
            changes=[change._asdict() for change in changed],
        )  # fmt: skip

    def _reset(self, by: str, via: str) -> None:
        """A person has looked at the line: acknowledge, and start again what was given up."""
        self._audit("reset", by, via)
        now = now_ns()
        self.sticky.clear()
        self._log_alarms(self.alarms.acknowledge(now) + self.alarms.reset(now), by)
        self.keeper.reset()

    def _serve(self, client: socket.socket, request: dict[str, Any]) -> None:
        by, via = str(request.get("by") or peer(client))[:80], str(request.get("via") or "command")[:16]
        do = request.get("do")
        if do == "status":
            answer(client, {"ok": True, "status": self.status()})
        elif do == "reload":
            answer(client, self.reload(by, via))
        elif do == "reset":
            self._reset(by, via)
            answer(client, {"ok": True, "message": "acknowledged; the line starts again"})
        elif do == "acknowledge":
            answer(client, self._acknowledge(request.get("alarm"), by, via))
        elif do == "audit":
            # What others let a person do, or refused: a login, a review.
            what, detail = str(request.get("what", ""))[:40], str(request.get("detail", ""))[:400]
            self._audit(what, by, via, ok=bool(request.get("ok", True)), detail=detail)
            answer(client, {"ok": True})
        elif do in ("watch", "events"):
            memory = self.shared.verdict_memory if do == "watch" else self.shared.event_memory
            fd = memory.read_only_fd()
            answer(client, {"ok": True}, [fd])
            os.close(fd)
        else:
            answer(client, {"ok": False, "error": f"unknown request {do!r}"})

    def _acknowledge(self, name: object, by: str, via: str) -> dict[str, Any]:
        known = {alarm.name: alarm for alarm in Alarm}
        if name is not None and name not in known:
            return {"ok": False, "error": f"no alarm is called {name!r}; there are: {', '.join(known)}"}
        changed = self.alarms.acknowledge(now_ns(), None if name is None else known[str(name)])
        self._log_alarms(changed, by)
        names = [change.alarm.name for change in changed]
        self._audit("acknowledge", by, via, detail=", ".join(names))
        return {"ok": True, "acknowledged": names}

    def status(self) -> dict[str, Any]:
        """What `aoi-daemon status --json` prints."""
        line = self.configuration.line
        return {
            "name": line.line.name,
            "pid": os.getpid(),
            "config": str(self.configuration.file),
            **snapshot(self.board, [camera.name for camera in line.cameras]),
            "alarms": self.alarms.snapshot(),
            "recipes": [{"id": recipe.id, "name": recipe.name} for recipe in self.configuration.recipes.values()],
            "stages": {stage.label: stage.pid for stage in self.keeper.stages},
            "beside": {name: one.facts for name, one in self.attendants.all.items() if one.wanted},
            "run": self._run_id,
        }

    def reload(self, by: str, via: str) -> dict[str, Any]:
        """Validate everything, then land the whole of it, or nothing. The result, for who asked."""
        try:
            new = check(self.configuration.file)
            plan = reloading.plan(self.configuration, new)
        except (AoiError, OSError) as error:
            self.board.add(Cell.RELOADS_REFUSED)
            self.log.error("reload_refused", error=str(error))
            self._audit("reload", by, via, ok=False, detail=str(error))
            self.sticky.add(Alarm.CONFIG_REFUSED)
            return {"ok": False, "error": str(error)}
        differences = changes(self.configuration, new)
        self.configuration = self.keeper.configuration = new
        self.sticky.discard(Alarm.CONFIG_REFUSED)
        for stage in self.keeper.stages:
            self._apply(plan, stage)
        self.attendants.want(new)
        self.attendants.restart(plan.restart_beside)
        self.attendants.tell(do="recipe", recipe=new.recipe.model_dump_json(), line=new.line.model_dump_json())
        self.board.add(Cell.RELOADS)
        changed = list(plan.changed)
        self.log.info("reloaded", changed=changed)
        self._audit("reload", by, via, detail=", ".join(changed) or "nothing had changed", changed=differences)
        return {"ok": True, "changed": changed}

    def _apply(self, plan: reloading.ReloadPlan, stage: StageProcess) -> None:
        if stage.name == "acquire":
            if stage.index in plan.restart_acquire:
                self.keeper.restart(stage)
            return
        must = plan.restart_inspection if stage.name == "inspection" else plan.restart_plc
        if plan.swap_recipe and not must:
            # A stage that cannot take the recipe now takes it at its next start.
            must = not stage.tell(do="recipe", recipe=self.configuration.recipe.model_dump_json())
        if must:
            self.keeper.restart(stage)
