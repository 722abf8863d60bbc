"""The doors by real sockets: who holds the page up, and that nobody else feels it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from aoi_daemon.config.hmi import HmiSection
from aoi_daemon.hmi.doors import doors as doors_module
from aoi_daemon.hmi.doors import http as doors_http
from aoi_daemon.hmi.doors import socket as doors_socket
from aoi_daemon.hmi.doors.doors import MOST, MOST_EACH, OWN_MORE, Doors, Lines, one_address
from aoi_daemon.hmi.doors.turns import AT_ONCE, BURST, PAGES_BURST, WAITING, Turns
from aoi_daemon.hmi.main import Server, _bind, _uvicorn
from aoi_daemon.hmi.web_log import WebLog

STRANGER = "127.0.0.2"
BOUND_S = 10.0


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict]] = []

    def warning(self, event: str, **more) -> None:
        self.lines.append((event, more))

    error = warning


class House:
    """A real page process' server around a small app, in a thread of its own."""

    def __init__(self, stage) -> None:
        self.log = Log()
        self.doors = Doors(self.log)
        app = Starlette(routes=[
            Route("/", lambda _: PlainTextResponse("here")),
            Route("/large", lambda _: PlainTextResponse("x" * 20_000_000)),
            Route("/take", self._take, methods=["POST"]),
            Route("/stream", self._stream),
        ])  # fmt: skip
        section = HmiSection()
        listening = _bind(section.model_copy(update={"port": 0}))
        listening.doors = self.doors
        self.port: int = listening.getsockname()[1]
        self._server = Server(_uvicorn(app, stage, section, self.doors))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(listening)))
        self._thread.start()

    async def _serve(self, listening: socket.socket) -> None:
        with listening:
            await self._server.serve([listening])

    @staticmethod
    async def _take(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    @staticmethod
    async def _stream(_request: Request) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            await asyncio.Event().wait()

        return StreamingResponse(parts())

    def connect(self, source: str = STRANGER) -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self.port), BOUND_S, source_address=(source, 0))
        found.settimeout(BOUND_S)
        return found

    def turns_away(self, owned: contextlib.ExitStack) -> bool:
        """Whether one more of the stranger's has to go; its reset may come before it knows that it is connected."""
        try:
            return closed(owned.enter_context(self.connect()))
        except ConnectionResetError:
            return True

    def get(self, source: str = "127.0.0.1", path: str = "/") -> bytes:
        with self.connect(source) as wire:
            wire.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: wire.recv(65536), b""))

    def until(self, condition) -> None:
        end = time.monotonic() + BOUND_S
        while not condition():
            assert time.monotonic() < end, (self.doors.connections, self.doors.refused)
            threading.Event().wait(0.005)

    def close(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(BOUND_S)


@pytest.fixture
def house(stage) -> Iterator[House]:
    found = House(stage)
    yield found
    found.close()


def closed(wire: socket.socket) -> bool:
    """Whether the other side ends `wire` within the bound."""
    try:
        return wire.recv(65536) == b""
    except ConnectionError:
        return True


def test_one_address_has_so_many_connections_and_all_others_get_in(house, monkeypatch):
    monkeypatch.setattr(doors_http, "REQUEST_S", 600.0)
    with contextlib.ExitStack() as owned:
        held = [owned.enter_context(house.connect()) for _ in range(MOST_EACH)]
        house.until(lambda: house.doors.connections == MOST_EACH)
        assert all(house.turns_away(owned) for _ in range(20))
        assert house.doors.refused["connections"] == 20
        assert house.get().startswith(b"HTTP/1.1 200")
        assert len([event for event, _ in house.log.lines]) <= 2
        for wire in held[:5]:
            wire.close()
        house.until(lambda: house.doors.connections == MOST_EACH - 5)
        assert house.get(STRANGER).startswith(b"HTTP/1.1 200")
    house.until(lambda: house.doors.connections == 0)


@pytest.mark.parametrize("sent", [
    b"", b"G", b"GET / HTTP/1.1\r\nHost: local", b"GET / HTTP/1.1\r\nHost: localhost\r\n",
    b"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
    b"POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nanswered before it was all there",
])  # fmt: skip
def test_a_request_that_does_not_come_to_its_end_is_given_up(house, monkeypatch, sent):
    monkeypatch.setattr(doors_http, "REQUEST_S", 0.2)
    with house.connect() as wire:
        wire.sendall(sent)
        while not closed(wire):
            pass
    house.until(lambda: house.doors.connections == 0)
    assert house.doors.refused == Counter(half_sent=1)


def test_a_byte_now_and_then_does_not_make_it_longer(house, monkeypatch):
    monkeypatch.setattr(doors_http, "REQUEST_S", 0.3)
    began = time.monotonic()
    with house.connect() as wire, contextlib.suppress(ConnectionError):
        wire.sendall(b"GET / HTTP/1.1\r\n")
        while time.monotonic() - began < BOUND_S:
            wire.sendall(b"x: y\r\n")
            threading.Event().wait(0.02)
    assert time.monotonic() - began < BOUND_S / 2
    assert house.doors.refused == Counter(half_sent=1)


def test_a_connection_that_works_is_left_alone_for_longer_than_a_request_may_take(house, monkeypatch):
    monkeypatch.setattr(doors_http, "REQUEST_S", 0.2)
    began = time.monotonic()
    with house.connect() as wire:
        while time.monotonic() - began < 0.6:
            wire.sendall(b"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")
            answer = wire.recv(65536)
            while not answer.endswith(b"\r\n\r\n3"):
                answer += wire.recv(65536)
    with house.connect() as wire:
        wire.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.recv(65536).startswith(b"HTTP/1.1 200")
        wire.settimeout(0.6)
        with contextlib.suppress(TimeoutError):
            while wire.recv(65536):
                pass
        assert house.doors.connections == 1  # a stream is a connection as long as it is open
    house.until(lambda: house.doors.connections == 0)
    assert not house.doors.refused


@pytest.mark.parametrize("sent", [
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
    b"GET /" + b"x" * 200_000,
    b"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n" + bytes(2_000_000),
    b"POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + bytes(4096) + b"\r\n") * 500,
])  # fmt: skip
def test_what_is_too_large_is_not_kept(house, sent):
    with house.connect() as wire, contextlib.suppress(ConnectionError):
        wire.sendall(sent)
        while not closed(wire):
            pass
    house.until(lambda: house.doors.connections == 0)
    assert house.doors.refused == Counter(too_large=1)


def test_an_answer_that_nobody_reads_is_given_up(stage, monkeypatch):
    monkeypatch.setattr(doors_socket, "_NOT_READ_MS", 500)
    house = House(stage)
    try:
        with house.connect() as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            house.until(lambda: house.doors.connections == 1)
            house.until(lambda: house.doors.connections == 0)
    finally:
        house.close()


def test_what_is_no_http_is_counted_and_hardly_logged(house):
    root = logging.getLogger()
    web = WebLog(house.log)
    root.addHandler(web)
    try:
        for _ in range(40):
            with house.connect() as wire:
                wire.sendall(b"\x16\x03\x01 this is TLS, or something\r\n\r\n")
                assert b"400" in wire.recv(65536)
    finally:
        root.removeHandler(web)
    assert house.doors.refused == Counter(invalid=40)
    assert 0 < len(house.log.lines) < 12
    assert {more["address"] for _, more in house.log.lines} == {STRANGER}


def test_a_librarys_line_with_the_clients_own_words_in_it_is_one_kind_of_line():
    log = Log()
    web = WebLog(log, clock=lambda: 0)
    for number in range(100):
        web.emit(logging.LogRecord("uvicorn", logging.WARNING, "client.py", 7, f"http://page/{number} not found", (), None))
    web.emit(logging.LogRecord("uvicorn", logging.WARNING, "other.py", 7, "something else", (), None))
    assert len(log.lines) == 7 and log.lines[-1][1]["left_out"] == 94


def test_all_together_are_bounded_and_the_lines_own_pc_still_gets_in():
    doors = Doors(Log())
    inside = [address for number in range(2000) if doors.enter(address := f"10.0.{number // 250}.{number % 250}")]
    assert len(inside) == MOST
    assert doors.enter("127.0.0.1") and not doors.enter("10.9.9.9")
    for address in [*inside, "127.0.0.1"]:
        doors.leave(address)
    assert doors.connections == 0
    assert sum(doors.enter("127.0.0.1") for _ in range(MOST)) == MOST_EACH >= OWN_MORE


def test_a_named_proxy_has_the_connections_of_many():
    doors = Doors(Log(), "10.0.0.5".__eq__)
    assert sum(doors.enter("10.0.0.5") for _ in range(2 * MOST)) == MOST


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_an_ipv6_network_counts_as_one(address, last):
    other = type(address)(int(address) >> 64 << 64 | last)
    if not (address.ipv4_mapped or other.ipv4_mapped or address.is_loopback or other.is_loopback):
        assert one_address(str(address)) == one_address(f"{other}%eth0") != one_address("10.0.0.1")


def test_lines_are_few_for_one_address_and_in_all_and_none_is_forgotten():
    lines, now, said, written = Lines(), 0, 0, 0
    for number in range(10_000):
        left_out = lines.take(("page_turned_away", f"10.{number % 200}.0.1"), now)
        written += left_out is not None
        said += 0 if left_out is None else left_out + 1
        now += 6_000_000  # a minute of it
    later = lines.take(("page_turned_away", "10.250.0.1"), now + 60_000_000_000)
    assert later is not None and said + later + 1 == 10_001
    assert 30 <= written <= 61


class Asked:
    """Turns around an app that answers when the test says so."""

    def __init__(self) -> None:
        self.doors = Doors(Log(), clock=lambda: 0)
        self.turns = Turns(self._app, self.doors, ["/rejects"], "/page/", clock=lambda: 0)
        self.inside: Counter[str] = Counter()
        self.most = 0
        self.go = asyncio.Event()

    async def _app(self, scope, receive, send) -> None:
        key = scope["client"][0]
        self.inside[key] += 1
        self.most = max(self.most, self.inside[key])
        await self.go.wait()
        self.inside[key] -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(self, address: str, path: str = "/x") -> int:
        found: list[int] = []

        async def send(message) -> None:
            found.append(message.get("status", 0))

        await self.turns({"type": "http", "path": path, "client": (address, 1)}, None, send)
        return found[0]


def test_who_asks_for_much_waits_for_himself_alone():
    async def run() -> None:
        asked = Asked()
        many = [asyncio.create_task(asked.ask("10.0.0.1")) for _ in range(200)]
        await asyncio.sleep(0)
        one = asyncio.create_task(asked.ask("10.0.0.2"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert asked.inside == Counter({"10.0.0.1": AT_ONCE, "10.0.0.2": 1})
        asked.go.set()
        assert await one == 200
        assert Counter(await asyncio.gather(*many)) == Counter({200: WAITING, 429: 200 - WAITING})
        assert asked.most == AT_ONCE and not asked.turns._turns
        assert asked.doors.refused == Counter(look_ups=200 - WAITING)

    asyncio.run(run())


@pytest.mark.parametrize(("path", "most"), [("/x", BURST), ("/rejects", PAGES_BURST)])
def test_look_ups_have_a_rate_for_each_address(path, most):
    async def run() -> None:
        asked = Asked()
        asked.go.set()
        assert Counter([await asked.ask("10.0.0.1", path) for _ in range(500)]) == Counter({200: most, 429: 500 - most})
        assert await asked.ask("10.0.0.2", path) == 200
        assert await asked.ask("10.0.0.1", "/page/events") == 429

    asyncio.run(run())


def test_streams_last_and_take_no_turn_of_what_is_asked_meanwhile():
    async def run() -> None:
        asked = Asked()
        streams = [asyncio.create_task(asked.ask("10.0.0.1", "/page/events")) for _ in range(3 * AT_ONCE)]
        await asyncio.sleep(0)
        one = asyncio.create_task(asked.ask("10.0.0.1"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert asked.inside["10.0.0.1"] == 3 * AT_ONCE + 1
        asked.go.set()
        assert await one == 200
        await asyncio.gather(*streams)

    asyncio.run(run())


def test_a_request_that_fails_or_is_cancelled_gives_its_turn_back():
    async def run() -> None:
        asked = Asked()
        tasks = [asyncio.create_task(asked.ask("10.0.0.1")) for _ in range(3 * AT_ONCE)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not asked.turns._turns

    asyncio.run(run())


def test_a_page_that_taps_too_often_gets_nothing():
    doors = Doors(Log(), clock=lambda: 0)
    assert sum(doors.tap("10.0.0.1") for _ in range(500)) == doors_module.TAPS_BURST
    assert doors.tap("10.0.0.2")
