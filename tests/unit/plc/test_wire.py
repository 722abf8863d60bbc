"""The resolution of the PLC's name: bounded, and not needed twice. The wait for an answer: awake or asleep, and bounded."""

import socket
import struct
import threading
import time
from types import SimpleNamespace

import pytest
from pymodbus.exceptions import ModbusException

from aoi_daemon.errors import PlcAnswerError, PlcError, PlcRefusedError, PlcTimeoutError
from aoi_daemon.plc.client import PlcClient
from aoi_daemon.plc.wire import Address, Resolver, Tcp, Wire

MS = 1_000_000
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


def test_an_address_needs_no_name_service_and_no_thread(monkeypatch):
    monkeypatch.setattr(threading, "Thread", None)
    assert Resolver("127.0.0.1", 502).addresses(0.0) == [Address(socket.AF_INET, ("127.0.0.1", 502))]


def test_a_name_is_looked_up_anew_for_each_connection(names):
    resolver = Resolver("plc", 502)
    assert resolver.addresses(5)[0].where == ("127.0.0.1", 502)
    names.answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 502))]
    assert resolver.addresses(5)[0].where == ("127.0.0.2", 502)


def test_a_name_service_that_hangs_costs_the_time_out_and_is_asked_once(names):
    names.hang.clear()
    before = set(threading.enumerate())
    resolver = Resolver("plc", 502)
    begun = time.perf_counter()
    for _ in range(3):
        with pytest.raises(PlcTimeoutError, match="the name plc"):
            resolver.addresses(0.02)
    assert time.perf_counter() - begun < 1.0
    assert names.asked == 1
    assert all(each.daemon for each in set(threading.enumerate()) - before), "plc can end meanwhile"
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


def after(wait_s):
    """The deadline so many seconds from now."""
    return time.monotonic_ns() + round(wait_s * 1e9)


class Asked:
    """In place of the connection's poll: what was asked, and the answer comes after so many times."""

    def __init__(self, wire, after=0):
        self.poll_, self.after, self.waits_ms = wire._connected.poll, after, []
        wire._connected.poll = self.poll

    def poll(self, wait_ms):
        self.waits_ms.append(wait_ms)
        return self.poll_(0) if len(self.waits_ms) > self.after else []


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
    asked = Asked(wire, after=100)
    assert wire.receive(after(10)) == REQUEST
    assert asked.waits_ms == [0] * len(asked.waits_ms)
    assert len(asked.waits_ms) > 100


@pytest.mark.parametrize("spin_s", [0.0, 0.002])
def test_an_answer_that_takes_longer_than_the_spin_is_slept_for(peers, spin_s):
    wire, peer = peers(spin_s=spin_s)
    later = threading.Timer(0.05, peer.sendall, [REQUEST])
    later.start()
    busy_s = time.process_time()
    assert wire.receive(after(10)) == REQUEST
    assert time.process_time() - busy_s < 0.04
    later.join()


@pytest.mark.parametrize("spin_s", [0.0, 0.002, 5.0])
def test_no_answer_is_a_time_out_at_the_deadline_however_long_the_spin(peers, spin_s):
    wire, _ = peers(spin_s=spin_s)
    begun_s = time.monotonic()
    with pytest.raises(PlcTimeoutError, match="no answer in time"):
        wire.receive(after(0.03))
    assert 0.03 <= time.monotonic() - begun_s < 2.0


def test_an_answer_in_the_millisecond_after_the_deadline_is_none(peers):
    """poll rounds its time-out up; a PASS that the PLC took then may have been taken for the next part's."""
    wire, peer = peers()
    peer.sendall(REQUEST)
    deadline_ns = after(0.02)

    class Late(Asked):
        def poll(self, wait_ms):
            while time.monotonic_ns() < deadline_ns:
                pass
            return super().poll(wait_ms)

    Late(wire)
    with pytest.raises(PlcTimeoutError, match="no answer in time"):
        wire.receive(deadline_ns)


def test_half_an_answer_is_a_time_out_while_awake_too(peers):
    wire, peer = peers(spin_s=5.0)
    peer.sendall(REQUEST[:5])
    with pytest.raises(PlcTimeoutError, match="no complete answer in time"):
        wire.receive(after(0.03))


def test_an_answer_is_slept_for_in_one_piece(peers):
    wire, peer = peers()
    peer.sendall(REQUEST)
    asked = Asked(wire)
    assert wire.receive(after(10)) == REQUEST
    assert 1_000 < asked.waits_ms[0] <= 10_000, "in milliseconds"


def test_a_wake_up_for_nothing_is_waited_through(peers):
    """The kernel may say that there is something to read, and then there is not."""
    wire, peer = peers()
    peer.sendall(REQUEST)
    real, empty = wire._connected.recv, [True]

    def recv(size):
        if empty:
            empty.clear()
            raise BlockingIOError
        return real(size)

    wire._connected.recv = recv
    assert wire.receive(after(10)) == REQUEST


@pytest.mark.parametrize("length", [0, 1, 2, 255])
def test_an_answer_that_says_it_is_shorter_or_longer_than_any_is_refused_at_its_header(peers, length):
    wire, peer = peers()
    peer.sendall(REQUEST[:4] + length.to_bytes(2, "big") + REQUEST[6:7] + bytes(min(length - 1, 1) if length else 0))
    with pytest.raises(PlcAnswerError, match=f"says that it has {6 + length} bytes"):
        wire.receive(after(10))


def test_a_request_goes_out_at_once_and_a_peer_that_is_gone_is_noticed(peers):
    """Nagle's algorithm would hold a second small request back until the first is acknowledged."""
    wire, _ = peers()
    assert wire._connected.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert wire._connected.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    kept = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    assert [wire._connected.socket.getsockopt(socket.IPPROTO_TCP, option) for option in kept] == [1, 1, 3], "within 4 s"
    assert not wire._connected.socket.getblocking()


def test_a_new_connection_resets_the_one_before_and_nothing_of_it_is_left(peers):
    wire, peer = peers()
    where = peer.getsockname()
    wire.open(Address(socket.AF_INET, where), 5)
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    connection = wire._connected
    wire.close()
    assert connection.poll(0) == []


def test_a_connection_is_made_within_its_time_and_is_reset_whatever_closes_it(monkeypatch):
    """The end of a killed process too: so linger is set before it is there."""
    found = []

    class Asked(socket.socket):
        def connect(self, where):
            found.append((self.gettimeout(), self.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)))
            return super().connect(where)

    monkeypatch.setattr(socket, "socket", Asked)
    with socket.create_server(("127.0.0.1", 0)) as server:
        Tcp(Address(socket.AF_INET, server.getsockname()), 0.25).close()
    assert found == [(0.25, struct.pack("ii", 1, 0))]


def test_a_connection_that_was_never_made_leaves_no_socket():
    """What is no error of the network, a signal's exception say, too. pytest makes an error of a socket that is not closed."""
    wire = Wire()
    with pytest.raises(TypeError):
        wire.open(Address(socket.AF_INET, ("127.0.0.1", "no port")), 5)
    assert not wire.is_open


def refuse(request):
    raise BlockingIOError


def break_off(request):
    raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize(
    ("send", "error", "says"),
    [
        (refuse, PlcTimeoutError, "takes no bytes"),
        (lambda request: 0, PlcTimeoutError, "takes no bytes"),
        (lambda request: len(request) - 1, PlcTimeoutError, "takes no bytes"),
        (break_off, PlcError, "the connection broke: Broken pipe"),
    ],
)
def test_a_request_that_is_not_taken_as_a_whole_is_an_error(peers, send, error, says):
    """Half a request in the PLC's buffer would be finished by the next one."""
    wire, _ = peers()
    wire._connected.send = send
    with pytest.raises(error, match=says) as caught:
        wire.send(REQUEST)
    assert type(caught.value) is error


def test_each_address_of_a_name_has_its_share_of_the_time_in_their_order(monkeypatch):
    client, asked, tried = PlcClient("127.0.0.1"), [], []
    addresses = [Address(socket.AF_INET, (f"127.0.0.{n}", 502)) for n in (1, 2, 3)]

    def open_(address, timeout_s):
        tried.append((address, timeout_s))
        raise PlcError("refused")

    monkeypatch.setattr(client, "_resolver", SimpleNamespace(addresses=lambda timeout_s: asked.append(timeout_s) or addresses))
    monkeypatch.setattr(client._wire, "open", open_)
    with pytest.raises(PlcError, match="refused"):
        client.connect(60)
    assert asked == [30], "a name may take half"
    assert [address for address, _ in tried] == addresses
    assert [timeout_s for _, timeout_s in tried] == pytest.approx([20, 30, 60], abs=2)
    assert client.goes_to == ("127.0.0.3", 3)


def test_it_is_known_which_of_a_names_addresses_is_connected_to(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as gone:
        closed = gone.getsockname()
        gone.close()
        addresses = [Address(socket.AF_INET, where) for where in (closed, server.getsockname())]
        client = PlcClient("127.0.0.1")
        assert client.goes_to == ("", 0)
        monkeypatch.setattr(client, "_resolver", SimpleNamespace(addresses=lambda _: addresses))
        client.connect(5)
        assert client.goes_to == ("127.0.0.1", 2)
        client.reset()


def test_a_name_that_is_not_resolved_any_more_leads_nowhere(monkeypatch):
    def fails(_):
        raise PlcError("no such name")

    client = PlcClient("127.0.0.1")
    client.goes_to = ("10.0.0.5", 1)
    monkeypatch.setattr(client, "_resolver", SimpleNamespace(addresses=fails))
    with pytest.raises(PlcError, match="no such name"):
        client.connect(5)
    assert client.goes_to == ("", 0)


ASKS = {
    "FC15": lambda client: client.write_coils(0, [True] * 16, 5),
    "FC16": lambda client: client.write_registers(65_535, [7], 5),  # the last one there is
    "FC03": lambda client: client.read_registers(65_528, 8, 5),
}


@pytest.mark.parametrize("ask", ASKS)
def test_each_request_is_for_the_unit_that_is_configured(monkeypatch, ask):
    client, sent = PlcClient("127.0.0.1", unit=7), []

    def send(request):
        sent.append(request)
        raise PlcError("that is all")

    monkeypatch.setattr(client._wire, "send", send)
    with pytest.raises(PlcError, match=ask):
        ASKS[ask](client)
    assert [request[6] for request in sent] == [7]


@pytest.mark.parametrize("error", [ValueError("x"), struct.error("x"), ModbusException("x")])
def test_an_answer_that_no_decoder_can_read_is_a_wrong_answer_and_resets_the_connection(monkeypatch, error):
    client, resets = PlcClient("127.0.0.1"), []

    def ask(*_):
        raise error

    monkeypatch.setattr(client._modbus, "ask", ask)
    monkeypatch.setattr(client._wire, "close", lambda: resets.append(1))
    with pytest.raises(PlcAnswerError, match="cannot be read"):
        client.read_registers(0, 8, 5)
    assert resets


def test_an_answer_of_another_length_is_refused_before_it_is_decoded(monkeypatch):
    client = PlcClient("127.0.0.1")
    client._modbus._answer_bytes = 12
    monkeypatch.setattr(client._wire, "receive", lambda deadline_ns: bytes(13))
    with pytest.raises(PlcAnswerError, match="13 bytes, not 12"):
        client._modbus.recv(None)


# -- in scripted time --------------------------------------------------------------

HEADER = REQUEST[:4]
THERE_AND_BACK_NS = 100_000


@pytest.fixture
def wire(peer):
    """Connected to `peer`, and asked; nothing has come of the answer."""
    found = Wire(clock=peer.time, dial=peer.dial)
    found.open(Address(socket.AF_INET, ("10.0.0.5", 502)), 0.2)
    return found


def framed(length):
    """An answer that is so long from its unit on."""
    return HEADER + length.to_bytes(2, "big") + REQUEST[6:7] + bytes(length - 1)


@pytest.mark.parametrize("length", [3, 254])
def test_the_shortest_and_the_longest_answer_that_there_is_are_taken(wire, peer, length):
    peer.script = lambda request: [(0, framed(length))]
    wire.send(REQUEST)
    assert wire.receive(peer.time.now + MS) == framed(length)


@pytest.mark.parametrize("length", [3, 6, 254])
def test_one_byte_behind_an_answer_is_an_error(wire, peer, length):
    peer.script = lambda request: [(0, framed(length) + b"x")]
    wire.send(REQUEST)
    with pytest.raises(PlcAnswerError, match=f"has {6 + length} bytes and 1 more"):
        wire.receive(peer.time.now + MS)


@pytest.mark.parametrize(("early_ns", "taken"), [(1, True), (0, False)])
def test_what_comes_before_the_deadline_is_taken_and_what_comes_at_it_is_not(wire, peer, early_ns, taken):
    peer.script = lambda request: [(7 * MS, REQUEST)]
    wire.send(REQUEST)
    deadline_ns = peer.time.now + THERE_AND_BACK_NS + 7 * MS + early_ns
    if taken:
        assert wire.receive(deadline_ns) == REQUEST
    else:
        with pytest.raises(PlcTimeoutError, match="no answer in time"):
            wire.receive(deadline_ns)


def test_a_request_takes_no_time(wire, peer):
    """What lies there is looked for, not waited for."""
    begun = peer.time.now
    wire.send(REQUEST)
    assert peer.time.now == begun


def test_what_nobody_asked_for_is_an_error_before_the_next_request_is_sent(wire, peer):
    peer.script = lambda request: [(0, REQUEST), (MS, b"x")]
    wire.send(REQUEST)
    assert wire.receive(peer.time.now + MS) == REQUEST
    peer.time.run(peer.time.now + 2 * MS)
    with pytest.raises(PlcAnswerError, match="bytes that it was not asked for"):
        wire.send(REQUEST)
    peer.settle()
    assert len(peer.requests) == 1


def test_a_connection_that_ended_between_two_requests_is_said_to_have_ended(wire, peer):
    """It can be read, as one with bytes that nobody asked for."""
    peer.network.lines[-1].break_off()
    with pytest.raises(PlcError, match="the connection broke: Connection reset by peer") as caught:
        wire.send(REQUEST)
    assert caught.type is PlcError


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"\xff\xfe" + REQUEST[2:], PlcAnswerError, "of another transaction"),
        (REQUEST[:2] + b"\0\1" + REQUEST[4:], PlcAnswerError, "of another protocol"),
        (REQUEST[:6] + b"\2" + REQUEST[7:], PlcRefusedError, "unit 1 was asked, unit 2 answered"),
    ],
)
def test_the_head_of_a_wrong_answer_is_enough(wire, peer, answer, error, says):
    """Its rest need not be waited for."""
    peer.script = lambda request: [(0, answer[:7])]
    wire.send(REQUEST)
    with pytest.raises(PlcError, match=says) as caught:
        wire.receive(peer.time.now + MS)
    assert caught.type is error


def test_a_wire_that_was_closed_or_never_opened_says_so(wire, peer):
    for each in (wire, Wire(clock=peer.time, dial=peer.dial)):
        each.close()
        assert not each.is_open
        for ask in (lambda each=each: each.send(REQUEST), lambda each=each: each.receive(peer.time.now + MS)):
            with pytest.raises(PlcError, match="not connected"):
                ask()


def test_a_connection_that_breaks_or_ends_while_an_answer_is_waited_for_is_an_error(wire, peer):
    def breaks(request):
        peer.network.lines[-1].break_off_here()
        return []

    peer.script = breaks
    wire.send(REQUEST)
    with pytest.raises(PlcError, match="the connection broke: Connection reset by peer") as caught:
        wire.receive(peer.time.now + MS)
    assert caught.type is PlcError
    wire.open(Address(socket.AF_INET, ("10.0.0.5", 502)), 0.2)
    peer.script = lambda request: [(0, REQUEST)]
    peer.network.lines[-1].recv = lambda size: b""
    wire.send(REQUEST)
    with pytest.raises(PlcError, match="the PLC closed the connection"):
        wire.receive(peer.time.now + MS)


@pytest.mark.parametrize(
    ("says", "error", "words"),
    [("mute", PlcTimeoutError, "nobody answers"), ("refused", PlcError, "Connection refused")],
)
def test_a_connection_that_is_not_made_says_why(wire, peer, says, error, words):
    peer.says = says
    with pytest.raises(PlcError, match=f"no connection to 10.0.0.5:502: {words}") as caught:
        wire.open(Address(socket.AF_INET, ("10.0.0.5", 502)), 0.2)
    assert (caught.type, wire.is_open) == (error, False)
