"""The gate, where rejected parts are ejected: what the PLC confirms of it, and what is done where it does not.

Process: plc. Blocks: nowhere. Memory: writes the board's cells of unconfirmed rejects.
"""

from __future__ import annotations

from typing import Any, Final

from aoi_daemon.config.schema import PollSection
from aoi_daemon.decide.line_limit import LineLimit
from aoi_daemon.messages import Outcome
from aoi_daemon.plc.confirm import Confirmations, Seen
from aoi_daemon.plcmap.registers import Poll, Status
from aoi_daemon.stage.board import Board, Cell, Link, Stopped, bypassed

_NAMED: Final = 8
"""Parts that a line of the log names."""


class Gate:
    """`Confirmations`, tied to board and log; without `confirm_parts` it does nothing."""

    def __init__(self, poll: PollSection | None, board: Board, log: Any) -> None:
        self._board = board
        self._log = log
        self._limit = LineLimit()
        parts = poll.confirm_parts if poll is not None else None
        self._watch = Confirmations(parts, board[Cell.PARTS]) if parts is not None else None
        left, board[Cell.REJECT_OPEN] = board[Cell.REJECT_OPEN], 0
        if left and self._watch is not None:
            # Those of a plc that has ended: the PLC may have ejected them meanwhile, and nobody looked.
            self._tell(Seen(unseen=(left,)), 0)

    def entered(self, outcome: Outcome) -> None:
        """A part has its verdict, which the PLC took, or did not."""
        watch, board = self._watch, self._board
        if watch is None:
            return
        # The number of reconnects names the connection: a reject that went out over a former one may have been
        # ejected while nobody could read the PLC.
        connection = board[Cell.RECONNECTS] if board[Cell.LINK] == Link.UP else None
        rejected = not outcome.passed and not outcome.bypassed
        seen = watch.entered(outcome.part, rejected=rejected, connection=connection)
        board[Cell.REJECT_OPEN] = watch.oldest
        self._tell(seen, outcome.sent_ns)

    def polled(self, polled: Poll, now_ns: int) -> None:
        """The PLC has been read."""
        watch, board = self._watch, self._board
        if watch is None:
            return
        seen = watch.polled(
            polled.acted_on, confirmed=Status.REJECT_CONFIRMED in polled.status, bypass=bypassed(board),
            connection=board[Cell.RECONNECTS],
        )  # fmt: skip
        board[Cell.REJECT_OPEN] = watch.oldest
        self._tell(seen, now_ns)

    def reset(self) -> None:
        """A person has looked for the parts that were not confirmed."""
        self._board[Cell.UNCONFIRMED] = self._board[Cell.UNCONFIRMED_MORE] = 0

    def _tell(self, seen: Seen, now_ns: int) -> None:
        board = self._board
        if seen.unconfirmed:
            if not board[Cell.STOPPED_BY_RULE] & Stopped.UNCONFIRMED:
                # What asks the line to stop is named before what was only not seen.
                board[Cell.UNCONFIRMED] = board[Cell.UNCONFIRMED_MORE] = 0
            board[Cell.STOPPED_BY_RULE] |= Stopped.UNCONFIRMED
            self._count(seen.unconfirmed)
            self._say("reject_unconfirmed", seen.unconfirmed, now_ns, action="RUN_PERMIT=0 until a person resets")
        if seen.unseen:
            self._count(seen.unseen)
            self._say("reject_unseen", seen.unseen, now_ns, action="look for them among the ejected parts")
        if seen.let_go:
            self._say("reject_bypassed", seen.let_go, now_ns, action="the PLC is bypassed and let them go")
        if seen.never_told and self._limit.take("reject_undelivered", now_ns):
            self._log.warning("reject_undelivered", parts=seen.never_told, action="the PLC ejects by preset")
        for kind, lines in self._limit.due(now_ns).items():
            self._log.warning("left_out", what=kind, lines=lines)

    def _count(self, parts: tuple[int, ...]) -> None:
        board = self._board
        board[Cell.UNCONFIRMED_MORE] += len(parts)
        if not board[Cell.UNCONFIRMED]:
            board[Cell.UNCONFIRMED] = parts[0]
            board[Cell.UNCONFIRMED_MORE] -= 1

    def _say(self, event: str, parts: tuple[int, ...], now_ns: int, *, action: str) -> None:
        if self._limit.take(event, now_ns):
            more = {"more": len(parts) - _NAMED} if len(parts) > _NAMED else {}
            self._log.error(event, parts=list(parts[:_NAMED]), **more, action=action)
