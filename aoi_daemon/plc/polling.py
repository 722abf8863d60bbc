"""What the PLC says: its status, its triggers and the product it asks for, read at a period.

Process: plc. Blocks: in one PLC request. Memory: writes the board's cells of the PLC.
"""

from __future__ import annotations

import os
from typing import Final

from aoi_daemon.config.schema import PollSection
from aoi_daemon.messages import Reading
from aoi_daemon.plc.gate import Gate
from aoi_daemon.plc.heartbeat_watch import HeartbeatWatch
from aoi_daemon.plc.ports import Link
from aoi_daemon.plc.read_twice import ReadTwice
from aoi_daemon.plcmap.registers import POLL_WORDS, Poll, Status, decode_poll
from aoi_daemon.ring.ports import Clock
from aoi_daemon.stage.board import Board, CameraCell, Cell, Hears, camera_cell
from aoi_daemon.stage.stage import Stage

_MS: Final = 1_000_000


class Polling:
    """One FC03 read at a time. `due_ns` is when the next is due.

    What would make the line do something counts once it has been read twice in a row (the product asked for, the
    alarm reset): one word that was read wrongly moves nothing.
    """

    def __init__(self, section: PollSection, stage: Stage, link: Link, gate: Gate, clock: Clock) -> None:
        self._now_ns = clock.now_ns
        self._section = section
        self._gate = gate
        self._recipe = ReadTwice()
        self._reset = ReadTwice()
        self._stage = stage
        self._board = stage.board
        self._link = link
        cameras = range(len(stage.config.cameras))
        self._pipes = [(stage.fds[f"triggers{n}_w"], camera_cell(n, CameraCell.HEARS)) for n in cameras]
        self._last: Poll | None = None
        self.due_ns = 0
        forget(self._board)
        watch_ms = section.watch_ms
        self._heartbeat = HeartbeatWatch(int(watch_ms * _MS), self._now_ns()) if watch_ms is not None else None
        self._show_heartbeat()

    def look(self, now: int, number: int) -> None:
        """Read, and pass on what has changed.

        Args:
            now: CLOCK_MONOTONIC, ns.
            number: the last part that had its verdict.
        """
        # From now, not from when it was due: after a pause there is one poll, not a burst of those that were missed.
        self.due_ns = now + int(self._section.period_ms * _MS)
        values = self._link.read_registers(self._section.base, POLL_WORDS)
        if values is None:
            return
        polled, before = decode_poll(values), self._last
        self._last = polled
        status = polled.status
        self._board[Cell.PLC_STATUS] = status
        self._board[Cell.LINE_RUNNING] = Status.LINE_RUNNING in status
        self._board[Cell.ACK_BEHIND] = (number - polled.result_ack) & 0xFF
        self._gate.polled(polled, now)
        if self._heartbeat is not None:
            self._heartbeat.polled(Status.HEARTBEAT in status, self._board[Cell.RECONNECTS], now)
            self._show_heartbeat()
        self._recipe.read(polled.recipe_request)
        if self._recipe.value is not None:
            self._board[Cell.ASKED_RECIPE] = self._recipe.value
        if self._reset.read(Status.ALARM_RESET in status) and self._reset.value:
            self._stage.tell(tell="alarm_reset")
        # The first read is where we begin, not an edge.
        triggered = before is not None and bool((status ^ before.status) & Status.TRIGGER)
        self._tell_cameras(Reading(now, self._now_ns(), polled.trigger_id, triggered))

    def _show_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._board[Cell.PLC_MOVES_BY_NS] = self._heartbeat.moves_by_ns

    def _tell_cameras(self, reading: Reading) -> None:
        """Each camera has a pipe of its own: one that does not read costs the others nothing."""
        for fd, hears in self._pipes:
            wanted = self._board[hears]
            if wanted == Hears.READINGS or (wanted == Hears.TRIGGERS and reading.triggered):
                try:
                    os.write(fd, reading.pack())
                except BlockingIOError:
                    pass  # acquire hangs; a part without an announcement is rejected by preset


def forget(board: Board) -> None:
    """What a former plc process read from the PLC says nothing any more."""
    board[Cell.PLC_STATUS] = board[Cell.ACK_BEHIND] = board[Cell.PLC_MOVES_BY_NS] = 0
    board[Cell.LINE_RUNNING] = board[Cell.ASKED_RECIPE] = -1
