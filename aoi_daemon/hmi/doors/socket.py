"""The listening socket that counts who is in: before TLS, before HTTP, and until the last byte of a stream.

Process: hmi. Blocks: nowhere. The server above asks a socket to accept, and closes what it got; both are counted
here, so that no protocol has to say when it begins or ends.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Final

from aoi_daemon.hmi.doors.doors import Doors

_NOT_READ_MS: Final = 30_000
"""A browser that takes nothing of its answer for so long is gone, or keeps the connection on purpose."""
_RESET: Final = struct.pack("ii", 1, 0)


class Guest(socket.socket):
    """A connection that has entered."""

    def __init__(self, fileno: int, doors: Doors, address: str) -> None:
        super().__init__(fileno=fileno)
        self._doors: Doors | None = doors
        self._address = address

    def close(self) -> None:
        """Close it, and leave; once."""
        super().close()
        if self._doors is not None:
            self._doors.leave(self._address)
            self._doors = None


class Listener(socket.socket):
    """Accepts those whom `doors` lets in."""

    doors: Doors | None = None

    def listen(self, backlog: int = 128, /) -> None:
        """As the system's; what is accepted inherits how long it may leave an answer unread."""
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _NOT_READ_MS)
        super().listen(backlog)

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection.

        Raises:
            ConnectionAbortedError: it was one too many of its address, and is gone; the next one may be fine.
            OSError: as the system's.
        """
        connection, address = super().accept()
        if self.doors is None:
            return connection, address
        if not self.doors.enter(address[0]):
            # With a reset: a port that waits for the other side's goodbye is a port of ours, too.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.close()
            raise ConnectionAbortedError("too many connections of one address")
        return Guest(connection.detach(), self.doors, address[0]), address
