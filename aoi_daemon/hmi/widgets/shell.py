"""One open page of one browser: its pieces that live (`cells.py`), its taps, and what it has yet to be told.

A page is HTML made once, in the frame that every page has (`frame.py`); what changes then goes by its stream of
events (`stream`), and what is tapped comes as a POST (`hmi/stream/routes.py`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from markupsafe import Markup
from starlette.requests import Request

from aoi_daemon.hmi.access.roles import Action, Refused, Session
from aoi_daemon.hmi.api.actions import Result
from aoi_daemon.hmi.pictures import Shot
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets.frame import STATIC, frame
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.hmi.widgets.symbols import sign
from aoi_daemon.stage.logs import logger
from aoi_daemon.texts.words import LANGUAGES, Words

__all__ = ["STATIC", "Page"]

_MOST_CALLS: Final = 16
"""What a browser that does not listen may have waiting for it; the oldest makes room."""
_MOST_TAPS: Final = 8
_MOST_FILLED: Final = 32
"""Elements beside the cells that another stream fills again."""

Render = Callable[[Site, Words], Markup]
Handler = Callable[[str], Awaitable[None]]


class Page:
    """One open page of one browser.

    `cells` are sent again when they change, `shot` is the last part sent, `handlers` answer its taps. `id` is what its
    stream and its taps name it by, `csrf` what a tap has to bring; `html` is all of it, as the browser gets it.
    `status` is that of the answer; `elsewhere`: the address to go to instead, "" for this page.
    `listener` is set while a stream of this page is open: set it, and what there is to tell is sent.
    """

    def __init__(self, site: Site, request: Request, here: str) -> None:
        self.site = site
        self.here = here
        self.request = request
        self.words = Words(_language(site, request))
        self.session: Session | None = site.access.session_of(request)
        self.id = secrets.token_urlsafe(16)
        self.csrf = secrets.token_urlsafe(32) if self.session is None else self.session.csrf
        self.html = Markup("")
        self.status = 200
        self.elsewhere = ""
        self.wants_pictures = False
        self.shot: Shot | None = None
        self.cells: dict[str, Render] = {}
        self.handlers: dict[str, Handler] = {}
        self.listener: asyncio.Event | None = None
        self._listened = False
        self._sent: dict[str, Markup] = {}
        self._puts: dict[str, Markup] = {}
        self._filled: dict[str, Markup] = {}
        self._calls: deque[tuple[str, tuple[Any, ...]]] = deque(maxlen=_MOST_CALLS)
        self._taps: deque[tuple[str, str]] = deque()
        self._last_tap = 0
        self._answering: asyncio.Task[None] | None = None

    def may(self, action: Action) -> bool:
        """Whether to offer `action`; the gate asks again when it is tapped."""
        return self.site.actions.may(self.session, action)

    def for_role(self, role: str) -> Markup:
        """Why a button is not offered: a login, or a role, is wanting."""
        key = "for_role" if self.session is None else "only_role"
        return lay_out("frame/note.html", self.words, text=self.words(key, role=self.words(role)))

    def problem(self, text: str) -> Markup:
        """The records cannot be read, and why."""
        return lay_out("frame/problem.html", self.words, text=text)

    def cell(self, name: str, render: Render, css: str = "", tag: str = "div") -> Markup:
        """A piece that lives: its element, filled as the line is now."""
        self.cells[name] = render
        self._sent[name] = self.site.render(render, self.words)
        return lay_out("frame/cell.html", self.words, tag=tag, name=name, css=css, html=self._sent[name])

    def show(self, body: Markup) -> None:
        """Build the page around `body`."""
        self.html = frame(self, body)

    # ---- what the browser is told -------------------------------------------------------------------------------

    def put(self, name: str, html: Markup) -> None:
        """Fill an element that is no cell."""
        for told in (self._puts, self._filled):
            told.pop(name, None)  # the newest is the last: one may lie inside another
            told[name] = html
        while len(self._filled) > _MOST_FILLED:
            del self._filled[next(iter(self._filled))]
        self.wake()

    def run(self, call: str, *arguments: Any) -> None:
        """Call `aoi`'s `call(...arguments)` in the browser."""
        self._calls.append((call, arguments))
        self.wake()

    def say(self, text: str, *, ok: bool) -> None:
        """What came of a tap, in a corner."""
        self.run("say", ok, sign("check" if ok else "cross"), text)

    def wake(self) -> None:
        """There is something to tell; a page that nobody listens to keeps it."""
        if self.listener is not None:
            self.listener.set()

    def listen(self) -> asyncio.Event:
        """A stream begins, and is to send news whenever this is set; an older one ends."""
        if self.listener is not None:
            self.listener.set()
        if self._listened:
            # What the last stream sent may not have come: all is sent again.
            self._sent.clear()
            self._puts = dict(self._filled)
            self.shot = None
        self._listened = True
        self.listener = asyncio.Event()
        self.listener.set()
        return self.listener

    def news(self) -> dict[str, Any]:
        """What the browser does not know yet; it is taken as told.

        Asked for at the moment of sending, so that one who reads slowly misses what was in between, and no more than
        the newest of each waits for him.
        """
        found: dict[str, Any] = {}
        puts = self._changed()
        puts |= self._puts
        if puts:
            found["put"] = puts
        if self._calls:
            found["do"] = [[call, *arguments] for call, arguments in self._calls]
        self._puts = {}
        self._calls.clear()
        return found

    def _changed(self) -> dict[str, Markup]:
        found: dict[str, Markup] = {}
        for name, render in self.cells.items():
            html = self.site.render(render, self.words)
            if html != self._sent.get(name):
                self._sent[name] = found[name] = html
        return found

    # ---- what the browser asks for ------------------------------------------------------------------------------

    def on(self, what: str, handler: Handler) -> None:
        """Answer taps on elements with `data-do="what"`; the handler gets their `data-arg`."""
        self.handlers[what] = handler

    def tap(self, number: int, what: str, argument: str) -> bool:
        """Take in a tap, to be answered in its turn; False: too many wait already.

        One that came after a later one (they may use different connections) is not done: a coil that was let go
        must not be forced again.
        """
        if what not in self.handlers or number <= self._last_tap:
            return True
        if len(self._taps) >= _MOST_TAPS:
            return False
        self._last_tap = number
        self._taps.append((what, argument))
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer())
        return True

    async def _answer(self) -> None:
        while self._taps:
            what, argument = self._taps.popleft()
            try:
                await self.handlers[what](argument)
            except Exception:  # noqa: BLE001  # a fault of ours in one tap must not leave the page deaf to the next
                logger().exception("tap_failed", page=self.here, tap=what)

    async def act(self, doing: Awaitable[Result], done: str) -> bool:
        """Await an action and say what came of it; whether it was done."""
        try:
            result = await doing
        except Refused as refused:
            self.say(self.refusal(refused), ok=False)
            return False
        self.say(done if result.ok else result.text, ok=result.ok)
        return result.ok

    def refusal(self, refused: Refused) -> str:
        """Why not, in this page's language; what names a file or a value stays as it is."""
        return self.words(f"denied_{refused.denial.name}", why=str(refused), s=max(1, round(refused.wait_s)))


def _language(site: Site, request: Request) -> Any:
    chosen = request.cookies.get("aoi-lang")
    if chosen in LANGUAGES:
        return chosen
    return LANGUAGES[0] if site.config.hmi is None else site.config.hmi.language
