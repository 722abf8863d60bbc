"""Users with real passwords, a board, a daemon that listens on a real control socket, and the page's routes over HTTP."""

from __future__ import annotations

import asyncio
import select
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from aoi_daemon.config.hmi import HmiSection
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.hmi.access.guard import STREAM
from aoi_daemon.hmi.access.password import keep
from aoi_daemon.hmi.access.users import Role, User, as_toml, folded
from aoi_daemon.hmi.api.routes import Backend
from aoi_daemon.ring import verdicts
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.verdicts import VerdictReader
from aoi_daemon.stage.board import SIZE_BYTES as BOARD_BYTES
from aoi_daemon.stage.board import Board, CameraCell, Cell, Link, StageState, camera_cell
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.supervisor.control import ControlServer, answer

PASSWORD = "vier blaue Kisten am Band"
S = 1_000_000_000


@pytest.fixture(scope="session")
def kept_password() -> tuple[str, str]:
    """A password, and how it is kept; hashed once, for it takes a quarter of a second."""
    return PASSWORD, keep(PASSWORD)


@pytest.fixture(scope="session")
def people(kept_password) -> dict[str, User]:
    """One user of each role, all with PASSWORD."""
    users = [User("leo", Role.OPERATOR, kept_password[1]), User("mei", Role.QUALITY, kept_password[1]), User("Anna", Role.MAINTENANCE, kept_password[1])]
    return {folded(user.name): user for user in users}


@pytest.fixture
def users_file(tmp_path, people) -> Path:
    path = tmp_path / "users.toml"
    path.write_text(as_toml(people))
    path.chmod(0o600)
    return path


class Clock:
    """CLOCK_MONOTONIC as the test says."""

    def __init__(self, now_ns: int = 1_000 * S) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock) -> Iterator[Board]:
    """The board of a line that is READY."""
    with SharedMemory.create("board", BOARD_BYTES) as memory:
        board = Board(memory)
        for cell in (Cell.SUPERVISOR_NS, Cell.INSPECTION_NS, Cell.PLC_NS, camera_cell(0, CameraCell.PROGRESS_NS)):
            board[cell] = clock()
        for cell in (Cell.INSPECTION_STATE, Cell.PLC_STATE, camera_cell(0, CameraCell.STATE)):
            board[cell] = StageState.READY
        for cell in (Cell.READY, Cell.GOLDEN_PASSED, Cell.PROVEN, camera_cell(0, CameraCell.PRESENT)):
            board[cell] = 1
        board[Cell.LINE_STATE], board[Cell.LINK], board[Cell.LINE_RUNNING] = Line.RUNNING, Link.UP, -1
        yield board
        board._cells.release()


class Daemon:
    """The daemon's end of the control socket: notes what it is asked, answers what the test says."""

    def __init__(self, path: Path) -> None:
        self.server = ControlServer(path)
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.silent = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            ready, _, _ = select.select(self.server.fds(), [], [], 0.02)
            for client, request in self.server.requests(set(ready)):
                self.asked.append(request)
                if not self.silent.is_set():
                    answer(client, self.answers.get(request["do"], {"ok": True}))

    def of(self, do: str) -> list[dict[str, Any]]:
        return [request for request in self.asked if request["do"] == do]

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self.server.close()


@pytest.fixture
def daemon(tmp_path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "control.sock")
    yield daemon
    daemon.close()


def line_config(**hmi: Any) -> LineConfig:
    config = LineConfig.model_validate(
        {"cameras": [{"kind": "genicam", "producer": "x.cti", "name": "top"}], "line": {"name": "line-7"}}
    )
    return config.model_copy(update={"hmi": HmiSection(**hmi)})


@pytest.fixture
def verdict_memory() -> Iterator[SharedMemory]:
    with SharedMemory.create("verdicts", verdicts.SIZE_BYTES) as memory:
        yield memory


@pytest.fixture
def backend_of(tmp_path, board, clock, users_file, verdict_memory):
    """`backend_of(config)`: the page's back end, with no server."""

    def make(config: LineConfig) -> Backend:
        assert config.hmi is not None
        return Backend(
            config=config, section=config.hmi, folder=tmp_path, board=board, socket=tmp_path / "control.sock",
            reader=VerdictReader(verdict_memory), run="0" * 32, clock=clock,
        )  # fmt: skip

    return make


class Site:
    """The routes behind a real server, and a browser's hands."""

    __test__ = False

    def __init__(self, backend: Backend, clock: Clock, port: int) -> None:
        self.backend = backend
        self.clock = clock
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=20)

    def session(self, name: str) -> tuple[dict[str, str], str]:
        """A login of user `name` without the work of one: its cookie, and its CSRF token."""
        user = self.backend.access.users.users()[folded(name)]
        token, session = self.backend.access.sessions.begin(user, self.clock())
        return {"cookie": f"{self.backend.access.cookie}={token}"}, session.csrf

    def post(self, path: str, name: str = "", body: Any = None, **headers: str) -> httpx.Response:
        """An acting request as the page of `name` sends it; headers named with _ for -."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if name:
            cookie, csrf = self.session(name)
            sent = {**cookie, "x-csrf-token": csrf, "origin": self.url, **sent}
        return self.http.post(path, headers=sent, json=body or {})

    def login(self, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        return self.http.post("/login", data={"name": name, "password": password, **more}, headers={"origin": self.url})


async def _page(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("the page")


async def _events(_request: Any) -> StreamingResponse:
    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield b"data: {}\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(ticks(), media_type="text/event-stream")


class Server:
    """One real server for the tests of this folder; `app` is what it serves now."""

    def __init__(self) -> None:
        self.app: Any = None
        config = uvicorn.Config(
            self._serve, port=0, log_level="error", proxy_headers=False, lifespan="off", interface="asgi3", ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            self._thread.join(0.005)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def site(backend_of, clock, server):
    """`site(**hmi)`: the routes over HTTP; the app has a page of its own, and a stream of events."""
    with ExitStack() as owned:

        def start(config: LineConfig | None = None, **hmi: Any) -> Site:
            backend = backend_of(config or line_config(**hmi))
            server.app = backend.behind_doors([Route("/", _page), Route(STREAM, _events)])
            found = Site(backend, clock, server.port)
            owned.callback(found.http.close)
            owned.callback(backend.desk.close)
            return found

        yield start
