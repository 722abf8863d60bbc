"""Forced coils in the plc stage: who asks, and what the board and the supervisor are told of it."""

from __future__ import annotations

from collections.abc import Callable

from aoi_daemon.plc.force import Force, LineNow
from aoi_daemon.plc.ports import Link
from aoi_daemon.ring.ports import Clock
from aoi_daemon.stage.board import Cell
from aoi_daemon.stage.stage import Stage


class Forcing:
    """`Force`, tied to the line. `release` writes the safe state when it is over."""

    def __init__(self, stage: Stage, link: Link, release: Callable[[], None], clock: Clock) -> None:
        self._now_ns = clock.now_ns
        self._stage = stage
        self._board = stage.board
        self._link = link
        self._release = release
        self._polls = stage.config.plc.poll is not None
        self._force = Force()
        self.announced_ns = self._now_ns()
        """When a part was last announced, or plc began."""
        self._board[Cell.FORCED] = -1

    @property
    def word(self) -> int | None:
        """What is to be on the coils; None: what the line says."""
        return self._force.word

    @property
    def until_ns(self) -> int:
        """When it is over unless it is renewed."""
        return self._force.until_ns

    def ask(self, word: int, number: int) -> None:
        """A person forces `word`, or renews it; the supervisor is answered by the `number` of its question."""
        began = self._force.word is None
        error = self._force.ask(word, self._line(), self._now_ns())
        if self._force.word is not None:
            self._board[Cell.FORCED] = self._force.word
        self._stage.tell(tell="forced", number=number, error=error, began=began and not error)

    def look(self) -> None:
        """End it when its time is over, or the line is no longer at rest."""
        why = self._force.over(self._line(), self._now_ns())
        if why:
            self.end(why)

    def end(self, why: str) -> None:
        """The coils are the line's again, beginning with the safe state."""
        if self._force.word is None:
            return
        self._force.end()
        self._board[Cell.FORCED] = -1
        self._release()
        self._stage.tell(tell="unforced", why=why)

    def _line(self) -> LineNow:
        running = self._board[Cell.LINE_RUNNING]
        return LineNow(self._link.up, self.announced_ns, self._polls, running, self._stage.stopping)
