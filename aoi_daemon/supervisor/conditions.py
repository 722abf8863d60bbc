"""Which alarm conditions hold now, read from the board. Pure but for reading cells."""

from __future__ import annotations

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.messages import Reason
from aoi_daemon.stage.board import (
    Board,
    CameraCell,
    Cell,
    Link,
    StageState,
    Stopped,
    bypassed,
    camera_cell,
    frozen,
    reason_cell,
)
from aoi_daemon.stage.lifecycle import Line


class Conditions:
    """Watches the board for `cameras` cameras. Counters alarm when they have moved within `hold_ns`."""

    def __init__(self, board: Board, cameras: int, ack_behind: int | None = None, hold_ns: int = 5_000_000_000) -> None:
        self._board = board
        self._cameras = cameras
        self.ack_behind = ack_behind
        """More verdicts than this that the PLC has not taken are too many; None: the PLC is not asked."""
        self._hold_ns = hold_ns
        self._seen: dict[Alarm, int] = {}
        self._until_ns: dict[Alarm, int] = {}

    def now(self, now_ns: int) -> frozenset[Alarm]:
        """The alarms whose condition holds at `now_ns`."""
        board = self._board
        line = Line(board[Cell.LINE_STATE])
        found: set[Alarm] = set()
        if line is Line.FAULTED:
            found.add(Alarm.RESTART_BUDGET)
        if line is Line.RECOVERING:
            engine = board[Cell.INSPECTION_STATE] != StageState.READY
            found.add(Alarm.ENGINE_FAULT if engine else Alarm.STAGE_LOST)
        if board[Cell.INSPECTION_STATE] == StageState.REFUSED:
            found.add(Alarm.GOLDEN_FAILED)
        if board[Cell.STOPPED_BY_RULE] & Stopped.RULE:
            found.add(Alarm.STOP_RULE)
        if board[Cell.UNCONFIRMED]:
            found.add(Alarm.REJECT_UNCONFIRMED)
        if bypassed(board):
            found.add(Alarm.PLC_BYPASS)
        if board[Cell.LINK] == Link.UP and frozen(board, now_ns):
            found.add(Alarm.PLC_FROZEN)
        if self.ack_behind is not None and board[Cell.ACK_BEHIND] > self.ack_behind:
            found.add(Alarm.PLC_BEHIND)
        if line is not Line.STARTING:
            if board[Cell.LINK] != Link.UP:
                found.add(Alarm.PLC_LINK)
            if not all(self._camera(index, CameraCell.PRESENT) for index in range(self._cameras)):
                found.add(Alarm.CAMERA_LOST)
        overruns = sum(self._camera(index, CameraCell.OVERRUNS) for index in range(self._cameras))
        self._counted(Alarm.OVERRUN, overruns, now_ns, found)
        self._counted(Alarm.OPTICS, board[reason_cell(Reason.OPTICS)], now_ns, found)
        self._counted(Alarm.DEADLINE_MISSED, board[Cell.DEADLINE_MISSES], now_ns, found)
        return frozenset(found)

    def detail(self, alarm: Alarm) -> str:
        """What the board says more of `alarm`, "" for most."""
        if alarm is not Alarm.REJECT_UNCONFIRMED:
            return ""
        board = self._board
        part, more = board[Cell.UNCONFIRMED], board[Cell.UNCONFIRMED_MORE]
        others = f" and {more} more after it" if more else ""
        if board[Cell.STOPPED_BY_RULE] & Stopped.UNCONFIRMED:
            return f"part {part}{others}: the PLC has not confirmed that it was ejected; the line is asked to stop"
        return f"part {part}{others}: it went past the gate while there was no connection to the PLC"

    def _camera(self, index: int, cell: CameraCell) -> int:
        return self._board[camera_cell(index, cell)]

    def _counted(self, alarm: Alarm, count: int, now_ns: int, found: set[Alarm]) -> None:
        if count > self._seen.get(alarm, 0):
            self._until_ns[alarm] = now_ns + self._hold_ns
        self._seen[alarm] = count
        if now_ns < self._until_ns.get(alarm, 0):
            found.add(alarm)
