"""What the server answers: the pages, their own files, pictures and downloads. Looking is guarded before (Guard)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from aoi_daemon.errors import AoiError
from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.api.parts import PARTS
from aoi_daemon.hmi.find.read import read_picture_of
from aoi_daemon.hmi.pages import alarms, commissioning, find, overview, part, recipe, rejects, report
from aoi_daemon.hmi.pages import help as help_page
from aoi_daemon.hmi.pictures import LARGE_PX, recorded_jpeg
from aoi_daemon.hmi.pulse import Pulse
from aoi_daemon.hmi.shifts.report import read_csv
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.stream.routes import routes as of_open_pages
from aoi_daemon.hmi.widgets.frame import STATIC
from aoi_daemon.hmi.widgets.numbers import whole
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.plcmap.program import Variant, as_structured_text
from aoi_daemon.plcmap.table import as_csv
from aoi_daemon.records import queries
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.faults import RecordsError

Build = Callable[[Page], "Awaitable[None] | None"]

_PAGES: Final[tuple[tuple[str, str, Build], ...]] = (
    ("/", "main", overview.build),
    ("/rejects", "rejects", rejects.build),
    (find.ADDRESS, "find", find.build),
    ("/parts/{uid}", "one_part", part.build),
    ("/alarms", "alarms", alarms.build),
    ("/report", "report", report.build),
    ("/recipe", "recipe", recipe.build),
    ("/commissioning", "commissioning", commissioning.build),
    ("/help", "help", help_page.build),
)
DEAR: Final = (*(path.partition("{")[0] for path, _, _ in _PAGES), "/report.csv", PARTS, f"{PARTS}/")
"""Paths whose answers cost much; below one that ends with a slash all of them."""
_KEEP: Final = {"cache-control": "private, max-age=86400, immutable"}
_LEAST_PX: Final = 64
_BUILD_S: Final = 10.0
"""A page that is not there by then waits for a disk that hangs."""


def routes(site: Site, pulse: Pulse) -> list[BaseRoute]:
    """Pages with their streams and taps, pictures and files."""
    return [
        *(Route(path, _page(site, pulse, name, build), methods=["GET"]) for path, name, build in _PAGES),
        *of_open_pages(site, pulse),
        *_pictures(site),
        *_downloads(site),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


def _page(site: Site, pulse: Pulse, name: str, build: Build) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        site.new_generation()  # what nobody has looked at for a while was rendered a while ago
        page = Page(site, request, name)
        found = build(page)
        if found is not None:
            try:
                await asyncio.wait_for(found, _BUILD_S)
            except asyncio.TimeoutError:
                return PlainTextResponse("the records do not answer; try again", 503)
        if page.elsewhere:
            return RedirectResponse(page.elsewhere, HTTPStatus.SEE_OTHER)
        pulse.open(page)
        # Kept by nobody, us neither: it is of this moment, of this person, and its stream is known by it alone.
        html, page.html = page.html, Markup()
        return HTMLResponse(html, page.status, {"cache-control": "no-store"})

    return show


def _pictures(site: Site) -> list[Route]:
    def live(request: Request) -> Response:  # in a worker thread: the first who asks has it encoded
        part, kind = whole(request.path_params["part"]), request.path_params["kind"]
        if part is None:
            return Response(status_code=404)
        large = request.query_params.get("large") == "1"
        shot = site.pictures.shot(part)
        data = shot.jpeg(kind, large=large) if shot is not None and kind in ("frame", "template") else None
        if data is None:
            return Response(status_code=204)  # gone by: no fault, and nothing for a browser to complain of
        # A template's address names its content; a frame's part number begins again with the daemon.
        headers = _KEEP if kind == "template" else {"cache-control": "no-store"}
        return Response(data, media_type="image/jpeg", headers=headers)

    async def recorded(request: Request) -> Response:
        part_id, kind = whole(request.path_params["part_id"]), request.path_params["kind"]
        px = whole(request.query_params.get("px", str(LARGE_PX)))
        if site.folder is None or part_id is None or px is None or not _LEAST_PX <= px <= LARGE_PX:
            return Response(status_code=404)
        if kind not in ("frame", "template"):
            return Response(status_code=404)
        return await kept(read_picture, site.folder, part_id, kind, px)

    async def of_part(request: Request) -> Response:
        uid, image_id = request.path_params["uid"], whole(request.path_params["image_id"])
        if site.folder is None or image_id is None:
            return Response(status_code=404)
        return await kept(read_picture_of, site.folder, uid, image_id)

    async def kept(read: Callable[..., bytes], *arguments: object) -> Response:
        """A recorded picture, as `read` gives it."""
        try:
            data = await site.read(read, *arguments)
        except Refused as refused:
            return PlainTextResponse(str(refused), 503)
        except (AoiError, sqlite3.Error):
            return Response(status_code=404)
        # A part's number in the database comes again once records were restored, or put aside as damaged.
        return Response(data, media_type="image/jpeg", headers={"cache-control": "private, no-cache"})

    return [
        Route("/parts/{uid}/{image_id}.jpg", of_part, methods=["GET"]),
        Route("/live/{part}/{kind}.jpg", live, methods=["GET"]),
        Route("/records/{part_id}/{kind}.jpg", recorded, methods=["GET"]),
    ]


def read_picture(folder: Path, part_id: int, kind: str, px: int) -> bytes:
    """The `frame` or `template` of part `part_id` as JPEG, no side over `px`. Raises AoiError, sqlite3.Error."""
    with closing(open_reader(folder)) as connection:
        part = queries.part(connection, part_id)
    file = None if part is None else part.image if kind == "frame" else part.template
    if file is None:
        raise RecordsError(f"part {part_id}: no {kind} is kept")
    return recorded_jpeg(folder, file, px)


def _downloads(site: Site) -> list[Route]:
    async def map_csv(_request: Request) -> Response:
        return _file(as_csv(site.config.plc), "aoi-map.csv", "text/csv")

    async def map_st(_request: Request) -> Response:
        return _file(as_structured_text(site.config.plc, site.config.line), "aoi.st", "text/plain")

    async def map_registers_st(_request: Request) -> Response:
        if site.config.plc.registers is None:
            return Response(status_code=404)
        text = as_structured_text(site.config.plc, site.config.line, Variant.REGISTERS)
        return _file(text, "aoi-registers.st", "text/plain")

    async def report_csv(request: Request) -> Response:
        if site.folder is None:
            return Response(status_code=404)
        try:
            site.access.need(site.access.session_of(request), Action.EXPORT)
        except Refused as refused:
            return PlainTextResponse(str(refused), 403)
        found = report.chosen(report.shifts_of(site), request.query_params.get("shift", ""))
        try:
            text = await site.read(read_csv, site.folder, found, site.now_s(), site.config.line.name)
        except (AoiError, sqlite3.Error) as error:
            return PlainTextResponse(str(error), 503)
        return _file(text, f"shift-{found.label.replace(' ', '-').replace(':', '')}.csv", "text/csv")

    return [
        Route("/plc/map.csv", map_csv, methods=["GET"]),
        Route("/plc/aoi.st", map_st, methods=["GET"]),
        Route("/plc/aoi-registers.st", map_registers_st, methods=["GET"]),
        Route("/report.csv", report_csv, methods=["GET"]),
    ]


def _file(text: str, name: str, media_type: str) -> Response:
    # With a byte order mark, or a spreadsheet takes Chinese for another encoding.
    body = ("\ufeff" if media_type == "text/csv" else "") + text
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(body, media_type=media_type, headers=headers)
