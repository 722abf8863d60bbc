"""The frame of every page: head, navigation, the banner for old data, and the way of taps and results.

A page is HTML made here, with the pieces that live (`cells.py`) sent again when they have changed. NiceGUI
brings the page, the connection and the events.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup
from nicegui import Client, ui
from starlette.requests import Request

from aoi_daemon.hmi.access.roles import Action, Refused, Session
from aoi_daemon.hmi.api.actions import Result
from aoi_daemon.hmi.pictures import Shot
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets import cells
from aoi_daemon.hmi.widgets.symbols import sign
from aoi_daemon.texts.words import LANGUAGES, Words

STATIC: Final = Path(__file__).parents[1] / "static"
_CONTENT: Final = f"{zlib.crc32(b''.join((STATIC / name).read_bytes() for name in ('page.css', 'page.js'))):08x}"
"""In the files' addresses: a browser that has kept older ones asks for the new."""
_PAGES: Final = (
    ("main", "/"), ("rejects", "/rejects"), ("alarms", "/alarms"), ("report", "/report"), ("recipe", "/recipe"),
    ("commissioning", "/commissioning"), ("help", "/help"),
)  # fmt: skip
_OFTEN: Final = ("main", "rejects", "alarms", "report")
"""On a phone these have a place of their own; the rest is behind `More`."""

Render = Callable[[Site, Words], Markup]
Handler = Callable[[str], Awaitable[None]]


class Page:
    """One open page of one browser.

    `cells` are sent again when they change, `shot` is the last part sent, `handlers` answer its taps.
    """

    def __init__(self, site: Site, request: Request, client: Client, here: str) -> None:
        self.site = site
        self.client = client
        self.here = here
        self.request = request
        self.words = Words(_language(site, request))
        self.session: Session | None = site.access.session_of(request)
        self.visible = True
        self.wants_pictures = False
        self.shot: Shot | None = None
        self.cells: dict[str, Render] = {}
        self.sent: dict[str, str] = {}
        self.handlers: dict[str, Handler] = {}

    def may(self, action: Action) -> bool:
        """Whether to offer `action`; the gate asks again when it is tapped."""
        return self.site.actions.may(self.session, action)

    def for_role(self, role: str) -> Markup:
        """Why a button is not offered: a login, or a role, is wanting."""
        key = "for_role" if self.session is None else "only_role"
        return Markup(f'<p class="note">{self.words(key, role=self.words(role))}</p>')

    def problem(self, text: str) -> Markup:
        """The records cannot be read, and why."""
        said = self.words("records_problem")
        return Markup(f'<section class="panel"><p>{said}</p><p class="answer bad">{escape(text)}</p></section>')

    def cell(self, name: str, render: Render, kind: str = "", tag: str = "div") -> Markup:
        """A piece that lives: its element, filled as the line is now."""
        self.cells[name] = render
        self.sent[name] = self.site.render(render, self.words)
        return Markup(f'<{tag} id="{name}" class="{kind}">{self.sent[name]}</{tag}>')

    def changed(self) -> dict[str, str]:
        """The pieces that have changed since they were sent."""
        found: dict[str, str] = {}
        for name, render in self.cells.items():
            html = self.site.render(render, self.words)
            if html != self.sent.get(name):
                self.sent[name] = found[name] = html
        return found

    def put(self, name: str, html: str) -> None:
        """Fill an element that is no cell."""
        self.client.run_javascript(f"aoi.put({json.dumps(name)}, {json.dumps(html)})")

    def run(self, call: str, *arguments: Any) -> None:
        """Call `aoi.call(...arguments)` in the browser."""
        self.client.run_javascript(f"aoi.{call}({', '.join(json.dumps(one) for one in arguments)})")

    def say(self, text: str, *, ok: bool) -> None:
        """What came of a tap, in a corner."""
        self.run("say", ok, sign("check" if ok else "cross"), text)

    def on(self, what: str, handler: Handler) -> None:
        """Answer taps on elements with `data-do="what"`; the handler gets their `data-arg`."""
        self.handlers[what] = handler

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

    async def _tapped(self, what: str, argument: Any) -> None:
        if not self.site.backend.doors.tap(self.request.client.host if self.request.client else ""):
            return
        if what == "visible":
            self.visible = bool(argument)
        elif what in self.handlers:
            await self.handlers[what](str(argument))

    def show(self, body: str) -> None:
        """Build the page around `body`."""
        words = self.words
        theme = "night" if self.request.cookies.get("aoi-theme") == "night" else "day"
        self.client.title = f"{words(self.here)} – {self.site.config.line.name}".replace("\u00ad", "")
        ui.add_head_html(
            f'<script>document.documentElement.dataset.theme="{theme}";'
            f'document.documentElement.lang="{words.language}"</script>'
            f'<link rel="stylesheet" href="/static/page.css?{_CONTENT}">'
            f'<script defer src="/static/page.js?{_CONTENT}"></script>'
        )
        ui.html(
            f"{self._banner()}{self._head()}{self._rail()}"
            f'<div class="page">{self.cell("bypass", cells.bypass_banner)}{body}</div>{self._dialogs()}',
            sanitize=False,
        )
        ui.on("aoi", lambda event: self._tapped(str(event.args.get("do")), event.args.get("arg")))

    def _banner(self) -> str:
        texts = {key: escape(self.words(key)) for key in ("lost", "lost_age", "hung", "hung_age")}
        data = " ".join(f'data-{key.replace("_", "-")}="{text}"' for key, text in texts.items())
        return (
            f'<div id="banner" role="alert" {data}>{sign("alarms")}<div><span id="banner-text"></span>'
            '<span id="banner-age"></span></div></div>'
        )

    def _head(self) -> str:
        words, session = self.words, self.session
        here = escape(str(self.request.url.path))
        if session is None:
            who = f'<a class="button" href="/login?next={here}">{sign("user")}'
            who += f'<span class="word">{words("log_in")}</span></a>'
        else:
            role = words(session.user.role.value)
            who = (
                f'<form method="post" action="/logout"><input type="hidden" name="csrf" value="{escape(session.csrf)}">'
                f'<button type="submit" title="{words("log_out")}">{sign("leave")}'
                f'<span class="word">{escape(session.user.name)} ({role})</span>'
                f'<b class="word">{words("log_out")}</b></button></form>'
            )
        other = next(one for one in LANGUAGES if one != words.language)
        return (
            f'<header class="head"><span class="name">{escape(self.site.config.line.name)}</span>'
            f'{self.cell("head-state", cells.head_state, "live told")}<span class="fill"></span>'
            f'{self.cell("head-alarms", cells.head_alarms)}<span id="clock"></span>'
            f'<button class="wide-only" data-dark="" aria-label="{words("theme")}" title="{words("theme")}">'
            f"{sign('night')}</button>"
            f'<button data-lang="{other}" lang="{other}">{words("language")}</button>{who}</header>'
        )

    def _rail(self) -> str:
        links = "".join(
            f'<a href="{path}" class="{"" if name in _OFTEN else "rare"}"'
            f"{' aria-current=page' if name == self.here else ''}>{sign(name)}<span>{self.words(name)}</span></a>"
            for name, path in _PAGES
        )
        more = f'<a href="#" data-more="">{sign("more")}<span>{self.words("more")}</span></a>'
        return f'<nav class="rail">{links}{more}</nav>'

    def _dialogs(self) -> str:
        words = self.words
        return (
            '<dialog id="confirm"><p id="confirm-text"></p><div class="pair">'
            f'<button data-close="">{words("no")}</button><button id="confirm-yes">{words("yes")}</button></div>'
            "</dialog>"
            '<dialog id="viewer"><div id="viewer-body"></div></dialog><div id="toasts" role="status"></div>'
        )


def _language(site: Site, request: Request) -> Any:
    chosen = request.cookies.get("aoi-lang")
    if chosen in LANGUAGES:
        return chosen
    return LANGUAGES[0] if site.config.hmi is None else site.config.hmi.language
