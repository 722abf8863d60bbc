"""A TCP connection that carries one Modbus/TCP request and its answer at a time.

Process: plc. Blocks: in connect, send and receive, each until a deadline on
the monotonic clock (poll wakes up to 1 ms later; what came by then is not taken),
however few bytes at a time the other end sends. Knows the frame's header, nothing above it.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from contextlib import suppress
from typing import Final

from aoi_daemon.errors import PlcAnswerError, PlcError, PlcRefusedError, PlcTimeoutError
from aoi_daemon.plc.ports import Address, Connection, Dial
from aoi_daemon.ring.ports import MONOTONIC, Clock

_HEADER: Final = struct.Struct(">HHHB")  # transaction, protocol 0, length of what follows it, unit
_BEFORE_LENGTH: Final = 6
_MAX_FRAME: Final = 260  # Modbus Messaging on TCP/IP 1.0b, 4.1: a header of 7 and a PDU of at most 253 bytes
_SHORTEST: Final = 3  # unit, function and one byte: no answer is shorter
_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)  # struct linger: on, 0 s
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class Tcp:
    """The real `Connection`, to `address` within `timeout_s`. TimeoutError and OSError as a socket."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        connection = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            # Set before connecting: whatever closes it, the end of a killed process too, then resets it.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for level, option, value in _KEEPALIVE:
                connection.setsockopt(level, option, value)
            connection.settimeout(timeout_s)
            connection.connect(address.where)
            connection.setblocking(False)
        except BaseException:
            connection.close()
            raise
        # poll, not select: select fails on a descriptor above 1023.
        self._readable = select.poll()
        self._readable.register(connection, select.POLLIN)
        self.socket = connection
        # The calls themselves: a port costs the hot path nothing.
        self.send, self.recv, self.poll = connection.send, connection.recv, self._readable.poll

    def close(self) -> None:
        """Close with a RST, not a FIN, so that the kernel drops what it has not sent."""
        with suppress(OSError):
            self._readable.unregister(self.socket)
            self.socket.close()


class Wire:
    """The connection. Errors leave it as it is: the caller closes it, which resets it.

    Args:
        spin_s: an answer is asked for without pause for so long, before the wait for it sleeps.
        clock: of its deadlines.
        dial: makes a connection.
    """

    def __init__(self, spin_s: float = 0.0, *, clock: Clock = MONOTONIC, dial: Dial = Tcp) -> None:
        self._spin_ns = round(spin_s * 1e9)
        self._now_ns = clock.now_ns
        self._dial = dial
        self._connected: Connection | None = None
        self._asked = b""

    @property
    def is_open(self) -> bool:
        """There is a connection; whether the other end is alive, only an answer tells."""
        return self._connected is not None

    def open(self, address: Address, timeout_s: float) -> None:
        """Connect within `timeout_s`.

        Raises:
            PlcTimeoutError: it took longer.
            PlcError: refused, unreachable.
        """
        self.close()
        try:
            self._connected = self._dial(address, timeout_s)
        except TimeoutError as error:
            raise PlcTimeoutError(f"no connection to {address}: nobody answers") from error
        except OSError as error:
            raise PlcError(f"no connection to {address}: {error.strerror or error}") from error

    def close(self) -> None:
        """Close with a RST, not a FIN, so that the kernel drops what it has not sent."""
        if self._connected is not None:
            connection, self._connected = self._connected, None
            connection.close()

    def send(self, request: bytes) -> None:
        """Send a frame at once; it is one system call and one segment, or an error.

        Raises:
            PlcAnswerError: bytes came that nobody asked for.
            PlcError: the connection is closed, or takes no bytes.
        """
        connection = self._connection()
        if connection.poll(0):
            # Between two requests nothing may come but the end of the connection.
            self._read(connection)
            raise PlcAnswerError("the PLC sent bytes that it was not asked for")
        self._asked = request
        try:
            sent = connection.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise PlcError(f"the connection broke: {error.strerror or error}") from error
        if sent != len(request):
            raise PlcTimeoutError("the PLC takes no bytes")

    def receive(self, deadline_ns: int) -> bytes:
        """The one frame that answers what was sent, complete, until `deadline_ns` of the clock.

        Raises:
            PlcTimeoutError: it is not there, or not complete, by then.
            PlcAnswerError: another transaction, unit or protocol, a wrong length, or more than one frame.
            PlcError: the connection was closed or broke.
        """
        connection = self._connection()
        frame = b""
        spin_until_ns = self._now_ns() + self._spin_ns
        while True:
            if not self._is_readable(connection, deadline_ns, spin_until_ns):
                raise PlcTimeoutError("no complete answer in time" if frame else "no answer in time")
            frame += self._read(connection)
            size = self._size(frame)
            if len(frame) > size:
                raise PlcAnswerError(f"the answer has {size} bytes and {len(frame) - size} more")
            if len(frame) == size:
                return frame

    def _is_readable(self, connection: Connection, deadline_ns: int, spin_until_ns: int) -> bool:
        """Something has come by `deadline_ns`; without sleeping where it comes by `spin_until_ns`."""
        came: list[tuple[int, int]] = []
        while (now_ns := self._now_ns()) < deadline_ns:
            if came:
                return True
            came = connection.poll(0 if now_ns < spin_until_ns else (deadline_ns - now_ns) / 1e6)
        # What came in the millisecond by which poll rounds up is too late: a PASS may be the next part's by now.
        return False

    def _size(self, frame: bytes) -> int:
        """How long `frame` will be when it is complete; its header is checked as soon as it is there."""
        if len(frame) < _HEADER.size:
            return _MAX_FRAME
        transaction, protocol, length, unit = _HEADER.unpack_from(frame)
        asked_transaction, _, _, asked_unit = _HEADER.unpack_from(self._asked)
        for name, found, expected in (
            ("transaction", transaction, asked_transaction),
            ("protocol", protocol, 0),
        ):
            if found != expected:
                raise PlcAnswerError(f"the answer is of another {name}")
        if unit != asked_unit:
            raise PlcRefusedError(f"unit {asked_unit} was asked, unit {unit} answered")
        size: int = _BEFORE_LENGTH + length
        if not _BEFORE_LENGTH + _SHORTEST <= size <= _MAX_FRAME:
            raise PlcAnswerError(f"the answer says that it has {size} bytes")
        return size

    def _connection(self) -> Connection:
        if self._connected is None:
            raise PlcError("not connected")
        return self._connected

    @staticmethod
    def _read(connection: Connection) -> bytes:
        try:
            piece = connection.recv(_MAX_FRAME + 1)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PlcError(f"the connection broke: {error.strerror or error}") from error
        if not piece:
            raise PlcError("the PLC closed the connection")
        return piece


class Resolver:
    """Addresses of `host`. A name is looked up in a thread: the system's resolver has no time-out.

    The addresses last found serve on when the name service does not answer.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._found: list[Address] = []
        self._failure = ""
        self._lookup: threading.Thread | None = None
        self._numeric = self._look_up(socket.AI_NUMERICHOST)

    def addresses(self, timeout_s: float) -> list[Address]:
        """At least one address, within `timeout_s`.

        Raises:
            PlcTimeoutError: the name service did not answer in time, and never had.
            PlcError: there is no such name.
        """
        if not self._numeric:
            if self._lookup is None:  # one still running is waited for, not doubled
                self._lookup = threading.Thread(target=self._look_up, name="resolve", daemon=True)
                self._lookup.start()
            self._lookup.join(timeout_s)
            if not self._lookup.is_alive():
                self._lookup = None
            elif not self._found:
                raise PlcTimeoutError(f"the name {self._host} was not resolved in time; give an address")
        if not self._found:
            raise PlcError(f"the name {self._host} cannot be resolved: {self._failure}")
        return self._found

    def _look_up(self, flags: int = 0) -> bool:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=flags)
        except OSError as error:
            self._failure = error.strerror or str(error)
            return False
        self._found = [Address(family, where) for family, _, _, _, where in found]
        return True
