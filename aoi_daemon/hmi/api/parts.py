"""Parts as JSON, for programs: `/api/v1/parts`, page by page, `/api/v1/parts/ID`, and what describes them.

    {"parts": [...], "next": "...", "searched_back_to": "2026-11-22T12:00:00.000+01:00", "complete": false}

`next` is for the parameter `after`; null: that was all. `complete` false: the time for one answer was over before so
many parts were found, and `next` goes on from there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aoi_daemon.errors import AoiError
from aoi_daemon.hmi.access.guard import API
from aoi_daemon.hmi.access.readers import Readers
from aoi_daemon.hmi.access.roles import Denial, Refused
from aoi_daemon.hmi.api.body import json_answer, refusal
from aoi_daemon.hmi.api.control import Desk
from aoi_daemon.hmi.api.document import document
from aoi_daemon.hmi.find.asked import Asked, NotAskedRightError, in_words, read_asked
from aoi_daemon.hmi.find.read import read_detail, read_found, read_picture_of
from aoi_daemon.hmi.find.told import as_detail
from aoi_daemon.hmi.widgets.numbers import whole
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.records.fields import as_object
from aoi_daemon.records.find import Found
from aoi_daemon.records.times import iso
from aoi_daemon.texts.words import Words

PARTS: Final = f"{API}parts"
DOCUMENT: Final = f"{API}openapi.json"
USUAL: Final = 100
"""Parts of an answer where none are asked for."""
T = TypeVar("T")
Answer = Callable[[Request], Awaitable[Response]]


class PartRoutes:
    """The records in `folder` (None: none are kept), for whom `readers` let in; read by `desk`'s workers."""

    def __init__(self, readers: Readers, desk: Desk, folder: Path | None) -> None:
        self._readers = readers
        self._desk = desk
        self._folder = folder

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route(PARTS, self._guarded(self._parts), methods=["GET"]),
            Route(f"{PARTS}/{{uid}}", self._guarded(self._part), methods=["GET"]),
            Route(f"{PARTS}/{{uid}}/{{image_id}}.jpg", self._guarded(self._picture), methods=["GET"]),
            Route(DOCUMENT, self._guarded(self._document), methods=["GET"]),
        ]

    def _guarded(self, answer: Answer) -> Answer:
        async def route(request: Request) -> Response:
            try:
                await self._readers.need(request)
                return await answer(request)
            except Refused as refused:
                found = refusal(refused)
                if found.status_code == HTTPStatus.UNAUTHORIZED:
                    found.headers["www-authenticate"] = "Bearer"
                return found
            except NotAskedRightError as error:
                return _problem(HTTPStatus.BAD_REQUEST, in_words(Words("en"), error), "INPUT", parameter=error.name)
            except (RecordsError, sqlite3.Error) as error:
                return _problem(HTTPStatus.SERVICE_UNAVAILABLE, f"the records cannot be read: {error}", "RECORDS")

        return route

    async def _parts(self, request: Request) -> Response:
        asked = read_asked(request.query_params.multi_items(), limited=True)
        found = await self._read(_found, asked)
        return json_answer({
            "parts": [as_object(part) for part in found.parts],
            "next": None if found.place is None else str(found.place),
            "searched_back_to": None if found.searched_to is None else iso(found.searched_to),
            "complete": found.full or found.place is None,
        })  # fmt: skip

    async def _part(self, request: Request) -> Response:
        detail = await self._read(read_detail, request.path_params["uid"])
        if detail is None:
            text = "no such part is recorded; ID is RUN-NUMBER, the field `uid` of /api/v1/parts and of exports"
            return _problem(HTTPStatus.NOT_FOUND, text, "NOT_FOUND")
        return json_answer(as_detail(detail))

    async def _picture(self, request: Request) -> Response:
        image_id = whole(request.path_params["image_id"])
        try:
            data = await self._read(read_picture_of, request.path_params["uid"], -1 if image_id is None else image_id)
        except Refused:
            raise
        except AoiError as error:
            return _problem(HTTPStatus.NOT_FOUND, str(error), "NOT_FOUND")
        return Response(data, media_type="image/jpeg", headers={"cache-control": "private, no-cache"})

    async def _document(self, _request: Request) -> Response:
        return json_answer(document())

    async def _read(self, work: Callable[..., T], *arguments: Any) -> T:
        if self._folder is None:
            raise Refused(Denial.STATE, "no records are kept: line.toml has no [recorder]")
        return await self._desk.run(work, self._folder, *arguments)


def _found(folder: Path, asked: Asked) -> Found:
    return read_found(folder, asked, asked.limit or USUAL, pictures=False)[0]


def _problem(status: HTTPStatus, text: str, why: str, **more: str) -> Response:
    return json_answer({"ok": False, "error": text, "why": why, **more}, status)
