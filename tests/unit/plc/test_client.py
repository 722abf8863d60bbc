"""plc/client.py: each request byte by byte, what is taken for its answer, and that every fault resets the connection."""

import logging
import socket
import struct
import threading
from types import SimpleNamespace

import pytest

from aoi_daemon.errors import PlcAnswerError, PlcError, PlcRefusedError, PlcTimeoutError
from aoi_daemon.plc.client import PlcClient
from aoi_daemon.plc.ports import Address
from aoi_daemon.plc.wire import Wire

MS = 1_000_000
SECOND = 1_000 * MS
UNIT = 7


def echo(request):
    """Of FC15 and FC16: address and count come back."""
    return [(0, request[:4] + b"\0\6" + request[6:12])]


def registers(*values):
    return lambda request: [(0, request[:4] + struct.pack(f">HBBB{len(values)}H", 3 + 2 * len(values), request[6], 3, 2 * len(values), *values))]


def pdu(*content):
    """An answer with this function code and data, and a header that is right."""
    return lambda request: [(0, request[:4] + struct.pack(">H", 1 + len(content)) + request[6:7] + bytes(content))]


@pytest.fixture
def client(peer):
    made = PlcClient("10.0.0.5", 1502, UNIT, wire=Wire(clock=peer.time, dial=peer.dial), clock=peer.time)
    made.connect(0.2)
    return made


COILS = [True, False, False, True, False, False, False, False, True, False, True]
ASKS = {
    "FC15 (write coils 40 to 50)": (lambda c, s: c.write_coils(40, COILS, s), "0f 0028 000b 02 09 05"),
    "FC16 (write registers 200 to 202)": (lambda c, s: c.write_registers(200, [0, 0xFFFF, 258], s), "10 00c8 0003 06 0000 ffff 0102"),
    "FC03 (read registers 300 to 301)": (lambda c, s: c.read_registers(300, 2, s), "03 012c 0002"),
}


def answer(what):
    return registers(4, 5) if "FC03" in what else echo


@pytest.mark.parametrize("what", ASKS)
def test_each_request_is_one_frame_for_the_unit_with_a_number_of_its_own(client, peer, what):
    ask, expected = ASKS[what]
    peer.script = answer(what)
    found = [ask(client, 0.02), ask(client, 0.02)]
    body = bytes.fromhex(expected)
    assert [request[2:] for request in peer.requests] == [struct.pack(">HHB", 0, 1 + len(body), UNIT) + body] * 2
    assert peer.requests[0][:2] != peer.requests[1][:2]
    assert found == ([[4, 5]] * 2 if "FC03" in what else [None, None])
    assert client.connected and not peer.resets


@pytest.mark.parametrize("what", ASKS)
@pytest.mark.parametrize("timeout_s", [0.02, 0.0075])
def test_a_request_that_is_not_answered_is_given_up_after_its_time_and_is_not_sent_again(client, peer, what, timeout_s):
    begun = peer.time.now
    with pytest.raises(PlcTimeoutError) as caught:
        ASKS[what][0](client, timeout_s)
    assert str(caught.value) == f"{what}: no answer in time"
    assert 0 <= peer.time.now - begun - timeout_s * 1e9 < MS, "poll rounds up to a millisecond"
    peer.settle()
    assert (len(peer.requests), peer.resets, client.connected) == (1, 1, False)


@pytest.mark.parametrize("what", ASKS)
def test_an_answer_of_the_last_moment_is_taken_and_a_later_one_is_not(client, peer, what):
    ask, _ = ASKS[what]
    for late_ns in (0, MS):
        peer.script = lambda request, late_ns=late_ns: [(19_800_000 + late_ns, answer(what)(request)[0][1])]
        if late_ns:
            with pytest.raises(PlcTimeoutError):
                ask(client, 0.02)
        else:
            ask(client, 0.02)


@pytest.mark.parametrize(("early_ns", "taken"), [(1, True), (0, False)])
def test_the_time_of_a_request_is_kept_to_the_nanosecond(client, peer, early_ns, taken):
    there_and_back_ns = 100_000
    peer.script = lambda request: [(2 * SECOND - there_and_back_ns - early_ns, echo(request)[0][1])]
    if taken:
        client.write_coils(0, COILS, 2.0)
    else:
        with pytest.raises(PlcTimeoutError):
            client.write_coils(0, COILS, 2.0)


EXCEPTIONS = {
    1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure", 5: "acknowledge, still working",
    6: "device busy", 7: "negative acknowledge", 8: "memory parity error", 9: "not one of the protocol",
    10: "gateway path unavailable", 11: "gateway target does not answer", 12: "not one of the protocol", 255: "not one of the protocol",
}  # fmt: skip


@pytest.mark.parametrize("code", EXCEPTIONS)
@pytest.mark.parametrize("what", ASKS)
def test_what_the_plc_refuses_is_said_in_the_words_of_the_protocol(client, peer, what, code):
    function = bytes.fromhex(ASKS[what][1])[0]
    peer.script = pdu(0x80 | function, code)
    with pytest.raises(PlcRefusedError) as caught:
        ASKS[what][0](client, 0.02)
    assert str(caught.value) == f"{what}: exception {code}, {EXCEPTIONS[code]}; unit {UNIT} was asked, and answered"
    assert not client.connected


WRONG = {
    "another function": (pdu(0x10, 0, 40, 0, 11), "answered as FC16"),
    "another function's exception": (pdu(0x90, 2), "answered as FC16"),
    "a function that there is not": (pdu(0x63, 0, 40, 0, 11), ""),
    "another address": (pdu(0x0F, 0, 41, 0, 11), "the echo says 11 at 41, written were 11"),
    "another count": (pdu(0x0F, 0, 40, 0, 10), "the echo says 10 at 40, written were 11"),
    "too long": (pdu(0x0F, 0, 40, 0, 11, 0), "the answer has 13 bytes, not 12"),
    "too short": (pdu(0x0F, 0, 40, 0), "the answer has 11 bytes, not 12"),
    "another unit": (lambda r: [(0, r[:4] + b"\0\6" + bytes([UNIT + 1]) + r[7:12])], "unit 7 was asked, unit 8 answered"),
    "another transaction": (lambda r: [(0, b"\xff\xfe" + r[2:4] + b"\0\6" + r[6:12])], "the answer is of another transaction"),
    "another protocol": (lambda r: [(0, r[:2] + b"\0\1" + b"\0\6" + r[6:12])], "the answer is of another protocol"),
    "two answers": (lambda r: [(0, 2 * echo(r)[0][1])], "the answer has 12 bytes and 12 more"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_answer_that_is_not_the_echo_is_an_error_and_resets_the_connection(client, peer, wrong):
    peer.script, says = WRONG[wrong]
    with pytest.raises(PlcAnswerError) as caught:
        client.write_coils(40, COILS, 0.02)
    assert caught.type is (PlcRefusedError if "unit" in wrong else PlcAnswerError)
    assert str(caught.value).startswith(f"FC15 (write coils 40 to 50): {says}")
    peer.settle()
    assert (client.connected, peer.resets, len(peer.requests)) == (False, 1, 1)


@pytest.mark.parametrize(("length", "said"), [(1, 2), (3, 2), (2, 1)])
def test_a_read_that_brings_more_or_fewer_registers_than_were_asked_is_an_error(client, peer, length, said):
    values = struct.pack(f">{length}H", *range(length))
    peer.script = pdu(3, 2 * said, *values)
    with pytest.raises(PlcAnswerError, match=r"FC03 \(read registers 300 to 301\)"):
        client.read_registers(300, 2, 0.02)
    assert not client.connected


def test_a_request_needs_a_connection_and_makes_none(client, peer):
    client.reset()
    assert not client.connected
    with pytest.raises(PlcError, match=r"FC15 \(write coils 40 to 50\): not connected"):
        client.write_coils(40, COILS, 0.02)
    assert len(peer.dialled) == 1


def test_whatever_ends_a_request_in_its_middle_no_answer_of_it_is_ever_taken_for_another(client, peer):
    def stopped(request):
        raise KeyboardInterrupt

    peer.script = stopped
    with pytest.raises(KeyboardInterrupt):
        client.write_coils(40, COILS, 0.02)
    assert not client.connected


@pytest.mark.parametrize(
    ("ask", "possible"),
    [
        (lambda c: c.write_coils(0, [True] * 1968, 1), True),
        (lambda c: c.write_coils(0, [True] * 1969, 1), False),
        (lambda c: c.write_coils(0, [], 1), False),
        (lambda c: c.write_coils(65_535, [True], 1), True),
        (lambda c: c.write_coils(65_535, [True] * 2, 1), False),
        (lambda c: c.write_coils(-1, [True], 1), False),
        (lambda c: c.write_registers(0, [0] * 123, 1), True),
        (lambda c: c.write_registers(0, [0] * 124, 1), False),
        (lambda c: c.write_registers(7, [], 1), False),
        (lambda c: c.write_registers(65_413, [9] * 123, 1), True),
        (lambda c: c.write_registers(65_414, [9] * 123, 1), False),
        (lambda c: c.write_registers(7, [0, 65_535], 1), True),
        (lambda c: c.write_registers(7, [0, 65_536], 1), False),
        (lambda c: c.write_registers(7, [-1, 0], 1), False),
        (lambda c: c.read_registers(0, 125, 1), True),
        (lambda c: c.read_registers(0, 126, 1), False),
        (lambda c: c.read_registers(0, 0, 1), False),
        (lambda c: c.read_registers(65_536, 1, 1), False),
    ],
)
def test_what_the_protocol_cannot_carry_is_not_sent_and_the_connection_stays(client, peer, ask, possible):
    peer.script = lambda request: registers(*[0] * 125)(request) if request[7] == 3 else echo(request)
    if possible:
        ask(client)
        assert len(peer.requests) == 1
    else:
        with pytest.raises(ValueError, match=r"possible are 1 to \d+ within 0 to 65535|a register holds 0 to 65535"):
            ask(client)
        assert peer.requests == []
    assert client.connected


# -- connections ----------------------------------------------------------------


def test_a_connection_goes_to_host_and_port_within_its_time_and_resets_the_one_before(client, peer):
    assert [(address.where, timeout_s) for address, timeout_s in peer.dialled] == [(("10.0.0.5", 1502), 0.2)]
    assert client.goes_to == ("10.0.0.5", 1)
    client.connect(2.0)
    peer.settle()
    assert (peer.dialled[-1][1], peer.resets, client.connected) == (2.0, 1, True)


def test_a_name_that_is_not_found_any_more_resets_the_connection_too(client, peer):
    def fails(timeout_s):
        raise PlcError("no such name")

    client._resolver = SimpleNamespace(addresses=fails)
    with pytest.raises(PlcError, match="no such name"):
        client.connect(0.2)
    peer.settle()
    assert (client.connected, peer.resets) == (False, 1)


def test_one_coil_is_named_as_one(client, peer):
    with pytest.raises(PlcTimeoutError, match="write coils 7 to 7"):
        client.write_coils(7, [True], 0.02)


def test_a_client_without_a_wire_makes_its_own_with_the_clock_that_it_was_given():
    """This one stands at 0: by the machine's, every time-out would be over."""

    def serve():
        connection, _ = server.accept()
        with connection:
            connection.sendall(echo(connection.recv(300))[0][1])
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve)
        client = PlcClient("127.0.0.1", server.getsockname()[1], clock=SimpleNamespace(now_ns=lambda: 0))
        client.connect(5)
        serving.start()
        client.write_coils(0, COILS, 5)
        client._wire._connected.socket.shutdown(socket.SHUT_WR)
        serving.join(5)
        client.reset()


@pytest.mark.parametrize(("says", "error"), [("refused", PlcError), ("mute", PlcTimeoutError)])
def test_a_plc_that_takes_no_connection_is_an_error_within_the_time(client, peer, says, error):
    peer.says, begun = says, peer.time.now
    with pytest.raises(PlcError) as caught:
        client.connect(0.2)
    assert caught.type is error
    assert "10.0.0.5:1502" in str(caught.value)
    assert not client.connected
    assert peer.time.now - begun <= 200 * MS
    assert client.goes_to == ("10.0.0.5", 1)


def named(client, peer, count, took_s=0.0):
    """The name of the PLC has so many addresses, and its look-up takes a while."""
    addresses = [Address(2, (f"10.0.0.{number}", 502)) for number in range(1, count + 1)]

    def look_up(timeout_s):
        peer.time.now += round(took_s * 1e9)
        return addresses

    client._resolver = SimpleNamespace(addresses=look_up)
    peer.dialled.clear()
    return addresses


def test_of_several_addresses_each_has_its_share_of_what_the_ones_before_have_left(client, peer):
    addresses = named(client, peer, 3)
    peer.says = "mute"
    with pytest.raises(PlcTimeoutError):
        client.connect(0.3)
    assert [address for address, _ in peer.dialled] == addresses
    assert [timeout_s for _, timeout_s in peer.dialled] == pytest.approx([0.1, 0.1, 0.1])
    assert client.goes_to == ("10.0.0.3", 3)


def test_an_address_that_answers_is_the_last_that_is_tried(client, peer):
    addresses = named(client, peer, 3)
    refused = iter(["refused", ""])
    peer.accepts = lambda line: next(refused)
    client.connect(0.3)
    assert [address for address, _ in peer.dialled] == addresses[:2]
    assert (client.goes_to, client.connected) == (("10.0.0.2", 3), True)


def test_an_address_is_tried_for_a_moment_though_its_name_took_all_of_the_time(client, peer):
    named(client, peer, 1, took_s=0.5)
    client.connect(0.2)
    assert peer.dialled[0][1] == 0.001


def test_the_library_writes_no_log_of_its_own_on_the_hot_path(client, peer):
    assert not any(logging.getLogger(name).isEnabledFor(logging.CRITICAL) for name in ("pymodbus", "pymodbus.logging"))


def test_a_plc_is_found_at_the_port_and_the_unit_of_the_protocol_unless_another_is_said(peer):
    client = PlcClient("10.0.0.5", wire=Wire(clock=peer.time, dial=peer.dial), clock=peer.time)
    client.connect(0.2)
    peer.script = echo
    client.write_coils(0, [True], 0.02)
    assert peer.dialled[0][0].where == ("10.0.0.5", 502)
    assert peer.requests[0][6] == 1
