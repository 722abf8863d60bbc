"""How fast, and how much at once, one address may ask: the page's answers are for all who look.

Process: hmi. Blocks: nowhere. A request waits for its turn among those of its own address alone, so whoever asks for
much waits for himself; beyond a rate that no person reaches it is refused with 429.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from aoi_daemon.hmi.access.limits import Rate
from aoi_daemon.hmi.doors.doors import Doors, one_address

AT_ONCE: Final = 4
PAGES_AT_ONCE: Final = 1
"""Requests of one address that are worked on at a time. A page is built in one go, and all others wait for that."""
WAITING: Final = 128
"""Those that may wait for their turn; a browser has six connections, a proxy those of all who are behind it."""
PER_S: Final = 100
BURST: Final = 400
PAGES_PER_S: Final = 5
PAGES_BURST: Final = 40
"""A page is built for each look, and a report is read from the disk: they cost a hundred times what a picture does."""


class _Turn:
    def __init__(self, at_once: int) -> None:
        self.free = asyncio.Semaphore(at_once)
        self.users = 0


class Turns:
    """ASGI middleware around `app`. `pages` are the paths that cost much, with all below one that ends with a slash.

    `waits` begins those that last by design.
    """

    def __init__(
        self, app: ASGIApp, doors: Doors, pages: Iterable[str], waits: str,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._app = app
        self._doors = doors
        self._pages = frozenset(pages)
        self._below = tuple(path for path in self._pages if path.endswith("/") and path != "/")
        self._waits = waits
        self._clock = clock
        self._all = Rate(PER_S, BURST)
        self._dear = Rate(PAGES_PER_S, PAGES_BURST)
        self._turns: dict[tuple[str, bool], _Turn] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        address = scope["client"][0] if scope["client"] else ""
        path = scope["path"]
        key = (one_address(address), path in self._pages or path.startswith(self._below))
        wait_ns = self._wait_ns(key)
        if wait_ns:
            self._doors.turned_away("look_ups", address)
            await _refuse(send, wait_ns)
        elif path.startswith(self._waits):
            await self._app(scope, receive, send)
        else:
            async with self._turn(key):
                await self._app(scope, receive, send)

    def _wait_ns(self, key: tuple[str, bool]) -> int:
        now_ns, (address, dear) = self._clock(), key
        turn = self._turns.get(key)
        if turn is not None and turn.users >= WAITING:
            return 1_000_000_000
        return self._all.wait_ns(address, now_ns) or (self._dear.wait_ns(address, now_ns) if dear else 0)

    @contextlib.asynccontextmanager
    async def _turn(self, key: tuple[str, bool]) -> AsyncIterator[None]:
        turn = self._turns.setdefault(key, _Turn(PAGES_AT_ONCE if key[1] else AT_ONCE))
        turn.users += 1
        try:
            async with turn.free:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[key]


async def _refuse(send: Send, wait_ns: int) -> None:
    body = json.dumps({"ok": False, "error": "too many requests; wait a little", "why": "TOO_OFTEN"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
               (b"cache-control", b"no-store"), (b"retry-after", str(math.ceil(wait_ns / 1e9)).encode())]  # fmt: skip
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})
