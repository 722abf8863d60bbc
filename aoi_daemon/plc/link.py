"""The connection to the PLC: up or down, safe state first, nothing replayed.

Every fault resets the connection and takes the link down. The next attempt
comes at once, once in STEADY: a PASS that the PLC reads too late may have been
taken for the next part's, and the safe state takes it back while that part is in
front of it. Everything else waits for a back-off, whatever it was that failed. A
link is up only once the PLC has answered all that is configured on the new connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aoi_daemon.config.schema import PlcSection
from aoi_daemon.config.timing import CONNECT_MS
from aoi_daemon.decide.line_limit import LineLimit
from aoi_daemon.errors import PlcError, PlcRefusedError
from aoi_daemon.plc.client import PlcClient
from aoi_daemon.plcmap.coils import bits
from aoi_daemon.plcmap.registers import POLL_WORDS
from aoi_daemon.ring.ports import Clock
from aoi_daemon.stage.board import Board, Cell, Link, put_plc_address

_MS: Final = 1_000_000
STEADY_NS: Final = 1_000 * _MS
"""A link that was up for so long begins its back-off anew, and its outage is over."""
REFUSED_NS: Final = 500 * _MS
"""Least wait after a refusal: the PLC will refuse again until a person has mended an address."""
_LINES_A_MINUTE: Final = 4
_SAID: Final = 3
"""Different faults of one outage that are logged."""


class PlcLink:
    """Writes and reads of the plc stage, with the link's state on the board.

    `tell` takes what the PLC refuses, in words; "" when it refuses nothing any more. `clock`: that of `client`.
    """

    def __init__(
        self,
        section: PlcSection,
        board: Board,
        log: Any,
        tell: Callable[[str], None],
        *,
        client: PlcClient,
        clock: Clock,
    ) -> None:
        self._section = section
        self._board = board
        self._log = log
        self._tell = tell
        self._client = client
        self._now_ns = clock.now_ns
        self._timeout_s = section.timeout_ms / 1e3
        self._wait_ms = section.reconnect_min_ms
        self._up_ns = 0
        self._at_once_ns = -STEADY_NS
        self._outage_ns = 0
        self._said: list[str] = []
        self._refused = ""
        self._limit = LineLimit(_LINES_A_MINUTE)
        self.up = False
        self.retry_ns = 0

    def connect(self, safe: int, report: list[int]) -> bool:
        """One attempt: connect, write the safe state, read what is polled. False when it failed: see `retry_ns`.

        A request of the former connection that lies in the PLC's receive buffer is not taken back by
        its reset (at most one, measured); the safe state carries the current sequence, which makes that one old.

        Args:
            safe: the 16 coils.
            report: the register block, where registers are on.
        """
        section = self._section
        try:
            try:
                self._client.connect(max(CONNECT_MS / 1e3, self._timeout_s))
            finally:
                put_plc_address(self._board, *self._client.goes_to)
            # Coils first: a PLC that reads them alone is safe from here on, whatever becomes of the rest.
            self._client.write_coils(section.coil_base, bits(safe), self._timeout_s)
            if section.registers is not None:
                self._client.write_registers(section.registers.base, report, self._timeout_s)
            # Read before the link is up: READY would rise though the PLC refuses its poll block (decision 4).
            if section.poll is not None:
                self._client.read_registers(section.poll.base, POLL_WORDS, self._timeout_s)
        except PlcError as error:
            self._down(error)
            return False
        # From here on the PLC is known to have the safe state: the one moment at which a link becomes up.
        self.up = True
        self._up_ns = self._now_ns()
        self._board[Cell.LINK] = Link.UP
        self._board[Cell.COILS] = safe
        if not self._said:
            self._connected()
        self._refuses("")
        return True

    def look(self, now: int) -> None:
        """An outage is over once the link has been up for a while: until then, one that flaps is the same outage."""
        if self._said and self.up and now - self._up_ns >= STEADY_NS:
            self._connected(outage_ms=(self._up_ns - self._outage_ns) // _MS)

    def _connected(self, **more: int) -> None:
        self._said.clear()
        self._line(self._log.info, "plc_connected", host=self._section.host, port=self._section.port, **more)

    def _line(self, say: Callable[..., None], event: str, **more: object) -> None:
        """A line of log; of a link that comes and goes for hours, a few a minute."""
        now = self._now_ns()
        for what, lines in self._limit.due(now).items():
            self._log.warning("left_out", what=what, lines=lines)
        if self._limit.take(event, now):
            say(event, **more)

    def write(self, word: int, timeout_s: float | None = None) -> bool:
        """Write the 16 coils in one FC15 request and verify the answer; False: the link is down now."""
        begun_ns = self._now_ns()
        try:
            self._client.write_coils(self._section.coil_base, bits(word), self._bounded(timeout_s))
        except PlcError as error:
            self._down(error)
            return False
        self._board[Cell.PLC_ROUND_TRIP_NS] = self._now_ns() - begun_ns
        self._board[Cell.COILS] = word
        return True

    def _bounded(self, timeout_s: float | None) -> float:
        return self._timeout_s if timeout_s is None else min(self._timeout_s, timeout_s)

    def write_registers(self, base: int, values: list[int], timeout_s: float | None = None) -> bool:
        """Write holding registers in one FC16 request; False: the link is down now."""
        try:
            self._client.write_registers(base, values, self._bounded(timeout_s))
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
        now = self._now_ns()
        was_up, self.up = self.up, False
        self._board[Cell.LINK] = Link.DOWN
        self._board[Cell.READY] = 0
        self._board.add(Cell.RECONNECTS, was_up)
        # Only a link that lasted: one that fails right after it was made would otherwise be tried 2,500 times a second.
        if was_up and now - self._up_ns >= STEADY_NS:
            self._wait_ms = self._section.reconnect_min_ms
        refused = isinstance(error, PlcRefusedError)
        if was_up and not refused and now - self._at_once_ns >= STEADY_NS:
            # The safe state must be there while the part of a PASS that was read too late is still in front of the PLC.
            # Once in STEADY_NS, or a PLC that fails each request would be connected to without a pause.
            self._at_once_ns = self.retry_ns = now
        else:
            wait_ns = int(self._wait_ms * _MS)
            self.retry_ns = now + (max(wait_ns, REFUSED_NS) if refused else wait_ns)
            self._wait_ms = min(2 * self._wait_ms, self._section.reconnect_max_ms)
        if not self._said:
            self._outage_ns = now
        # A PLC that is gone refuses nothing: else "check the cable" would stay hidden behind it.
        self._refuses(str(error) if refused else "")
        # An outage is one line, not one for each attempt; what else turns up during it, a few.
        if str(error) not in self._said and len(self._said) < _SAID:
            self._said.append(str(error))
            self._line(self._log.error, "plc_link_down", error=str(error), action=error.action.value)

    def _refuses(self, what: str) -> None:
        if what != self._refused:
            self._refused = what
            self._tell(what)

    def close(self) -> None:
        """Give the connection back."""
        self._client.reset()
        self.up = False
        self._board[Cell.LINK] = Link.DOWN
