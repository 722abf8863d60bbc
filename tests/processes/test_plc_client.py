"""The Modbus client against the simulated PLC in its own process, and against a server that answers anything."""

import contextlib
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from aoi_daemon.errors import PlcAnswerError, PlcError, PlcRefusedError, PlcTimeoutError
from aoi_daemon.kit.simulator.client import SimulatorProcess
from aoi_daemon.plc.client import EXCEPTIONS, PlcClient
from aoi_daemon.plcmap.coils import SAFE, Result, bits, pack
from aoi_daemon.plcmap.registers import POLL_WORDS, Report, decode_poll, encode_report

HOST = "127.0.0.1"
POLL_BASE = 100
TIMEOUT_S = 0.05
ENOUGH_S = 2.0  # for what must come at once, on a machine that is busy with other tests
READY = pack(ready=True, heartbeat=True)


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess(scan_ms=0) as running:
        yield running


@pytest.fixture
def plc(simulator):
    simulator.fault("none")
    yield simulator
    simulator.fault("none")
    simulator.wait_until(lambda status: status["connections"] == 0, ENOUGH_S)


@pytest.fixture
def client(plc):
    made = PlcClient(HOST, plc.port)
    made.connect(ENOUGH_S)
    yield made
    made.reset()


class Peer:
    """A server for one connection that answers each request with what `script` makes of it, piece by piece."""

    def __init__(self, script, gap_s=0.0):
        self.script, self.gap_s = script, gap_s
        self.requests, self.end = [], ""
        self.socket = socket.create_server((HOST, 0))
        self.port = self.socket.getsockname()[1]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(10)
        self.socket.close()

    def serve(self):
        connection, _ = self.socket.accept()
        connection.settimeout(10)
        with connection:
            try:
                while request := connection.recv(300):
                    self.requests.append(request)
                    for piece in self.script(request):
                        connection.sendall(piece)
                        self.ended.wait(self.gap_s)
                self.end = "closed"
            except ConnectionError:
                self.end = "reset"
            self.ended.set()


def echo(request):
    return [request[:4] + b"\0\6" + request[6:12]]


@contextlib.contextmanager
def connected(port):
    client = PlcClient(HOST, port)
    client.connect(ENOUGH_S)
    try:
        yield client
    finally:
        client.reset()


def fails(client, error=PlcError):
    """The error of a write of the coils; its connection must be gone with it."""
    with pytest.raises(error) as caught:
        client.write_coils(0, bits(READY), TIMEOUT_S)
    assert caught.type is error
    assert not client.connected
    return str(caught.value)


# -- what works ---------------------------------------------------------------


def test_the_coils_arrive_in_one_request(plc, client):
    before = plc.status()
    word = pack(Result.REJECT, ready=True, heartbeat=True, sequence=0xA5)
    client.write_coils(0, bits(word), ENOUGH_S)
    after = plc.status()
    assert after["word"] == word
    assert after["requests"] == before["requests"] + 1
    assert after["counters"]["writes"] == before["counters"]["writes"] + 1


def test_the_register_profile_arrives_whole(plc, client):
    report = Report(trigger_id=70_000, verdict=2, offset_x=-12, latency=123, sequence=9)
    client.write_registers(0, encode_report(report), ENOUGH_S)
    assert plc.status()["report"] == report._asdict()


def test_the_poll_block_is_read(plc, client):
    plc.set(line_running=True, recipe_request=7)
    poll = decode_poll(client.read_registers(POLL_BASE, POLL_WORDS, ENOUGH_S))
    assert poll.recipe_request == 7
    plc.set(recipe_request=0)


def test_a_client_connects_again_after_each_fault(plc, client):
    for _ in range(5):
        plc.fault("reset")
        fails(client)
        plc.fault("none")
        client.connect(ENOUGH_S)
        client.write_coils(0, bits(SAFE), ENOUGH_S)


def test_a_descriptor_above_1023_works(plc):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with connected(plc.port) as client:
            client.write_coils(0, bits(SAFE), ENOUGH_S)
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# -- faults of the PLC ----------------------------------------------------------


def test_a_mute_plc_is_a_time_out(plc, client):
    plc.fault("mute")
    assert fails(client, PlcTimeoutError) == "FC15 (write coils 0 to 15): no answer in time"


def test_a_slow_answer_is_a_time_out_and_is_not_taken_for_the_next_ones(plc, client):
    plc.fault("delay", ms=200)
    fails(client, PlcTimeoutError)
    plc.fault("none")
    client.connect(ENOUGH_S)
    for _ in range(50):
        client.write_coils(0, bits(SAFE), ENOUGH_S)


def test_a_refused_connection_is_an_error_at_once(plc, client):
    plc.fault("refuse")
    assert fails(client).startswith("FC15 (write coils 0 to 15): ")
    with pytest.raises(PlcError, match="refused") as caught:
        client.connect(ENOUGH_S)
    assert caught.type is PlcError


def test_a_reset_by_the_plc_is_an_error(plc, client):
    plc.fault("reset")
    assert "reset by peer" in fails(client)


@pytest.mark.parametrize("code", EXCEPTIONS)
def test_an_exception_answer_is_named_in_words(plc, client, code):
    plc.fault("exception", code=code)
    assert fails(client, PlcRefusedError) == (
        f"FC15 (write coils 0 to 15): exception {code}, {EXCEPTIONS[code]}; unit 1 was asked, and answered"
    )


def test_a_wrong_coil_base_is_an_exception_answer(plc, client):
    with pytest.raises(PlcAnswerError, match="illegal address"):
        client.write_coils(8, bits(READY), ENOUGH_S)


@pytest.mark.parametrize("field", ["value", "address", "function", "transaction", "protocol", "unit", "short", "long"])
def test_an_echo_that_is_wrong_in_one_field_is_an_error(plc, client, field):
    plc.fault("wrong_echo", field=field)
    fails(client, PlcRefusedError if field == "unit" else PlcAnswerError)
    client.connect(ENOUGH_S)
    with pytest.raises(PlcAnswerError):
        client.write_registers(0, encode_report(Report()), ENOUGH_S)
    assert not client.connected


def test_another_unit_is_named_with_the_one_that_was_asked(plc, client):
    plc.fault("wrong_echo", field="unit")
    assert fails(client, PlcRefusedError) == "FC15 (write coils 0 to 15): unit 1 was asked, unit 0 answered"


@pytest.mark.parametrize("field", ["function", "transaction", "protocol", "unit", "short", "long"])
def test_a_read_that_is_answered_wrongly_is_an_error(plc, client, field):
    plc.fault("wrong_echo", field=field)
    with pytest.raises(PlcAnswerError):
        client.read_registers(POLL_BASE, POLL_WORDS, ENOUGH_S)
    assert not client.connected


def test_the_same_fault_has_the_same_message(plc, client):
    plc.fault("mute")
    said = fails(client, PlcTimeoutError)
    client.connect(ENOUGH_S)
    with pytest.raises(PlcTimeoutError) as caught:
        client.write_coils(0, bits(SAFE), TIMEOUT_S / 2)
    assert str(caught.value) == said


# -- nothing stale --------------------------------------------------------------


def test_a_connection_is_reset_and_not_closed_when_it_fails(plc, client):
    start = len(plc.events())
    plc.fault("mute")
    fails(client, PlcTimeoutError)
    plc.wait_until(lambda status: status["connections"] == 0, ENOUGH_S)
    ends = [event.detail for event in plc.events(start) if event.kind == "disconnected"]
    assert len(ends) == 1
    assert "reset by peer" in ends[0]


def test_nothing_written_to_a_mute_plc_arrives_later(plc, client):
    plc.fault("mute")
    start = plc.status()["counters"]["writes"]
    for _ in range(5):
        client.connect(ENOUGH_S)
        fails(client, PlcTimeoutError)
    plc.fault("none")
    client.connect(ENOUGH_S)
    client.write_coils(0, bits(SAFE), ENOUGH_S)
    status = plc.wait_until(lambda status: status["connections"] == 1, ENOUGH_S)
    assert status["counters"]["writes"] == start + 1
    assert status["word"] == SAFE


def test_an_old_pass_from_the_receive_buffer_of_a_stalled_plc_passes_no_part(plc, client):
    """What no client can take back: the one request that the PLC had received, and reads when it goes on."""
    client.write_coils(0, bits(SAFE), ENOUGH_S)
    client.write_coils(0, bits(pack(ready=True, heartbeat=True, sequence=1)), ENOUGH_S)
    plc.fault("stall")
    before = plc.status()["counters"]
    with pytest.raises(PlcTimeoutError):
        client.write_coils(0, bits(pack(Result.PASS, ready=True, sequence=2, result_toggle=True)), TIMEOUT_S)
    plc.part(77, truth=2)
    plc.wait_until(lambda status: status["counters"]["parts"] == before["parts"] + 1, ENOUGH_S)
    plc.fault("none")
    client.connect(ENOUGH_S)
    client.write_coils(0, bits(SAFE), ENOUGH_S)
    after = plc.wait_until(lambda status: status["counters"]["ejected"] == before["ejected"] + 1, ENOUGH_S)["counters"]
    assert after["writes"] <= before["writes"] + 2
    assert after["escape"] == before["escape"]


def test_a_killed_process_resets_its_connection(plc):
    program = (
        "import sys, time; from aoi_daemon.plc.client import PlcClient\n"
        "client = PlcClient(sys.argv[1], int(sys.argv[2])); client.connect(5); print(1, flush=True); time.sleep(60)"
    )
    start = len(plc.events())
    with subprocess.Popen([sys.executable, "-c", program, HOST, str(plc.port)], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        plc.wait_until(lambda status: status["connections"] == 1, ENOUGH_S)
        process.kill()
    plc.wait_until(lambda status: status["connections"] == 0, ENOUGH_S)
    assert "reset by peer" in next(event.detail for event in plc.events(start) if event.kind == "disconnected")


def test_an_exception_of_a_signal_handler_in_the_middle_of_a_call_resets_the_connection(plc, client):
    def interrupt(*_):
        raise InterruptedError("asked to stop")

    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    plc.fault("mute")
    timer.start()
    try:
        with pytest.raises(InterruptedError):
            client.write_coils(0, bits(READY), 10.0)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert not client.connected


# -- time-outs hold -------------------------------------------------------------


def shortest_of_three(call):
    """The shortest of three runs, in s: what the call needs, without what the machine adds."""
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return min(times)


def test_a_server_that_answers_byte_by_byte_gains_no_time(plc, client):
    plc.fault("trickle", ms=TIMEOUT_S * 1e3 / 6)

    def ask():
        client.connect(ENOUGH_S)
        assert fails(client, PlcTimeoutError) == "FC15 (write coils 0 to 15): no complete answer in time"

    assert shortest_of_three(ask) < TIMEOUT_S + 0.015


def test_an_answer_in_pieces_that_come_in_time_is_taken(plc, client):
    plc.fault("trickle", ms=1)
    client.write_coils(0, bits(READY), ENOUGH_S)


def test_a_mute_plc_costs_the_time_out_and_no_more(plc, client):
    plc.fault("mute")

    def ask():
        client.connect(ENOUGH_S)
        fails(client, PlcTimeoutError)

    assert TIMEOUT_S <= shortest_of_three(ask) < TIMEOUT_S + 0.01


def test_nobody_answering_the_connection_is_a_time_out():
    with socket.socket() as deaf:
        deaf.bind((HOST, 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with socket.create_connection((HOST, port)), contextlib.ExitStack() as waiting:
            # The queue of connections holds one more than it was asked for; behind it, SYNs are dropped.
            for _ in range(2):
                full = waiting.enter_context(socket.socket())
                full.setblocking(False)
                full.connect_ex((HOST, port))
            client = PlcClient(HOST, port)
            begun = time.perf_counter()
            with pytest.raises(PlcTimeoutError, match="nobody answers"):
                client.connect(0.1)
            assert time.perf_counter() - begun < 0.5
            assert not client.connected


# -- a server that keeps to no rule -----------------------------------------------


def until_readable(client):
    """Wait, bounded, until what the peer did has come through."""
    assert client._wire._connected.poll(ENOUGH_S * 1e3)


def test_a_connection_that_the_plc_closed_is_noticed_before_anything_is_sent():
    with socket.create_server((HOST, 0)) as server, connected(server.getsockname()[1]) as client:
        accepted, _ = server.accept()
        with accepted:
            accepted.shutdown(socket.SHUT_WR)
            until_readable(client)
            assert fails(client) == "FC15 (write coils 0 to 15): the PLC closed the connection"
            accepted.settimeout(ENOUGH_S)
            with pytest.raises(ConnectionResetError):
                accepted.recv(100)


def test_an_end_of_the_connection_in_the_middle_of_an_answer_is_an_error():
    def half(request):
        yield echo(request)[0][:6]
        raise ConnectionError

    with Peer(half) as peer, connected(peer.port) as client:
        assert "closed the connection" in fails(client)


def test_bytes_that_nobody_asked_for_are_an_error_before_anything_is_sent():
    with socket.create_server((HOST, 0)) as server, connected(server.getsockname()[1]) as client:
        accepted, _ = server.accept()
        with accepted:
            accepted.sendall(b"x")
            until_readable(client)
            assert fails(client, PlcAnswerError) == "FC15 (write coils 0 to 15): the PLC sent bytes that it was not asked for"
            accepted.settimeout(ENOUGH_S)
            with pytest.raises(ConnectionResetError):
                accepted.recv(100)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda r: [r[:4] + b"\0\0" + r[6:12]], PlcAnswerError),
        (lambda r: [r[:4] + b"\xff\xff" + r[6:12]], PlcAnswerError),
        (lambda r: [r[:4] + b"\0\2" + r[6:8]], PlcAnswerError),
        (lambda r: [r[:4] + b"\0\3" + r[6:7] + b"\x80\1"], PlcAnswerError),
        (lambda r: [r[:4] + b"\0\3" + r[6:7] + b"\x90\1"], PlcAnswerError),
        (lambda r: [r[:4] + b"\0\3" + r[6:7] + b"\x8f\x63"], PlcRefusedError),
        (lambda r: [r[:4] + b"\0\6" + r[6:7] + b"\x63" + r[8:12]], PlcAnswerError),
        (lambda r: [echo(r)[0] * 2], PlcAnswerError),
        (lambda r: [echo(r)[0][:11]], PlcTimeoutError),
        (lambda r: [r[:5]], PlcTimeoutError),
        (lambda r: [], PlcTimeoutError),
    ],
    ids=[
        "no length", "a length over all bounds", "an answer without a body", "exception of no function",
        "exception of another function", "a code that there is not", "a function that there is not", "twice",
        "one byte short", "half a header", "nothing",
    ],
)  # fmt: skip
def test_an_answer_that_breaks_the_protocol_is_an_error_and_a_reset(answer, error):
    with Peer(answer) as peer, connected(peer.port) as client:
        fails(client, error)
        assert peer.ended.wait(ENOUGH_S)
    assert peer.end == "reset"
    assert len(peer.requests) == 1


@pytest.mark.parametrize("count", [0, 2, 14, 15, 17, 18, 255])
def test_registers_with_a_wrong_byte_count_are_an_error(count):
    def answer(request):
        return [request[:4] + b"\0\x13" + request[6:8] + bytes([count]) + bytes(16)]

    with Peer(answer) as peer, connected(peer.port) as client:
        with pytest.raises(PlcAnswerError):
            client.read_registers(0, 8, ENOUGH_S)
        assert peer.ended.wait(ENOUGH_S)
    assert peer.end == "reset"


def test_an_answer_whose_header_is_torn_is_put_together():
    with Peer(lambda r: [bytes([byte]) for byte in echo(r)[0]], gap_s=0.002) as peer, connected(peer.port) as client:
        client.write_coils(0, bits(READY), ENOUGH_S)
        client.reset()


# -- what is not sent -------------------------------------------------------------


def test_without_a_connection_nothing_is_tried(plc):
    before = plc.status()["requests"]
    client = PlcClient(HOST, plc.port)
    with pytest.raises(PlcError, match="not connected"):
        client.write_coils(0, bits(READY), TIMEOUT_S)
    assert plc.status()["requests"] == before
    assert not client.connected


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.write_coils(0, [], 1),
        lambda c: c.write_coils(0, [True] * 1969, 1),
        lambda c: c.write_coils(-1, [True], 1),
        lambda c: c.write_coils(65_521, [True] * 16, 1),
        lambda c: c.write_registers(0, [], 1),
        lambda c: c.write_registers(0, [0] * 124, 1),
        lambda c: c.write_registers(0, [-1], 1),
        lambda c: c.write_registers(0, [65_536], 1),
        lambda c: c.read_registers(0, 0, 1),
        lambda c: c.read_registers(0, 126, 1),
        lambda c: c.read_registers(65_536, 1, 1),
    ],
)
def test_what_the_protocol_cannot_carry_is_refused_and_the_connection_stays(plc, client, call):
    before = plc.status()["requests"]
    with pytest.raises(ValueError, match="0 to 65535"):
        call(client)
    assert client.connected
    assert plc.status()["requests"] == before


def test_pymodbus_says_nothing_of_its_own(plc, client, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for kind in ("mute", "exception", "wrong_echo", "reset"):
        plc.fault(kind)
        client.connect(ENOUGH_S)
        fails(client, *[{"mute": PlcTimeoutError, "reset": PlcError, "exception": PlcRefusedError}.get(kind, PlcAnswerError)])
    assert not [record for record in caplog.records if record.name.startswith("pymodbus")]
    assert capfd.readouterr() == ("", "")
