"""The resolution of the PLC's name: bounded, and not needed twice. The wait for an answer: awake or asleep, and bounded."""

import socket
import threading
import time

import pytest

from aoi_daemon.errors import PlcError, PlcTimeoutError
from aoi_daemon.plc.client import PlcClient
from aoi_daemon.plc.wire import Address, Resolver, Wire

REQUEST = bytes.fromhex("0001 0000 0006 01 06 0000 0001")
FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 502))]


class Names:
    """A name service that answers, fails or hangs."""

    def __init__(self):
        self.answer = FOUND
        self.hang = threading.Event()
        self.hang.set()
        self.asked = 0

    def getaddrinfo(self, host, port, **hints):
        if hints.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        self.asked += 1
        self.hang.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def names(monkeypatch):
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    yield made
    made.hang.set()


def test_an_address_needs_no_name_service_and_no_thread():
    before = threading.active_count()
    assert Resolver("127.0.0.1", 502).addresses(0.0) == [Address(socket.AF_INET, ("127.0.0.1", 502))]
    assert threading.active_count() <= before  # a test before this one may have left a thread that ends now


def test_a_name_is_looked_up_anew_for_each_connection(names):
    resolver = Resolver("plc", 502)
    assert resolver.addresses(5)[0].where == ("127.0.0.1", 502)
    names.answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 502))]
    assert resolver.addresses(5)[0].where == ("127.0.0.2", 502)


def test_a_name_service_that_hangs_costs_the_time_out_and_is_asked_once(names):
    names.hang.clear()
    resolver = Resolver("plc", 502)
    begun = time.perf_counter()
    for _ in range(3):
        with pytest.raises(PlcTimeoutError, match="the name plc"):
            resolver.addresses(0.02)
    assert time.perf_counter() - begun < 1.0
    assert names.asked == 1
    names.hang.set()
    assert resolver.addresses(5)


def test_what_was_found_serves_on_while_the_name_service_hangs(names):
    resolver = Resolver("plc", 502)
    resolver.addresses(5)
    names.hang.clear()
    assert resolver.addresses(0.02)[0].where == ("127.0.0.1", 502)


def test_what_was_found_serves_on_when_the_name_service_fails(names):
    resolver = Resolver("plc", 502)
    resolver.addresses(5)
    names.answer = socket.gaierror(socket.EAI_AGAIN, "try again")
    assert resolver.addresses(5)[0].where == ("127.0.0.1", 502)


def test_a_name_that_there_is_not_is_an_error_that_says_it(names):
    names.answer = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with pytest.raises(PlcError, match="plc cannot be resolved: Name or service not known"):
        Resolver("plc", 502).addresses(5)


def test_a_name_with_several_addresses_is_tried_to_the_last(names):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        names.answer = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", nobody.getsockname()),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", server.getsockname()),
        ]
        client = PlcClient("plc", 502)
        client.connect(5)
        assert client.connected
        client.reset()
        names.answer.pop()
        with pytest.raises(PlcError, match="refused"):
            client.connect(5)
        assert not client.connected


class Asked:
    """In place of the connection's poll: what was asked, and the answer comes after so many times."""

    def __init__(self, poll, after=0):
        self.poll_, self.after, self.waits_ms = poll, after, []

    def poll(self, wait_ms):
        self.waits_ms.append(wait_ms)
        return self.poll_.poll(0) if len(self.waits_ms) > self.after else []


@pytest.fixture
def peers():
    """A function that gives a wire and its other end, asked by an FC06 of which any answer is the echo."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = []

        def connect(**options):
            wire = Wire(**options)
            wire.open(Address(socket.AF_INET, server.getsockname()), 5)
            peer = server.accept()[0]
            made.extend((wire, peer))
            wire.send(REQUEST)
            assert peer.recv(300) == REQUEST
            return wire, peer

        yield connect
        for end in made:
            end.close()


def test_an_answer_that_comes_at_once_is_had_without_sleeping(peers):
    wire, peer = peers(spin_s=5.0)
    peer.sendall(REQUEST)
    wire._readable = asked = Asked(wire._readable, after=100)
    assert wire.receive(time.monotonic() + 10) == REQUEST
    assert asked.waits_ms == [0] * len(asked.waits_ms)
    assert len(asked.waits_ms) > 100
    wire._readable = asked.poll_


@pytest.mark.parametrize("spin_s", [0.0, 0.002])
def test_an_answer_that_takes_longer_than_the_spin_is_slept_for(peers, spin_s):
    wire, peer = peers(spin_s=spin_s)
    later = threading.Timer(0.05, peer.sendall, [REQUEST])
    later.start()
    busy_s = time.process_time()
    assert wire.receive(time.monotonic() + 10) == REQUEST
    assert time.process_time() - busy_s < 0.04
    later.join()


@pytest.mark.parametrize("spin_s", [0.0, 0.002, 5.0])
def test_no_answer_is_a_time_out_at_the_deadline_however_long_the_spin(peers, spin_s):
    wire, _ = peers(spin_s=spin_s)
    begun_s = time.monotonic()
    with pytest.raises(PlcTimeoutError, match="no answer in time"):
        wire.receive(begun_s + 0.03)
    assert 0.03 <= time.monotonic() - begun_s < 2.0


def test_an_answer_in_the_millisecond_after_the_deadline_is_none(peers):
    """poll rounds its time-out up; a PASS that the PLC took then may have been taken for the next part's."""
    wire, peer = peers()
    peer.sendall(REQUEST)
    deadline_s = time.monotonic() + 0.02

    class Late(Asked):
        def poll(self, wait_ms):
            while time.monotonic() < deadline_s:
                pass
            return super().poll(wait_ms)

    wire._readable = late = Late(wire._readable)
    with pytest.raises(PlcTimeoutError, match="no answer in time"):
        wire.receive(deadline_s)
    wire._readable = late.poll_


def test_half_an_answer_is_a_time_out_while_awake_too(peers):
    wire, peer = peers(spin_s=5.0)
    peer.sendall(REQUEST[:5])
    with pytest.raises(PlcTimeoutError, match="no whole answer in time"):
        wire.receive(time.monotonic() + 0.03)
