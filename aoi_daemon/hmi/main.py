"""The process `hmi`: the web server with the pages, their clock, and the tie to the supervisor.

Process: hmi. Blocks: in the event loop alone, which waits for the network and for time. Memory: reads the shared
memory, writes none of it. Its death costs nobody a part: it is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp

from aoi_daemon.config.hmi import HmiSection
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.hmi.api.routes import Backend
from aoi_daemon.hmi.doors.doors import Doors
from aoi_daemon.hmi.doors.http import DoorProtocol
from aoi_daemon.hmi.doors.socket import Listener
from aoi_daemon.hmi.pulse import Pulse
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.web import DEAR, routes
from aoi_daemon.hmi.web_log import install as install_log
from aoi_daemon.stage.stage import Stage

_LISTEN_AGAIN_S: Final = 2.0
_COMMANDS_S: Final = 0.25
_TELL_EVERY: Final = 4
_GOODBYE_S: Final = 1
_BACKLOG: Final = 128
"""As many as are accepted before anything else is done; the others wait in the kernel."""


class Server(uvicorn.Server):
    """uvicorn, with signals left to the stage."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM is the stage's, SIGINT the supervisor's."""
        yield


def main(stage: Stage) -> None:
    """Serve until told to stop."""
    install_log(stage.log)
    asyncio.run(_serve(stage, stage.config.hmi or HmiSection()))


async def _serve(stage: Stage, section: HmiSection) -> None:
    backend = Backend.of(stage)
    site = Site(stage, backend)
    pulse = Pulse(site)
    app = backend.behind_doors(routes(site, pulse), DEAR)
    facts: dict[str, Any] = {"address": _address(section), "clients": 0, "state": "starting"}
    heeding = _heed(stage, site, pulse, facts, backend.said)
    tasks = [asyncio.create_task(one) for one in (heeding, backend.run(), pulse.run())]
    try:
        listening = await _listen(stage, section, facts)
        if listening is not None:
            with listening:
                listening.doors = backend.doors
                server = Server(_uvicorn(app, stage, section, backend.doors))
                await _run_server(stage, server, listening, facts, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await backend.close()


async def _run_server(
    stage: Stage, server: Server, listening: socket.socket, facts: dict[str, Any], tasks: list[asyncio.Task[None]]
) -> None:
    serving = asyncio.create_task(server.serve([listening]))
    facts["state"] = "ok"
    stage.log.info("page", address=facts["address"])
    # A task that fails must not leave a server behind that shows old figures: all end with it.
    done, _ = await asyncio.wait([serving, *tasks], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await asyncio.wait([serving], timeout=2 * _GOODBYE_S)
    server.force_exit = True
    for task in done:
        task.result()


async def _heed(
    stage: Stage, site: Site, pulse: Pulse, facts: dict[str, Any], said: Callable[[], dict[str, Any]] = dict
) -> None:
    """Do what the supervisor says and tell it that all is well; ends when the process is to end."""
    beats = 0
    while not stage.stopping:
        for command in stage.commands():
            if command["do"] == "recipe":
                if line := command.get("line"):
                    site.config = LineConfig.model_validate_json(line)
                site.use(Recipe.model_validate_json(command["recipe"]))
        facts["clients"] = pulse.browsers
        if beats % _TELL_EVERY == 0:
            stage.tell(tell="alive", **facts, **said())
        beats += 1
        await asyncio.sleep(_COMMANDS_S)


async def _listen(stage: Stage, section: HmiSection, facts: dict[str, Any]) -> Listener | None:
    """The listening socket; None when the process is to end before there is one."""
    said = ""
    while not stage.stopping:
        try:
            return _bind(section)
        except OSError as error:
            problem = f"{section.host}:{section.port}: {error.strerror or error}"
            if problem != said:
                stage.log.error(
                    "page_cannot_listen", address=problem,
                    remedy="give hmi.host an address of this PC and hmi.port a free port, or end who has it",
                )  # fmt: skip
            said, facts["state"] = problem, f"cannot listen: {problem}"
            await asyncio.sleep(_LISTEN_AGAIN_S)
    return None


def _bind(section: HmiSection) -> Listener:
    family, kind, protocol, _, address = socket.getaddrinfo(
        section.host, section.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    found = Listener(family, kind, protocol)
    try:
        # The port of a page that was killed is free at once; one that listens keeps it.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(_BACKLOG)
    except OSError:
        found.close()
        raise
    return found


def _uvicorn(app: ASGIApp, stage: Stage, section: HmiSection, doors: Doors) -> uvicorn.Config:
    folder = stage.setup.config_file.parent

    def path(file: Path | None) -> str | None:
        return None if file is None else str(folder / file)

    # uvicorn would believe what whoever comes from this PC says of others; we read it ourselves (Forwarded).
    return uvicorn.Config(
        app, http=cast("type[DoorProtocol]", partial(DoorProtocol, doors=doors)), proxy_headers=False,
        log_config=None, access_log=False, timeout_graceful_shutdown=_GOODBYE_S, server_header=False, backlog=_BACKLOG,
        ws="none", lifespan="off",
        ssl_certfile=path(section.tls_certificate), ssl_keyfile=path(section.tls_key),
    )  # fmt: skip


def _address(section: HmiSection) -> str:
    host = f"[{section.host}]" if ":" in section.host else section.host
    return f"{'https' if section.tls else 'http'}://{host}:{section.port}"
