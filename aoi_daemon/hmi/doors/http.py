"""HTTP with an end to waiting: uvicorn's protocol, but a request that does not come to its end is given up.

Process: hmi. Blocks: nowhere. uvicorn ends a connection that is idle between two requests; one that sends its first
header, or its body, a byte at a time has all the time in the world there, and as much of our memory as it likes.
One that takes nothing of its answer, a phone that has fallen asleep over a stream, is given up too.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aoi_daemon.hmi.doors.doors import Doors

REQUEST_S: Final = 10.0
"""From a request's first byte (of the first: from the connection) to its last one."""
MOST_HEAD_BYTES: Final = 64 * 1024
MOST_BODY_BYTES: Final = 64 * 1024
"""What our routes take is smaller, and bounded by them."""
NOT_READ_S: Final = 10.0
"""So long an answer may wait, in a buffer that is full, for its browser to take some of it."""


class _From(logging.LoggerAdapter):  # type: ignore[type-arg]
    """Says of each line who caused it."""

    @property
    def level(self) -> int:
        """What uvicorn asks for."""
        return int(self.logger.level)


class DoorProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, doors: Doors, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._doors = doors
        self._late: asyncio.TimerHandle | None = None
        self._not_read: asyncio.TimerHandle | None = None
        self._bytes = 0
        self._in_head = True

    @property
    def address(self) -> str:
        """Who is at the other end."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It has come, and has to say something."""
        super().connection_made(transport)
        self.logger = _From(self.logger, {"address": self.address})  # type: ignore[assignment]
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._done()
        self._read_on()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The buffer is full: the other side takes less than it gets."""
        super().pause_writing()
        if self._not_read is None:
            self._not_read = self.loop.call_later(NOT_READ_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken enough of it."""
        self._read_on()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; those of its head are counted by what comes, for the parser keeps them all."""
        if self._in_head:
            self._bytes += len(data)
        super().data_received(data)
        if self._in_head and self._bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._give_up("too_large")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head, self._bytes = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of its body."""
        self._bytes += len(body)
        if self._bytes > MOST_BODY_BYTES:
            self._give_up("too_large")
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """It has come to its end; the next one begins with its first byte."""
        self._done()
        self._in_head, self._bytes = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._doors.turned_away("invalid", self.address)
        super().send_400_response(msg)

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(REQUEST_S, self._give_up, "half_sent")

    def _done(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _read_on(self) -> None:
        if self._not_read is not None:
            self._not_read.cancel()
            self._not_read = None

    def _give_up(self, why: str) -> None:
        self._done()
        if not self.transport.is_closing():
            self._doors.turned_away(why, self.address)
            self.transport.abort()
