"""The two routes of an open page: its stream, and what is tapped on it. Looking is guarded before (Guard)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aoi_daemon.hmi.access.guard import STREAM, TAP
from aoi_daemon.hmi.access.roles import Denial, Refused
from aoi_daemon.hmi.api.body import Field, read_body, refusal, values_of
from aoi_daemon.hmi.pulse import Pulse
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.stream.events import Reload, Stream
from aoi_daemon.hmi.widgets.shell import Page

_FIELDS: Final[Mapping[str, Field]] = {
    "page": Field(str), "number": Field(int), "do": Field(str), "arg": Field(str, optional=True),
}  # fmt: skip


def routes(site: Site, pulse: Pulse) -> list[Route]:
    """Both, for the pages that `pulse` beats for."""

    async def events(request: Request) -> Response:
        page = _page(site, pulse, request, request.query_params.get("page", ""))
        if page is None or request.method == "HEAD":
            return Reload()
        return Stream(page, pulse.tell, pulse.opened.begins, pulse.opened.ends)

    async def tap(request: Request) -> Response:
        address = request.client.host if request.client else ""
        try:
            # Counted before its body is read: whoever sends many waits for himself.
            if not site.backend.doors.tap(address):
                raise Refused(Denial.TOO_OFTEN, wait_s=1.0)
            values = values_of(_FIELDS, await read_body(request))
            page = _page(site, pulse, request, values["page"])
            told = request.headers.get("x-csrf-token", "")
            if page is None or not hmac.compare_digest(told.encode("utf-8", "surrogatepass"), page.csrf.encode()):
                raise Refused(Denial.CSRF)
            if not page.tap(values["number"], values["do"], values.get("arg", "")):
                raise Refused(Denial.TOO_OFTEN, wait_s=1.0)
        except Refused as refused:
            return refusal(refused)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return [Route(STREAM, events, methods=["GET"]), Route(TAP, tap, methods=["POST"])]


def _page(site: Site, pulse: Pulse, request: Request, page_id: str) -> Page | None:
    """The page `page_id`, for the browser that it was made for: one with the same login, or none, as it had then."""
    page = pulse.opened.find(page_id)
    return page if page is not None and site.access.session_of(request) == page.session else None
