"""What the server answers: the pages, their own files, pictures and downloads. Looking is guarded before (Guard)."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from nicegui import Client, ui
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from aoi_daemon.errors import AoiError
from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.pages import alarms, commissioning, overview, recipe, rejects, report
from aoi_daemon.hmi.pages import help as help_page
from aoi_daemon.hmi.pictures import LARGE_PX, to_jpeg
from aoi_daemon.hmi.pulse import Pulse
from aoi_daemon.hmi.shifts.report import read_csv
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets.numbers import Number
from aoi_daemon.hmi.widgets.shell import STATIC, Page
from aoi_daemon.pictures import read_picture as read_file
from aoi_daemon.plcmap.program import Variant, as_structured_text
from aoi_daemon.plcmap.table import as_csv
from aoi_daemon.records import queries
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.faults import RecordsError

Build = Callable[[Page], "Awaitable[None] | None"]

_PAGES: Final[tuple[tuple[str, str, Build], ...]] = (
    ("/", "main", overview.build),
    ("/rejects", "rejects", rejects.build),
    ("/alarms", "alarms", alarms.build),
    ("/report", "report", report.build),
    ("/recipe", "recipe", recipe.build),
    ("/commissioning", "commissioning", commissioning.build),
    ("/help", "help", help_page.build),
)
DEAR: Final = (*(path for path, _, _ in _PAGES), "/report.csv")
"""Paths whose answers cost much."""
_KEEP: Final = {"cache-control": "private, max-age=86400, immutable"}
_LEAST_PX: Final = 64


def install(app: FastAPI, site: Site, pulse: Pulse) -> None:
    """Put pages, pictures and files on `app`."""
    app.add_exception_handler(RequestValidationError, _no_such_thing)
    app.mount("/static", StaticFiles(directory=STATIC))
    _pictures(app, site)
    _downloads(app, site)
    for path, name, build in _PAGES:
        _page(site, pulse, path, name, build)
    ui.run_with(
        app, title=site.config.line.name, favicon=STATIC / "sign.svg", show_welcome_message=False, tailwind=False,
        binding_refresh_interval=None, message_history_length=100,
    )  # fmt: skip


def _page(site: Site, pulse: Pulse, path: str, name: str, build: Build) -> None:
    @ui.page(path, response_timeout=10)
    async def show(request: Request, client: Client) -> None:
        site.new_generation()  # what nobody has looked at for a while was rendered a while ago
        page = Page(site, request, client, name)
        found = build(page)
        if found is not None:
            await found
        pulse.open(page)


async def _no_such_thing(_request: Request, _error: Exception) -> Response:
    """What a route takes no part of is the name of nothing: a letter, or a number that no record can have."""
    return Response(status_code=404)


def _pictures(app: FastAPI, site: Site) -> None:
    @app.get("/live/{part}/{kind}.jpg")
    def live(part: Number, kind: str, large: bool = False) -> Response:
        shot = site.pictures.shot(part)
        data = shot.jpeg(kind, large=large) if shot is not None and kind in ("frame", "template") else None
        if data is None:
            return Response(status_code=204)  # gone by: no fault, and nothing for a browser to complain of
        # A template's address names its content; a frame's part number begins again with the daemon.
        headers = _KEEP if kind == "template" else {"cache-control": "no-store"}
        return Response(data, media_type="image/jpeg", headers=headers)

    @app.get("/records/{part_id}/{kind}.jpg")
    async def recorded(part_id: Number, kind: str, px: Number = LARGE_PX) -> Response:
        if site.folder is None or kind not in ("frame", "template") or not _LEAST_PX <= px <= LARGE_PX:
            return Response(status_code=404)
        try:
            data = await site.read(read_picture, site.folder, part_id, kind, px)
        except Refused as refused:
            return Response(str(refused), 503, media_type="text/plain")
        except (AoiError, sqlite3.Error):
            return Response(status_code=404)
        # A part's number in the database comes again once records were restored, or put aside as damaged.
        return Response(data, media_type="image/jpeg", headers={"cache-control": "private, no-cache"})


def read_picture(folder: Path, part_id: int, kind: str, px: int) -> bytes:
    """The `frame` or `template` of part `part_id` as JPEG, no side over `px`. Raises AoiError, sqlite3.Error."""
    with closing(open_reader(folder)) as connection:
        part = queries.part(connection, part_id)
    file = None if part is None else part.image if kind == "frame" else part.template
    if file is None:
        raise RecordsError(f"part {part_id}: no {kind} is kept")
    path = (folder / file).resolve()
    # The database says where: one that was tampered with must not lead out of the folder.
    if not path.is_relative_to(folder.resolve()):
        raise RecordsError(f"part {part_id}: {file} is not in the records folder")
    return to_jpeg(read_file(path, 3), px)


def _downloads(app: FastAPI, site: Site) -> None:
    @app.get("/plc/map.csv")
    def map_csv() -> Response:
        return _file(as_csv(site.config.plc), "aoi-map.csv", "text/csv")

    @app.get("/plc/aoi.st")
    def map_st() -> Response:
        return _file(as_structured_text(site.config.plc, site.config.line), "aoi.st", "text/plain")

    @app.get("/plc/aoi-registers.st")
    def map_registers_st() -> Response:
        if site.config.plc.registers is None:
            return Response(status_code=404)
        text = as_structured_text(site.config.plc, site.config.line, Variant.REGISTERS)
        return _file(text, "aoi-registers.st", "text/plain")

    @app.get("/report.csv")
    async def report_csv(request: Request, shift: str = "") -> Response:
        if site.folder is None:
            return Response(status_code=404)
        try:
            site.access.need(site.access.session_of(request), Action.EXPORT)
        except Refused as refused:
            return Response(str(refused), 403, media_type="text/plain")
        found = report.chosen(report.shifts_of(site), shift)
        try:
            text = await site.read(read_csv, site.folder, found, site.now_s(), site.config.line.name)
        except (AoiError, sqlite3.Error) as error:
            return Response(str(error), 503, media_type="text/plain")
        return _file(text, f"shift-{found.label.replace(' ', '-').replace(':', '')}.csv", "text/csv")


def _file(text: str, name: str, media_type: str) -> Response:
    # With a byte order mark, or a spreadsheet takes Chinese for another encoding.
    body = ("\ufeff" if media_type == "text/csv" else "") + text
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(body, media_type=media_type, headers=headers)
