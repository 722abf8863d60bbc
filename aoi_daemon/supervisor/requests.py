"""What is asked over the control socket: each request has one answer, and what a person does is in the audit."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.ports import Clock
from aoi_daemon.stage.board import Cell
from aoi_daemon.stage.status import snapshot
from aoi_daemon.supervisor.alarm_watch import AlarmWatch
from aoi_daemon.supervisor.attendants import Attendants
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.clock_desk import ClockDesk
from aoi_daemon.supervisor.control import answer, peer
from aoi_daemon.supervisor.engines import Engines
from aoi_daemon.supervisor.force_desk import ForceDesk
from aoi_daemon.supervisor.keeper import StageKeeper
from aoi_daemon.supervisor.orders import Orders
from aoi_daemon.supervisor.proofs import Proofs
from aoi_daemon.supervisor.shared import Shared
from aoi_daemon.supervisor.target_desk import TargetDesk


class Requests:
    """Answers what clients of the control socket ask. `reset`: what a person's reset does; `run`: this start's name."""

    def __init__(
        self, *, shared: Shared, keeper: StageKeeper, attendants: Attendants, alarms: AlarmWatch, chronicle: Chronicle,
        orders: Orders, proofs: Proofs, wall_clock: ClockDesk, targets: TargetDesk, force: ForceDesk,
        engines: Engines, reset: Callable[[str, str], None],
        run: str, version: str, clock: Clock,
    ) -> None:  # fmt: skip
        self._now_ns = clock.now_ns
        self._shared = shared
        self._board = shared.board
        self._keeper = keeper
        self._attendants = attendants
        self._alarms = alarms
        self._chronicle = chronicle
        self._orders = orders
        self._proofs = proofs
        self._wall_clock = wall_clock
        self._targets = targets
        self._force = force
        self._engines = engines
        self._reset = reset
        self._run = run
        self._version = version

    def serve(self, client: socket.socket, request: dict[str, Any]) -> None:
        """Answer `request`, now or when what it asks for is done."""
        by, via = str(request.get("by") or peer(client))[:80], str(request.get("via") or "command")[:16]
        do = request.get("do")
        if do == "status":
            answer(client, {"ok": True, "status": self.status()})
        elif do == "reload":
            self._orders.reload(client, by, via)
        elif do == "recipe":
            self._orders.recipe(client, request.get("id", request.get("name")), by, via)
        elif do == "force":
            self._force.force(client, request.get("word"), by, via, self._now_ns())
        elif do == "unforce":
            self._force.unforce(client, by, via)
        elif do == "reset":
            self._reset(by, via)
            answer(client, {"ok": True, "message": "acknowledged; the line starts again"})
        elif do == "acknowledge":
            answer(client, self._acknowledge(request.get("alarm"), by, via))
        elif do == "clock":
            self._wall_clock.confirm(client, by, request.get("reason"), via)
        elif do == "audit":
            # What others let a person do, or refused: a login, a review.
            what, detail = str(request.get("what", ""))[:40], str(request.get("detail", ""))[:400]
            self._chronicle.audit(what, by, via, ok=bool(request.get("ok", True)), detail=detail)
            answer(client, {"ok": True})
        elif do == "targets":
            self._targets.look(client)
        elif do in ("watch", "events", "frames"):
            self._hand_over(client, str(do), request.get("camera"))
        else:
            answer(client, {"ok": False, "error": f"unknown request {do!r}"})

    def _hand_over(self, client: socket.socket, what: str, name: object) -> None:
        """What there is to `watch`: verdicts, `events`, or `frames` of the camera called `name`."""
        shared = self._shared
        if what != "frames":
            self._hand_memory(client, [shared.verdict_memory if what == "watch" else shared.event_memory])
            return
        names = [camera.name for camera in self._keeper.configuration.line.cameras]
        if name not in names:
            answer(client, {"ok": False, "error": f"no camera is called {name!r} (there: {', '.join(names)})"})
            return
        number = names.index(str(name))
        memories = [shared.ring_memories[number], shared.board_memory]
        self._hand_memory(client, memories, number=number, layout=asdict(shared.layouts[number]))

    @staticmethod
    def _hand_memory(client: socket.socket, memories: Sequence[SharedMemory], **said: Any) -> None:
        """Descriptors of `memories` that can only be read."""
        with ExitStack() as owned:
            fds: list[int] = []
            try:
                for memory in memories:
                    fds.append(memory.read_only_fd())
                    owned.callback(os.close, fds[-1])
            except OSError as error:
                answer(client, {"ok": False, "error": f"the system has no room: {error.strerror}"})
                return
            answer(client, {"ok": True, **said}, fds)

    def _acknowledge(self, name: object, by: str, via: str) -> dict[str, Any]:
        names, error = self._alarms.acknowledge(name, by, self._now_ns())
        if error:
            return {"ok": False, "error": error}
        self._chronicle.audit("acknowledge", by, via, detail=", ".join(names))
        return {"ok": True, "acknowledged": names}

    def status(self) -> dict[str, Any]:
        """What `aoi-daemon status --json` prints."""
        now = self._keeper.configuration
        line = now.line
        shown = snapshot(self._board, [camera.name for camera in line.cameras])
        return {
            "name": line.line.name,
            "pid": os.getpid(),
            "version": self._version,
            "config": str(now.file),
            **shown,
            "plc": {"host": line.plc.host, "port": line.plc.port, **shown["plc"]},
            "proof_detail": self._proofs.detail(),
            **self._engines.status(),
            "alarms": self._alarms.snapshot(),
            "product": now.in_use,
            "recipes": [{"id": recipe.id, "name": recipe.name} for recipe in now.recipes.values()],
            "recipe_asked": self._board[Cell.ASKED_RECIPE],
            "changeover": self._orders.changeover.status(),
            "forced": self._board[Cell.FORCED],
            "clock": self._wall_clock.status(),
            "stages": {stage.label: stage.pid for stage in self._keeper.stages},
            "beside": {name: one.facts for name, one in self._attendants.all.items() if one.wanted},
            "run": self._run,
        }
