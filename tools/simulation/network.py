"""Bytes between the daemon and the PLC: in order on each connection, and in no order between two.

A connection is TCP's as both ends see it: bytes come late, in pieces or not at all, a reset throws away what was not
delivered, and what lies in the PLC's buffer by then is worked off all the same.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final, Protocol

from tools.simulation.faults import Kind
from tools.simulation.timeline import MS, Timeline

_RTT_NS: Final = MS // 5
_LEAST_NS: Final = MS // 20


class Weather(Protocol):
    """Which fault strikes now."""

    def strikes(self, kind: Kind, index: int) -> float:
        """0: none; else how hard, above 0 up to 1."""
        ...

    def until(self, kind: Kind) -> int:
        """When the fault of this kind ends that is on now, ns; 0: none is."""
        ...


class Server(Protocol):
    """The PLC's side."""

    def accepts(self, wire: Line) -> str:
        """Nothing where it takes the connection; "refused", or "mute"."""
        ...

    def received(self, wire: Line, data: bytes) -> None:
        """Bytes have come."""
        ...

    def ended(self, wire: Line) -> None:
        """The daemon's end was reset."""
        ...


class Witness(Protocol):
    """Who looks at each byte of the daemon."""

    def sent(self, wire: Line, data: bytes) -> None:
        """A request begins."""
        ...

    def took(self, wire: Line) -> None:
        """The daemon has read of the answer."""
        ...

    def reset(self, wire: Line) -> None:
        """The daemon has closed."""
        ...


class Line:
    """One connection: the daemon's end of it is a `Connection`."""

    def __init__(self, network: Network, number: int) -> None:
        self.number = number
        self._network = network
        self._timeline = network.timeline
        self._step = network.step
        self._come = bytearray()
        self._ended = False
        self.open = True
        self.server_sees_it = True
        self.begun: dict[bytes, int] = {}
        """When the request of each transaction was begun."""
        self._up_ns = self._down_ns = 0

    # -- the daemon's end ----------------------------------------------------

    def send(self, data: bytes) -> int:
        """See `Connection`."""
        self._step()
        if self._ended:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        self.begun[data[:2]] = self._timeline.now
        self._network.witness.sent(self, data)
        network, timeline = self._network, self._timeline
        self._up_ns = max(self._up_ns + 1, timeline.now + network.latency())
        timeline.at(self._up_ns, self._arrive, data)
        self._step()
        return len(data)

    def recv(self, size: int) -> bytes:
        """See `Connection`."""
        self._step()
        if self._come:
            found = bytes(self._come[:size])
            del self._come[:size]
            self._network.witness.took(self)
            return found
        if self._ended:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        raise BlockingIOError

    def poll(self, timeout_ms: float) -> list[tuple[int, int]]:
        """See `Connection`; as the system's, it rounds up to whole milliseconds."""
        self._step()
        timeline = self._timeline
        if timeout_ms:
            until = timeline.now + -int(-timeout_ms // 1) * MS
            while not (self._come or self._ended):
                timeline.woken = False
                timeline.run(until)
                if not timeline.woken:
                    break
        return [(0, 1)] if self._come or self._ended else []

    def close(self) -> None:
        """See `Connection`: a RST. No port is called in it: the kernel does the same for a process that was killed."""
        if not self.open:
            return
        self.open = False
        self._network.witness.reset(self)
        timeline = self._timeline
        # What was sent before and is still under way arrives ahead of the reset.
        if not self._network.is_cut():
            timeline.at(max(self._up_ns + 1, timeline.now + self._network.latency()), self._gone)

    # -- under way -----------------------------------------------------------

    def _arrive(self, data: bytes) -> None:
        cut = self._network.is_cut()
        if cut:
            # TCP sends it again once the cable is back, unless the daemon's end was reset meanwhile.
            self._up_ns = max(self._up_ns, cut + self._network.latency())
            self._timeline.at(self._up_ns, self._again, data)
        else:
            self._network.server.received(self, data)

    def _again(self, data: bytes) -> None:
        if self.open:
            self._arrive(data)

    def _gone(self) -> None:
        if self.server_sees_it:
            self.server_sees_it = False
            self._network.server.ended(self)

    def answer(self, data: bytes, after_ns: int = 0) -> None:
        """The PLC sends bytes, in `after_ns`."""
        network, timeline = self._network, self._timeline
        for piece, gap_ns in network.pieces(data):
            self._down_ns = max(self._down_ns + 1, timeline.now + after_ns + network.latency() + gap_ns)
            timeline.at(self._down_ns, self._deliver, piece)

    def _deliver(self, data: bytes) -> None:
        if not self.open:
            return
        cut = self._network.is_cut()
        if cut:
            self._down_ns = max(self._down_ns, cut + self._network.latency())
            self._timeline.at(self._down_ns, self._deliver, data)
            return
        self._come += data
        self._timeline.woken = True

    def break_off(self) -> None:
        """The network, or the PLC, resets it."""
        self.server_sees_it = False
        if self.open and not self._ended:
            self._ended = True
            self._timeline.woken = True


    def break_off_here(self) -> None:
        """The network resets the daemon's end; the PLC hears nothing of it."""
        if self.open and not self._ended:
            self._ended = True
            self._timeline.woken = True


class Network:
    """Makes connections to `server`. `step` is called at each call of a port."""

    def __init__(self, timeline: Timeline, weather: Weather, server: Server, witness: Witness) -> None:
        self.timeline = timeline
        self.weather = weather
        self.server = server
        self.witness = witness
        self.step: Callable[[], None] = lambda: None
        self.lines: list[Line] = []
        self._messages = 0

    def connect(self, timeout_s: float) -> Line:
        """A connection. TimeoutError, ConnectionRefusedError: as of a socket."""
        timeline = self.timeline
        until = timeline.now + int(timeout_s * 1e9)
        line = Line(self, len(self.lines) + 1)
        self._wait(min(until, timeline.now + _RTT_NS))
        says = "mute" if self.is_cut() else self.server.accepts(line)
        if says == "mute":
            self._wait(until)
            raise TimeoutError
        if says:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self.lines.append(line)
        return line

    def drop(self) -> None:
        """Reset all connections, as a firewall that has forgotten them does."""
        for line in self.lines[-2:]:
            if line.open:
                line.break_off()
                self.server.ended(line)

    def is_cut(self) -> int:
        """When the cable will be back, 0: it is there."""
        return self.weather.until(Kind.CABLE)

    def latency(self) -> int:
        """Of one segment, ns."""
        self._messages += 1
        hard = self.weather.strikes(Kind.DELAY, self._messages)
        return _LEAST_NS + int(hard * hard * 150 * MS)

    def pieces(self, data: bytes) -> list[tuple[bytes, int]]:
        """The segments in which `data` goes, with the gap before each, ns."""
        self._messages += 1
        hard = self.weather.strikes(Kind.SPLIT, self._messages)
        if not hard:
            return [(data, 0)]
        at = 1 + int(hard * (len(data) - 1))
        return [(data[:at], 0), (data[at:], MS // 10)]

    def _wait(self, until: int) -> None:
        timeline = self.timeline
        while timeline.now < until:
            timeline.woken = False
            timeline.run(until)
