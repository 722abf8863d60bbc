"""The stream of one page: server-sent events (HTML Standard, 9.2) for as long as its browser listens.

Process: hmi. Blocks: nowhere; it waits for news, and for a slow reader. What is sent is asked for when the reader has
taken what was sent before, so one that sleeps costs the transport's buffer and no more: what was in between is left
out, the newest comes next. One that takes nothing for a while is cut off by `DoorProtocol`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aoi_daemon.hmi.widgets.shell import Page

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # `no-transform`, and nginx's own word: a proxy that collects events before it passes them on shows old figures.
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]
RELOAD: Final = {"do": [["reload"]]}
"""The page is no longer what its browser may see, or is not known here: it has to be asked for anew."""


def event(message: dict[str, Any]) -> bytes:
    """`message` as one event: JSON has no line end in it."""
    return b"data: " + json.dumps(message, separators=(",", ":")).encode() + b"\n\n"


class Stream(Response):
    """The events of `page`, each what `tell(page)` gives when there is news; None ends it with a reload.

    A page has one stream: another one (its browser has lost the first) takes its place. `begins` and `ends` are told.
    """

    def __init__(
        self, page: Page, tell: Callable[[Page], dict[str, Any] | None],
        begins: Callable[[Page], None], ends: Callable[[Page], None],
    ) -> None:  # fmt: skip
        super().__init__()
        self._page = page
        self._tell = tell
        self._begins = begins
        self._ends = ends

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the browser is gone, or there is nothing more to tell it."""
        page = self._page
        news = page.listen()
        self._begins(page)
        gone = asyncio.create_task(_until_gone(receive))
        gone.add_done_callback(lambda _: news.set())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            while True:
                await news.wait()
                news.clear()
                if gone.done() or page.listener is not news:
                    break
                message = self._tell(page)
                await send(_body(event(RELOAD if message is None else message)))
                if message is None or message.get("last"):
                    break
            await send(_body(b"", more=False))
        finally:
            gone.cancel()
            if page.listener is news:
                page.listener = None
                self._ends(page)


class Reload(Response):
    """The one event for a page that is not known: by another status a browser would give up, and stay as it is."""

    def __init__(self) -> None:
        super().__init__(event(RELOAD), headers={key.decode(): value.decode() for key, value in _HEADERS})


def _body(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
