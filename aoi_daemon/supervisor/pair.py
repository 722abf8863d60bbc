"""The inspection on the line, and at times another beside it: on its way in, or on its way out.

Both hold an engine. One alone is live, and writes inspection's cells of the
board. The other, the reserve, takes the line only once the live one has left it
or has ended; where it does not manage to, whoever left is still there.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final

from aoi_daemon.ring.ports import Clock
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.stage import Setup

_LEAVE_NS: Final = 10_000_000_000
"""An engine that takes longer to end is killed."""


class InspectionPair:
    """`live` is kept by the keeper, as every stage is; `proven`: the reserve could take the line at once."""

    def __init__(self, process: Callable[[str, int], StageProcess], clock: Clock) -> None:
        self._process = process
        self._now_ns = clock.now_ns
        self.live = process("inspection", 0)
        self.reserve: StageProcess | None = None
        self.proven = False
        self.how = ""
        """How the last one that was not live has ended."""
        self._leaving: dict[StageProcess, int] = {}

    @property
    def others(self) -> list[StageProcess]:
        """The processes that are not live."""
        return [*self._leaving, *([self.reserve] if self.reserve is not None else [])]

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the one that is live, and of the reserve."""
        return self.live.pid, self.reserve.pid if self.reserve is not None else 0

    def prove(self, setup: Setup) -> None:
        """Start a reserve that proves itself, and says when it has. Raises OSError when the system has no room."""
        reserve = self._process("inspection", 0)
        reserve.start(setup)
        self.reserve = reserve
        self.proven = False

    def exchange(self) -> bool:
        """Let a proven reserve take the line; whoever was live is the reserve then, if it still runs."""
        # The reserve is told before it is the live one: where it cannot hear, nothing has changed hands.
        if self.reserve is None or not self.proven or not self.reserve.tell(do="live"):
            return False
        # Whoever left stays, engine and all, until the other is seen on the line: it is the way back.
        left = self.live if self.live.pid else None
        self.live, self.reserve = self.reserve, left
        self.proven = left is not None
        return True

    def dismiss(self) -> None:
        """The reserve is not needed any more."""
        if self.reserve is not None:
            self.reserve.tell(do="stop")
            # It is reaped as the others are: an engine may take seconds to end, and nobody waits for it here.
            self._leaving[self.reserve] = self._now_ns() + _LEAVE_NS
        self.reserve = None
        self.proven = False

    def look(self, now: int) -> None:
        """Kill those that do not leave."""
        for process, until_ns in self._leaving.items():
            if now > until_ns:
                process.signal(signal.SIGKILL)

    def ended(self, process: StageProcess) -> str:
        """A process that is not live has ended: how, in words."""
        how = self.how = process.reap()
        self._leaving.pop(process, None)
        if process is self.reserve:
            self.reserve = None
            self.proven = False
        return how
