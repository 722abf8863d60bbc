"""The page's routes beside the pages: what acts, login, status, health, metrics.

    backend = Backend.of(stage)                 # all of it, from what a stage is given
    app = backend.behind_doors(pages)           # routes and guard around those of the pages
    task = asyncio.create_task(backend.run())   # counts parts, asks for the status; cancel it at the end
    await backend.close()

`ACTING` is the one table of routes that act, each with the action that it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from aoi_daemon.config.hmi import TOKENS_FILE, HmiSection
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.hmi.access.guard import LOGIN, OF_PAGES, REPORTS, TAP, Guard
from aoi_daemon.hmi.access.readers import Readers
from aoi_daemon.hmi.access.roles import Access, Action, Brake, Refused
from aoi_daemon.hmi.access.tokens import TokenFile
from aoi_daemon.hmi.access.users import UserFile
from aoi_daemon.hmi.api.actions import Actions, Result
from aoi_daemon.hmi.api.body import Field, json_answer, refusal, values_of
from aoi_daemon.hmi.api.control import Desk
from aoi_daemon.hmi.api.login import LOGOUT, LoginRoutes
from aoi_daemon.hmi.api.parts import PartRoutes
from aoi_daemon.hmi.api.policy_reports import PolicyReports
from aoi_daemon.hmi.doors.doors import WHYS, Doors
from aoi_daemon.hmi.doors.forwarded import Forwarded, Proxies
from aoi_daemon.hmi.doors.turns import Turns
from aoi_daemon.hmi.metrics.health import Limits, health
from aoi_daemon.hmi.metrics.view import Metric, Metrics, Source, counters
from aoi_daemon.ring import verdicts
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.verdicts import VerdictReader
from aoi_daemon.stage.board import Board
from aoi_daemon.stage.logs import logger
from aoi_daemon.stage.stage import Stage, now_ns
from aoi_daemon.stage.status import snapshot

_PUMP_S: Final = 0.5
_STATUS_EVERY: Final = 10
"""Each so many pumps the daemon is asked for its status."""
_STATUS_S: Final = 2.0


@dataclass(frozen=True)
class Acting:
    """A route that acts: `call(actions, session, **values)`. `action` None: the one that a reset needs now."""

    path: str
    action: Action | None
    call: Callable[..., Awaitable[Result]]
    fields: Mapping[str, Field] = field(default_factory=dict)


ACTING: Final = (
    Acting("/api/acknowledge", Action.ACKNOWLEDGE, Actions.acknowledge, {"alarm": Field(str, optional=True)}),
    Acting("/api/reset", None, Actions.reset),
    Acting("/api/reload", Action.RELOAD, Actions.reload),
    Acting("/api/recipe", Action.RECIPE, Actions.change_recipe, {"recipe_id": Field(int)}),
    Acting("/api/review", Action.REVIEW, Actions.review, {
        "part_id": Field(int), "verdict": Field(str, optional=True), "note": Field(str, optional=True),
    }),
    Acting("/api/force", Action.FORCE, Actions.force, {"word": Field(int)}),
    Acting("/api/unforce", Action.FORCE, Actions.unforce),
)  # fmt: skip


class Backend:
    """Everything of the page that is not the page; `access`, `actions` and `metrics` are the pages' to use."""

    def __init__(
        self, *, config: LineConfig, section: HmiSection, folder: Path, board: Board, socket: Path,
        reader: VerdictReader, run: str = "", clock: Callable[[], int] = now_ns,
    ) -> None:  # fmt: skip
        self.config = config
        self.verdict_memory: SharedMemory | None = None
        self.section = section
        self.board = board
        self.clock = clock
        self.desk = Desk(socket)
        self.doors = Doors(logger(), Proxies(section.proxies).__contains__, clock)
        self.access = Access(section, UserFile(section.users_file(folder)), self.desk.audit, clock)
        self.login = LoginRoutes(self.access, config.line.name)
        records = folder / config.recorder.folder if config.recorder is not None else None
        brake = Brake(self.desk.audit, clock, "tokens")
        readers = Readers(self.access, TokenFile(folder / TOKENS_FILE), brake)
        self.parts = PartRoutes(readers, self.desk, records)
        self.actions = Actions(self.access, self.desk, board, records, clock)
        self.reports = PolicyReports(self.doors, clock)
        self.metrics = Metrics(Source(config, board, reader, run, clock), self._of_the_page)
        self._limits = Limits.of(config)

    @classmethod
    def of(cls, stage: Stage) -> Backend:
        """From what a stage is given. Its config has a section `hmi`, or it would not run."""
        section = stage.config.hmi or HmiSection()
        setup, memory = stage.setup, stage.memory("verdicts", verdicts.SIZE_BYTES)
        found = cls(
            config=stage.config, section=section, folder=setup.config_file.parent, board=stage.board,
            socket=setup.socket, reader=VerdictReader(memory), run=setup.run,
        )  # fmt: skip
        found.verdict_memory = memory
        return found

    def behind_doors(self, pages: Iterable[BaseRoute], dear: Iterable[str] = ()) -> Starlette:
        """An app of our routes and those of `pages`; before them who asks, the guard, and the turns of who asks.

        `dear` are the paths whose answers cost much.
        """
        posts = [LOGIN, LOGOUT, REPORTS, TAP, *(acting.path for acting in ACTING)]
        doors = [
            # The first one is asked first. What the guard refuses costs nothing, and no turn.
            Middleware(Forwarded, proxies=self.section.proxies, doors=self.doors),
            Middleware(Guard, access=self.access, posts=posts),
            Middleware(Turns, doors=self.doors, pages=dear, waits=OF_PAGES),
        ]
        return Starlette(routes=[*self.routes(), *pages], middleware=doors)

    def routes(self) -> list[Route]:
        """All routes; those that act take a POST alone."""
        acting = [Route(each.path, self._acting(each), methods=["POST"]) for each in ACTING]
        found = [
            *acting,
            *self.login.routes(),
            *self.parts.routes(),
            self.reports.route(),
            Route("/api/status", self._status, methods=["GET"]),
            Route("/healthz", self._healthz, methods=["GET"]),
            Route("/readyz", self._readyz, methods=["GET"]),
        ]
        if self.section.metrics:
            found.append(Route("/metrics", self._metrics, methods=["GET"]))
        return found

    async def run(self) -> None:
        """Until cancelled: count parts, and ask what the other processes say of themselves."""
        while True:
            await self._ask_status()
            for _ in range(_STATUS_EVERY):
                self.metrics.pump()
                await asyncio.sleep(_PUMP_S)

    async def _ask_status(self) -> None:
        try:
            answer = await self.desk.ask({"do": "status"}, _STATUS_S)
        except Refused:
            self.metrics.source.facts = {}  # what they said before may no longer be so
            return
        self.metrics.source.facts = answer.get("status", {}).get("beside", {})

    async def close(self) -> None:
        """End the workers, once the audit has what it was told."""
        await self.desk.drain()
        self.desk.close()

    def said(self) -> dict[str, Any]:
        """What the page has to say of itself in `status` and health."""
        return {"policy_reports": self.reports.counts.total(), "turned_away": self.doors.refused.total()}

    def _of_the_page(self) -> Iterator[Metric]:
        away = ((why, self.doors.refused[why]) for why in WHYS)
        yield counters("aoi_page_turned_away", "Connections and requests that were too many, or wrong", "why", away)
        reports = sorted(self.reports.counts.items())
        yield counters("aoi_page_policy_reports", "What browsers kept from a page of ours", "directive", reports)

    def _acting(self, acting: Acting) -> Callable[[Request], Awaitable[Response]]:
        async def route(request: Request) -> Response:
            try:
                session, values = await self.login.checked(request)
                await self.actions.permit(session, acting.action or self.actions.needed_to_reset())
                result = await acting.call(self.actions, session, **values_of(acting.fields, values))
            except Refused as refused:
                return refusal(refused)
            body = {"ok": result.ok, "text" if result.ok else "error": result.text}
            return json_answer(body, HTTPStatus.OK if result.ok else HTTPStatus.CONFLICT)

        return route

    async def _status(self, _request: Request) -> Response:
        # From the board, not from the supervisor: it is there, and true, when the supervisor hangs.
        now = health(self.board, self.clock(), self._limits)
        cameras = [camera.name for camera in self.config.cameras]
        body = {**snapshot(self.board, cameras), "name": self.config.line.name, "ready": now.ready}
        return json_answer({**body, "healthy": now.alive, "missing": list(now.missing)})

    async def _healthz(self, _request: Request) -> Response:
        now = health(self.board, self.clock(), self._limits)
        status = HTTPStatus.OK if now.alive else HTTPStatus.SERVICE_UNAVAILABLE
        return json_answer({**now.as_json(now.alive), **self.said()}, status)

    async def _readyz(self, _request: Request) -> Response:
        now = health(self.board, self.clock(), self._limits)
        return json_answer(now.as_json(now.ready), HTTPStatus.OK if now.ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _metrics(self, request: Request) -> Response:
        text, content_type = self.metrics.text(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": content_type, "cache-control": "no-store"})
