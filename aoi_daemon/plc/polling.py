"""What the PLC says: its status, its triggers and the product it asks for, read at a period.

Process: plc. Blocks: in one PLC request. Memory: writes the board's cells of the PLC.
"""

from __future__ import annotations

import os
from typing import Final

from aoi_daemon.board import CameraCell, Cell, Hears, camera_cell
from aoi_daemon.config.schema import PollSection
from aoi_daemon.messages import Reading
from aoi_daemon.plc.link import PlcLink
from aoi_daemon.plcmap.registers import POLL_WORDS, Poll, Status, decode_poll
from aoi_daemon.stage import Stage, now_ns

_MS: Final = 1_000_000


class Polling:
    """One FC03 read at a time. `due_ns` is when the next is due."""

    def __init__(self, section: PollSection, stage: Stage, link: PlcLink) -> None:
        self._section = section
        self._stage = stage
        self._board = stage.board
        self._link = link
        cameras = range(len(stage.config.cameras))
        self._pipes = [(stage.fds[f"triggers{n}_w"], camera_cell(n, CameraCell.HEARS)) for n in cameras]
        self._last: Poll | None = None
        self.due_ns = 0

    def look(self, now: int, number: int) -> None:
        """Read, and pass on what has changed.

        Args:
            now: CLOCK_MONOTONIC, ns.
            number: the last part that had its verdict.
        """
        self.due_ns = now + int(self._section.period_ms * _MS)
        values = self._link.read_registers(self._section.base, POLL_WORDS)
        if values is None:
            return
        polled, before = decode_poll(values), self._last
        self._last = polled
        self._board[Cell.PLC_STATUS] = polled.status
        self._board[Cell.LINE_RUNNING] = Status.LINE_RUNNING in polled.status
        self._board[Cell.ACK_BEHIND] = (number - polled.acted_on) & 0xFF
        self._board[Cell.ASKED_RECIPE] = polled.recipe_request
        # The first read is where we begin, not an edge.
        triggered = before is not None and bool((polled.status ^ before.status) & Status.TRIGGER)
        self._tell_cameras(Reading(now, now_ns(), polled.trigger_id, triggered))
        if before is None:
            return
        if Status.ALARM_RESET in polled.status and Status.ALARM_RESET not in before.status:
            self._stage.tell(tell="alarm_reset")

    def _tell_cameras(self, reading: Reading) -> None:
        """Each camera has a pipe of its own: one that does not read costs the others nothing."""
        for fd, hears in self._pipes:
            wanted = self._board[hears]
            if wanted == Hears.READINGS or (wanted == Hears.TRIGGERS and reading.triggered):
                try:
                    os.write(fd, reading.pack())
                except BlockingIOError:
                    pass  # acquire hangs; a part without an announcement is rejected by preset
