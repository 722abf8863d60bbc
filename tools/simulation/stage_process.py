"""A stage process that is a part of the simulation: started, told, killed and reaped as a real one."""

from __future__ import annotations

import signal
from typing import Any, Protocol

from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.stage import Setup


class Parent(Protocol):
    """Who starts it, and does what it would do."""

    def next_pid(self) -> int:
        """A number for a process."""

    def now_ns(self) -> int:
        """The clock."""

    def started(self, process: Process) -> None:
        """It begins."""

    def told(self, process: Process, command: dict[str, Any]) -> None:
        """It has a command."""

    def killed(self, process: Process) -> None:
        """It has a SIGKILL."""


class Process(StageProcess):
    """A stage process that is a part of the simulation. `tells` hears what the supervisor says to it."""

    def __init__(self, name: str, index: int, supervisor: Parent) -> None:
        super().__init__(name, index, -1)
        self._supervisor = supervisor
        self._number = 0
        self.alive = False
        self.said: list[dict[str, Any]] = []
        self.setup: Setup | None = None

    @property
    def pid(self) -> int:
        """See `StageProcess`."""
        return self._number

    def start(self, setup: Setup) -> None:
        """See `StageProcess`."""
        self._number = self._supervisor.next_pid()
        self.started_ns = self._supervisor.now_ns()
        self.ended_on_purpose = False
        self.setup = setup
        self.alive = True
        self._supervisor.started(self)

    def tell(self, **command: Any) -> bool:
        """See `StageProcess`."""
        if not self.alive:
            return False
        self._supervisor.told(self, command)
        return True

    hand = tell

    @property
    def has_ended(self) -> bool:
        """See `StageProcess`."""
        return bool(self._number) and not self.alive

    def heard(self) -> list[dict[str, Any]]:
        """See `StageProcess`."""
        found, self.said = self.said, []
        return found

    def signal(self, number: signal.Signals) -> None:
        """See `StageProcess`: it is killed."""
        if self._number:
            self._supervisor.killed(self)

    def reap(self) -> str:
        """See `StageProcess`."""
        self._number, self.alive = 0, False
        return "signal SIGKILL"
