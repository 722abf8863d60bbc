"""The process: its port, its certificate, what the supervisor says, and what ends it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aoi_daemon.config.hmi import HmiSection
from aoi_daemon.hmi import main as hmi_main
from aoi_daemon.hmi.doors.doors import Doors
from aoi_daemon.hmi.main import Server, _address, _bind, _heed, _listen, _run_server, _uvicorn


class Log:
    def __init__(self) -> None:
        self.said: list[tuple[str, dict]] = []

    def error(self, event, **fields) -> None:
        self.said.append((event, fields))

    info = warning = error


@pytest.fixture
def logged(stage):
    stage.log = Log()
    return stage.log.said


def section_of(port: int, **fields) -> HmiSection:
    return HmiSection(port=port, **fields)


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def test_a_port_in_use_is_said_once_and_taken_when_it_is_free(stage, logged, monkeypatch):
    monkeypatch.setattr(hmi_main, "_LISTEN_AGAIN_S", 0.01)
    facts: dict = {}

    async def wait_and_free(taken: socket.socket) -> None:
        while not logged:
            await asyncio.sleep(0.01)
        assert "in use" in facts["state"]
        await asyncio.sleep(0.05)  # more than one try
        taken.close()

    async def both() -> socket.socket | None:
        taken = socket.create_server(("127.0.0.1", 0))
        section = section_of(port_of(taken))
        found, _ = await asyncio.gather(_listen(stage, section, facts), wait_and_free(taken))
        return found

    listening = asyncio.run(both())
    assert listening is not None
    listening.close()
    assert [event for event, _ in logged] == ["page_cannot_listen"]
    assert "hmi.port" in logged[0][1]["remedy"]


async def stop_once_logged(stage, logged) -> None:
    while not logged:
        await asyncio.sleep(0.01)
    stage.stopping = True


def test_a_process_that_is_to_end_does_not_wait_for_its_port(stage, logged, monkeypatch):
    monkeypatch.setattr(hmi_main, "_LISTEN_AGAIN_S", 0.01)

    async def end_it() -> socket.socket | None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            found, _ = await asyncio.gather(
                _listen(stage, section_of(port_of(taken)), {}), stop_once_logged(stage, logged)
            )
            return found

    assert asyncio.run(end_it()) is None


def test_an_address_that_is_not_this_pcs_is_said_with_its_key(stage, logged, monkeypatch):
    monkeypatch.setattr(hmi_main, "_LISTEN_AGAIN_S", 0.0)

    async def once() -> None:
        await asyncio.gather(
            _listen(stage, section_of(8080, host="192.0.2.1", plain_http=True), {}), stop_once_logged(stage, logged)
        )

    asyncio.run(once())
    assert "192.0.2.1:8080" in logged[0][1]["address"]
    assert "hmi.host" in logged[0][1]["remedy"]


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", "http://127.0.0.1:8080"), ("::1", "http://[::1]:8080")])
def test_the_address_is_one_that_a_browser_takes(host, expected):
    assert _address(section_of(8080, host=host)) == expected


class FakePulse:
    browsers = 3


def test_the_supervisor_is_told_and_heeded(stage, monkeypatch):
    monkeypatch.setattr(hmi_main, "_COMMANDS_S", 0.0)
    used = []
    site = type("FakeSite", (), {"use": lambda self, recipe: used.append(recipe.id)})()
    recipe = stage.setup.recipe.model_copy(update={"id": 7})
    plc = stage.config.plc.model_copy(update={"port": 5020})
    line = stage.config.model_copy(update={"plc": plc})
    stage.waiting = [
        {"do": "recipe", "recipe": recipe.model_dump_json(), "line": line.model_dump_json()},
        {"do": "recipe", "recipe": recipe.model_dump_json()},
        {"do": "something newer"},
    ]
    facts = {"address": "http://x", "clients": 0, "state": "ok"}

    async def heed() -> None:
        task = asyncio.create_task(_heed(stage, site, FakePulse(), facts))
        while len(stage.told) < 2:
            await asyncio.sleep(0.001)
        stage.stopping = True
        await task

    asyncio.run(heed())
    assert used == [7, 7]
    assert site.config.plc.port == 5020
    assert stage.told[0] == {"tell": "alive", "address": "http://x", "clients": 3, "state": "ok"}


def serve(stage, section, ask, tasks=()):
    """Run the server with a tiny app while `ask(port)` asks it in a worker thread; what that gives."""
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])

    async def run():
        listening = _bind(section)

        async def heed() -> None:
            while not stage.stopping:
                await asyncio.sleep(0.01)

        async def asking():
            found = await asyncio.to_thread(ask, port_of(listening))
            stage.stopping = True
            return found

        background = [asyncio.create_task(heed()), *(asyncio.create_task(task()) for task in tasks)]
        asked = asyncio.create_task(asking())
        try:
            with listening:
                await _run_server(stage, Server(_uvicorn(app, stage, section, Doors(stage.log))), listening, {"address": ""}, background)
            return await asked
        finally:
            for task in (*background, asked):
                task.cancel()
            await asyncio.gather(*background, asked, return_exceptions=True)

    return asyncio.run(run())


def get(port: int, context: ssl.SSLContext | None = None) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        wire = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        wire.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := wire.recv(4096):
            answer += piece
        if context:
            wire.close()
        return answer


def test_the_server_answers_and_ends_with_its_process(stage, logged):
    answer = serve(stage, section_of(1).model_copy(update={"port": 0}), get)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"server:" not in answer.lower()


def test_the_page_speaks_tls_with_the_configured_certificate(stage, logged):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian: apt-get install openssl)")
    folder = stage.setup.config_file.parent
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-keyout", "page.key", "-out", "page.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True, cwd=folder, timeout=60,
    )  # fmt: skip
    section = section_of(1, tls_certificate="page.pem", tls_key="page.key").model_copy(update={"port": 0})
    context = ssl.create_default_context(cafile=str(folder / "page.pem"))
    assert serve(stage, section, lambda port: get(port, context)).startswith(b"HTTP/1.1 200")
    assert _address(section).startswith("https://")


def test_a_task_that_fails_ends_the_server_with_its_error(stage, logged):
    async def fails() -> None:
        raise RuntimeError("the clock of the pages broke")

    with pytest.raises(RuntimeError, match="the clock of the pages broke"):
        serve(stage, section_of(1).model_copy(update={"port": 0}), lambda port: None, [fails])
