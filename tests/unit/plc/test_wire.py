"""The resolution of the PLC's name: bounded, and not needed twice."""

import socket
import threading
import time

import pytest

from aoi_daemon.errors import PlcError, PlcTimeoutError
from aoi_daemon.plc.client import PlcClient
from aoi_daemon.plc.wire import Address, Resolver

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
