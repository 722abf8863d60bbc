"""The connection to the PLC: up or down, safe state first, nothing replayed.

Every fault resets the connection and takes the link down. The next attempt
comes at once: a PASS that the PLC reads too late may have been taken for the next
part's, and the safe state takes it back while that part is in front of it.
Attempts that fail are repeated after a back-off. A link is up only once the safe
state has been verified on the new connection.
"""

from __future__ import annotations

from typing import Any

from aoi_daemon.board import Board, Cell, Link
from aoi_daemon.config.schema import PlcSection
from aoi_daemon.errors import PlcError
from aoi_daemon.plc.client import PlcClient
from aoi_daemon.plcmap.coils import bits
from aoi_daemon.stage import now_ns

_CONNECT_S = 0.2


class PlcLink:
    """Writes and reads of the plc stage, with the link's state on the board."""

    def __init__(self, section: PlcSection, board: Board, log: Any, *, spin_s: float = 0.0) -> None:
        self._section = section
        self._board = board
        self._log = log
        self._client = PlcClient(section.host, section.port, section.unit, spin_s=spin_s)
        self._timeout_s = section.timeout_ms / 1e3
        self._wait_ms = section.reconnect_min_ms
        self._said = ""
        self.up = False
        self.retry_ns = 0

    def connect(self, safe: int) -> bool:
        """One attempt: connect, write the word `safe`. False when it failed; `retry_ns` says when again.

        A request of the former connection that lies in the PLC's receive buffer is not taken back by
        its reset (at most one, measured); `safe` carries the current sequence, which makes that one old.
        """
        try:
            self._client.connect(max(_CONNECT_S, self._timeout_s))
            self._client.write_coils(self._section.coil_base, bits(safe), self._timeout_s)
        except PlcError as error:
            self._down(error)
            return False
        self.up = True
        self._wait_ms = self._section.reconnect_min_ms
        self._said = ""
        self._board[Cell.LINK] = Link.UP
        self._board[Cell.COILS] = safe
        self._log.info("plc_connected", host=self._section.host, port=self._section.port)
        return True

    def write(self, word: int, timeout_s: float | None = None) -> bool:
        """Write the 16 coils in one FC15 request and verify the answer; False: the link is down now."""
        begun_ns = now_ns()
        try:
            self._client.write_coils(
                self._section.coil_base, bits(word), min(self._timeout_s, timeout_s or self._timeout_s)
            )
        except PlcError as error:
            self._down(error)
            return False
        self._board[Cell.PLC_ROUND_TRIP_NS] = now_ns() - begun_ns
        self._board[Cell.COILS] = word
        return True

    def write_registers(self, base: int, values: list[int], timeout_s: float) -> bool:
        """Write holding registers in one FC16 request; False: the link is down now."""
        try:
            self._client.write_registers(base, values, min(self._timeout_s, timeout_s))
        except PlcError as error:
            self._down(error)
            return False
        return True

    def read_registers(self, base: int, count: int) -> list[int] | None:
        """Read holding registers with FC03; None: the link is down now."""
        try:
            return self._client.read_registers(base, count, self._timeout_s)
        except PlcError as error:
            self._down(error)
            return None

    def _down(self, error: PlcError) -> None:
        was_up, self.up = self.up, False
        self._board[Cell.LINK] = Link.DOWN
        self._board[Cell.READY] = 0
        self.retry_ns = now_ns()
        if was_up:
            self._board.add(Cell.RECONNECTS)
        else:
            self.retry_ns += int(self._wait_ms * 1e6)
            self._wait_ms = min(2 * self._wait_ms, self._section.reconnect_max_ms)
        if str(error) != self._said:  # an outage is one line, not one for each attempt
            self._said = str(error)
            self._log.error("plc_link_down", error=str(error), action=error.action.value)

    def close(self) -> None:
        """Give the connection back."""
        self._client.reset()
        self.up = False
        self._board[Cell.LINK] = Link.DOWN
