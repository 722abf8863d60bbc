"""The guard before every route, page and stream: foreign sites, unknown ways in, and lookers without a login.

Process: hmi. Blocks: nowhere. What a route does it asks for itself (`actions`); here stands what holds for all:

- the Host must be one of ours, or a hostile page could reach a page on this PC under its own name (DNS rebinding);
- whatever is not a GET must come from our own pages, and go to one of the paths that take it;
- a stream of events ends with the login that it needs; of websockets there are none;
- answers say what a browser may do with them.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aoi_daemon.config.hmi import HmiSection
from aoi_daemon.hmi.access.roles import Access, Action

MACHINES: Final = ("/metrics", "/healthz", "/readyz")
"""For machines: read alone, by any name of this PC, without a login."""
API: Final = "/api/v1/"
"""For programs, which may have a token in the place of a login: each of its routes asks for itself (`Readers`)."""
LOGIN: Final = "/login"
REPORTS: Final = "/csp-report"
"""Where browsers report what the policy kept from a page; also from the login page, before there is a login."""
OF_PAGES: Final = "/page/"
"""What an open page and its browser say to each other."""
STREAM: Final = f"{OF_PAGES}events"
TAP: Final = f"{OF_PAGES}tap"

_SAFE: Final = ("GET", "HEAD")
_LOOK_AGAIN_S: Final = 2.0
_OWN_PORT: Final = {"http": 80, "https": 443}

_FONTS: Final = "/static/fonts/"
"""Open, as the login page is written in them."""
_POLICY: Final = (
    # What a page of ours needs, and all from here: its script and style, pictures, fonts, its stream and taps, forms.
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    # Not `report-to`: browsers that know it no longer look at this one, and take no word of a page without TLS, or
    # with a certificate of the plant's own.
    f"report-uri {REPORTS}"
)
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: with it browsers send `Origin: null` with the forms of our own pages.
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=()",
}


class Guard:
    """ASGI middleware around `app`. `posts` are the paths that take a POST."""

    def __init__(self, app: ASGIApp, access: Access, posts: Iterable[str]) -> None:
        self._app = app
        self._access = access
        self._posts = frozenset(posts)
        self._names = _own_names(access.section)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. What is no HTTP (a websocket, where a server takes one) gets no answer."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        sending = _with_headers(send)
        if refusal is not None:
            await _refuse(sending, *refusal)
        else:
            await self._app(scope, receive, self._while_it_may(scope, sending) if scope["path"] == STREAM else sending)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """(status, why) of what does not get in; a 303's `why` is where to go."""
        path, headers = scope["path"], Headers(scope=scope)
        host = headers.get("host", "")
        if path not in MACHINES and not host_is_ours(host, self._names):
            return 400, f"host {host!r} is not a name of this page; hmi.origins in line.toml takes further ones"
        if scope["method"] not in _SAFE:
            if scope["method"] != "POST" or path not in self._posts:
                return 405, f"{scope['method']} is not taken here"
            if not origin_is_ours(headers, scope["scheme"], self._access.section):
                return 403, "the request comes from another site"
        elif path == STREAM and not origin_is_ours(headers, scope["scheme"], self._access.section):
            return 403, "the request comes from another site"
        if path in MACHINES or path in (LOGIN, REPORTS) or path.startswith((_FONTS, API)) or self._may_look(scope):
            return None
        if scope["method"] in _SAFE and "text/html" in headers.get("accept", ""):
            return 303, f"{LOGIN}?next={quote(path)}"
        return 401, "log in first; the last login may have ended"

    def _may_look(self, scope: Scope) -> bool:
        return self._access.may(self._access.session_of(HTTPConnection(scope)), Action.VIEW)

    def _while_it_may(self, scope: Scope, send: Send, clock: Callable[[], float] = time.monotonic) -> Send:
        """`send` for a stream that ends it once its login has ended, where looking needs one."""
        again_s, ended = clock() + _LOOK_AGAIN_S, False

        async def guarded(message: Message) -> None:
            nonlocal again_s, ended
            if ended:
                return
            if clock() >= again_s:
                again_s = clock() + _LOOK_AGAIN_S
                if not self._may_look(scope):
                    ended = True
                    message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        return guarded


def host_is_ours(host: str, names: frozenset[str]) -> bool:
    """Whether the header Host is an IP address or one of `names`. An address cannot be taken over by a DNS entry."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in names
    return True


def origin_is_ours(headers: Headers, scheme: str, section: HmiSection) -> bool:
    """Whether a request comes from a page of this server, or from no page at all (browsers always say)."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    found = origin.lower().removesuffix(f":{_OWN_PORT[scheme]}")
    ours = f"{scheme}://{headers.get('host', '').lower()}".removesuffix(f":{_OWN_PORT[scheme]}")
    return found == ours or found in section.origins


def _own_names(section: HmiSection) -> frozenset[str]:
    own = socket.gethostname().lower()
    told = (urlsplit(origin).hostname or "" for origin in section.origins)
    return frozenset({"localhost", own, f"{own}.local", section.host.lower(), *told})


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("content-security-policy", _POLICY)
        await send(message)

    return sending


async def _refuse(send: Send, status: int, why: str) -> None:
    body = b"" if status == 303 else json.dumps({"ok": False, "error": why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
               (b"cache-control", b"no-store"), (b"connection", b"close")]  # fmt: skip
    if status == 303:
        headers.append((b"location", why.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
