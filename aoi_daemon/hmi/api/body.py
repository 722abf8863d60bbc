"""What a request brings and what an answer is: bodies with bounds, values by a table, refusals as JSON.

Process: hmi. Blocks: nowhere; a body that does not come is given up.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from aoi_daemon.hmi.access.roles import Denial, Refused
from aoi_daemon.hmi.widgets.numbers import whole

MAX_BODY_BYTES: Final = 16 * 1024
_MAX_FIELDS: Final = 16
BODY_S: Final = 10.0

STATUSES: Final[Mapping[Denial, HTTPStatus]] = {
    Denial.LOGIN: HTTPStatus.UNAUTHORIZED,
    Denial.CREDENTIALS: HTTPStatus.UNAUTHORIZED,
    Denial.ROLE: HTTPStatus.FORBIDDEN,
    Denial.CSRF: HTTPStatus.FORBIDDEN,
    Denial.TOO_OFTEN: HTTPStatus.TOO_MANY_REQUESTS,
    Denial.INPUT: HTTPStatus.BAD_REQUEST,
    Denial.STATE: HTTPStatus.CONFLICT,
    Denial.UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True)
class Field:
    """One value of a request: its type, and whether it may be left out (it is None then)."""

    kind: type[int] | type[str]
    optional: bool = False


async def read_body(request: Request) -> dict[str, Any]:
    """The body's values: of a JSON object, or of a form. Raises Refused INPUT; nothing of it is kept longer."""
    try:
        data = await asyncio.wait_for(read_bytes(request), BODY_S)
    except (asyncio.TimeoutError, ClientDisconnect):
        raise Refused(Denial.INPUT, f"the body did not come within {BODY_S:g} s") from None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return dict(
                parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, strict_parsing=False)
            )
        if kind not in ("application/json", "") or (data and not kind):
            raise Refused(Denial.INPUT, f"content-type {kind!r}: application/json or a form is taken")
        found = json.loads(data) if data else {}
    except (ValueError, RecursionError) as error:
        raise Refused(Denial.INPUT, f"the body is neither a JSON object nor a form: {error}") from error
    if not isinstance(found, dict):
        raise Refused(Denial.INPUT, "the body is no JSON object")
    return found


async def read_bytes(request: Request) -> bytes:
    """The body as it came. Raises Refused INPUT for more than MAX_BODY_BYTES, and ClientDisconnect."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise Refused(Denial.INPUT, f"the body has more than {MAX_BODY_BYTES} bytes")
    return bytes(data)


def values_of(fields: Mapping[str, Field], body: Mapping[str, Any]) -> dict[str, Any]:
    """What `body` has for `fields`. A form has texts alone, so a number may come as its digits."""
    for key in body:
        if key not in fields:
            raise Refused(Denial.INPUT, f"{key!r}: unknown; known are: {', '.join(fields) or 'none'}")
    found: dict[str, Any] = {}
    for key, spec in fields.items():
        value = body.get(key)
        if value is None:
            if not spec.optional:
                raise Refused(Denial.INPUT, f"{key}: missing")
            continue
        if spec.kind is int and isinstance(value, str):
            number = whole(value)
            value = value if number is None else number
        if not isinstance(value, spec.kind) or isinstance(value, bool):
            raise Refused(Denial.INPUT, f"{key} = {value!r}: must be a {'number' if spec.kind is int else 'text'}")
        found[key] = value
    return found


def refusal(refused: Refused) -> Response:
    """What is answered to who was refused: `why` is the `Denial`'s name."""
    return json_answer({"ok": False, "error": str(refused), "why": refused.denial.name}, STATUSES[refused.denial],
                 retry_header(refused.wait_s))  # fmt: skip


def retry_header(wait_s: float) -> dict[str, str]:
    """The header that says when to try again; none for 0."""
    return {"retry-after": str(math.ceil(wait_s))} if wait_s else {}


def json_answer(
    body: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """`body`, kept by nobody on its way."""
    return JSONResponse(body, status, {"cache-control": "no-store", **(headers or {})})
