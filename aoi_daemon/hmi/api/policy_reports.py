"""What browsers report of our Content-Security-Policy: each page asks for it, and it is counted.

Process: hmi. Blocks: nowhere. A report means that a page of ours was made to load or run what it does not have: an
injected text, a browser's extension, or a fault of our own after an update. Whoever reaches the port can send one, so
it is a number and a line now and then, and nothing of it is kept.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from aoi_daemon.hmi.access.guard import REPORTS
from aoi_daemon.hmi.access.limits import Rate
from aoi_daemon.hmi.access.roles import Refused
from aoi_daemon.hmi.api.body import BODY_S, read_bytes
from aoi_daemon.hmi.doors.doors import Doors, one_address

_KINDS: Final = ("application/csp-report", "application/reports+json", "application/json")
_SOURCES: Final = (
    "default", "script", "style", "img", "font", "connect", "frame", "worker", "object", "media", "manifest", "child",
)  # fmt: skip
_DIRECTIVES: Final = frozenset(
    {f"{name}-src{part}" for name in _SOURCES for part in ("", "-elem", "-attr")}
    | {"base-uri", "form-action", "frame-ancestors"}
)
"""What a report can be about; a name that somebody makes up is no label of a metric."""
_OTHER: Final = "other"
_MOST_AT_ONCE: Final = 20
_SHOWN: Final = 200


class Violation(NamedTuple):
    """What was kept from a page: by which directive, and what it was."""

    directive: str
    blocked: str
    document: str


class PolicyReports:
    """Counts them, by directive; so many a second of one address."""

    def __init__(self, doors: Doors, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._doors = doors
        self._clock = clock
        self._rate = Rate(per_s=1, burst=20)
        self.counts: Counter[str] = Counter()

    def route(self) -> Route:
        """Where browsers send them."""
        return Route(REPORTS, self._take, methods=["POST"])

    async def _take(self, request: Request) -> Response:
        address = request.client.host if request.client is not None else ""
        if self._rate.wait_ns(one_address(address), self._clock()):
            return Response(status_code=HTTPStatus.TOO_MANY_REQUESTS)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _KINDS:
            return Response(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            body = json.loads(await asyncio.wait_for(read_bytes(request), BODY_S))
            found = list(violations(body))
        except (Refused, asyncio.TimeoutError, ClientDisconnect, ValueError, RecursionError):
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        for one in found:
            self.counts[one.directive] += 1
            self._doors.note("page_policy_report", address, **one._asdict())
        return Response(status_code=HTTPStatus.NO_CONTENT)


def violations(body: object) -> Iterator[Violation]:
    """Those in a report of either form, the one of `report-uri` and the one of the Reporting API."""
    for each in (body if isinstance(body, list) else [body])[:_MOST_AT_ONCE]:
        if not isinstance(each, dict):
            continue
        said = each.get("csp-report", each.get("body"))
        if isinstance(said, dict):
            directive = _text(said, "effective-directive", "effectiveDirective", "violated-directive").partition(" ")[0]
            yield Violation(
                directive if directive in _DIRECTIVES else _OTHER,
                _text(said, "blocked-uri", "blockedURL"), _text(said, "document-uri", "documentURL"),
            )  # fmt: skip


def _text(said: dict[str, Any], *keys: str) -> str:
    return next((str(said[key])[:_SHOWN] for key in keys if said.get(key)), "")
