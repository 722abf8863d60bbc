"""The daemon of a run: its processes as they start, are killed and come again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

from aoi_daemon.messages import Outcome as Record
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.verdicts import RECORDS, VerdictReader
from aoi_daemon.stage.board import Board
from tools.simulation.cameras import Cameras
from tools.simulation.faults import Kind
from tools.simulation.life import Life
from tools.simulation.network import Line, Network
from tools.simulation.plan import Plan
from tools.simulation.process import Doors, Here, Killed, Log, Memory, Outside, memories, plc_of, serve
from tools.simulation.station import Station
from tools.simulation.supervisor import Supervisor, product_of
from tools.simulation.timeline import MS, Timeline
from tools.simulation.witness import Witness
from tools.simulation.world import Part, Weather

_STARVED_NS = 60 * MS
"""Longest time for which the plc stage is kept from running: the PLC's patience is several times that."""


class Daemon(ABC):
    """The daemon on the line of `plan`. `trace`: what happens is written down."""

    def __init__(self, plan: Plan, *, trace: bool = False, every_scan: bool = False) -> None:
        self.plan = plan
        self._timeline = timeline = Timeline()
        self._trace: list[tuple[int, str]] = []
        note: Callable[[str], None] | None = self._note if trace else None
        self._parts: dict[int, Part] = {}
        self.weather = Weather(timeline, plan.seed)
        self.witness = Witness(timeline, plan, self._parts, note)
        self.station = Station(timeline, plan.seed, plan.shape, self.weather, self.witness, every_scan=every_scan)
        self.network = Network(timeline, self.weather, self.station, self.witness)
        self._began = timeline.now
        self._doors: list[Doors] = []
        self._ending = False
        self._stopped_daemon = False
        self._plc_waits = False
        self._power_cut = False
        self._life: Life
        self._supervisor: Supervisor
        self._here: Here
        self._outside: Outside
        self._memories: dict[str, Memory]
        self._last_line: Line | None = None

    def _note(self, text: str) -> None:
        self._trace.append((self._timeline.now, text))

    def _start_daemon(self) -> None:
        timeline, plan = self._timeline, self.plan
        self._memories = memories()
        doors = Doors(timeline, plan.shape.cameras)
        self._doors.append(doors)
        board = Board(cast(SharedMemory, self._memories["board"]))
        self._life = Life(timeline, plan, self.weather, board, doors=doors, parts=self._parts)
        self.witness.begins(self._life)
        self._supervisor = Supervisor(
            timeline, plan, self._life, Log(self.witness.said), start_plc=self._plc_may_start,
            kill_plc=self._kill_now, tell_plc=self._tell_plc,
        )  # fmt: skip
        self._cameras = Cameras(timeline, plan, self.weather, self._life)
        self._plc_waits = False
        self._new_plc()
        self._lives(self._life)
        self._supervisor.start()

    def _lives(self, life: Life) -> None:
        if not life.over:
            life.lives()
            self._timeline.at(self._timeline.now + 100 * MS, self._lives, life)

    def _new_plc(self) -> None:
        doors = self._doors[-1]
        self._outside = Outside(self._timeline, doors, self._connect, self._starved)
        self.network.step = self._outside.step
        self._here = Here(
            self.plan.shape.config(), product_of(self._supervisor), self._memories, doors, log=Log(self.witness.said),
            tell=self._supervisor.says_of_plc,
        )  # fmt: skip

    def _connect(self, timeout_s: float) -> Line:
        self._last_line = self.network.connect(timeout_s)
        return self._last_line

    def _starved(self) -> int:
        hard = self.weather.strikes(Kind.STARVED, self._outside.calls)
        return int(hard * hard * min(1.2 * self.plan.shape.takt, _STARVED_NS)) if hard else 0

    def _live(self) -> None:
        """One plc process, from its start on."""
        timeline = self._timeline
        while not (self._plc_waits or self._ending or self._daemon_is_gone):
            timeline.woken = False
            timeline.run(timeline.now + 10 * MS)
        if self._ending:
            return
        if self._daemon_is_gone:  # while plc was down
            self._restart_daemon()
            return
        self._plc_waits = False
        self._new_plc()
        # What a former process did not read lies in the pipes still.
        self._doors[-1].rung.update(self._doors[-1].fds[name] for name in ("announcements_r", "judgements_r"))
        keeper = self._supervisor.keeper
        process, pid = keeper.plc, keeper.plc.pid
        self.witness.processes += 1
        in_order = False
        try:
            plc = plc_of(self._here, self._outside)
            in_order = serve(plc)
        except Killed:
            pass
        if self._last_line is not None:
            self._last_line.close()  # the kernel resets what a process that ended had open
        if self._ending and in_order:
            self._check_last_word()
            return
        if self._daemon_is_gone:
            self._restart_daemon()
        elif not self._ending:
            if self.witness.note:
                self.witness.note("plc is gone")
            timeline.at(timeline.now + MS, self._supervisor.ended, process, pid)

    @property
    def _daemon_is_gone(self) -> bool:
        return self._stopped_daemon or self._power_cut

    def _plc_may_start(self) -> None:
        self._plc_waits = True

    def _kill_now(self) -> None:
        self._outside.dies_at = self._outside.calls + 1
        self._timeline.woken = True

    def _tell_plc(self, **command: object) -> None:
        self._here.order(**command)

    def _restart_daemon(self) -> None:
        """A new start of everything; the PLC and the belt went on."""
        self._end_daemon()
        # With the power goes the memory in which a record was prepared.
        self.witness.end_of_life(self._life, self._records(), cut_off=self._power_cut)
        self._stopped_daemon = self._power_cut = False
        until = self._timeline.now + 400 * MS
        while self._timeline.now < until:
            self._timeline.woken = False
            self._timeline.run(until)
        if self.witness.note:
            self.witness.note("the daemon starts")
        self._start_daemon()

    def _end_daemon(self) -> None:
        self._life.over = self._supervisor.over = True
        self._life.inspections.end()

    def _records(self) -> list[Record]:
        return VerdictReader(cast(SharedMemory, self._memories["verdicts"]), from_start=True).read(RECORDS)

    @abstractmethod
    def _check_last_word(self) -> None:
        """After an end in order: what is left in the PLC says nothing good."""
