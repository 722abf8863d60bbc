"""The simulated PLC as a process: photo-eye, verdicts, faults, control channel, command line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aoi_daemon.errors import PlcAnswerError
from aoi_daemon.kit.simulator.client import SimulatorError, SimulatorProcess
from aoi_daemon.kit.simulator.options import Options
from aoi_daemon.plc.client import PlcClient
from aoi_daemon.plcmap.coils import SAFE, Result, bits, pack
from aoi_daemon.plcmap.registers import POLL_WORDS, Status, decode_poll

ROOT = Path(__file__).resolve().parents[2]
ENOUGH_S = 30.0


class Daemon:
    """As much of a daemon as writes coils."""

    def __init__(self, plc):
        self.client = PlcClient("127.0.0.1", plc.port)
        self.client.connect(ENOUGH_S)
        self.sequence, self.heartbeat = 0, False
        self.write(SAFE)
        self.beat()

    def write(self, word):
        self.client.write_coils(0, bits(word), ENOUGH_S)

    def beat(self):
        self.heartbeat = not self.heartbeat
        self.write(pack(ready=True, heartbeat=self.heartbeat, sequence=self.sequence))

    def say(self, result):
        self.sequence += 1
        toggle = bool(self.sequence & 1)
        self.write(pack(result, ready=True, heartbeat=self.heartbeat, result_toggle=toggle, sequence=self.sequence))


@pytest.fixture(params=[0, 2], ids=["no scan cycle", "scan cycle of 2 ms"])
def plc(request):
    # A heartbeat that outlives the whole test: what it guards is tested by itself.
    with SimulatorProcess(scan_ms=request.param, heartbeat_timeout_ms=60_000, deadline_ms=200) as running:
        yield running


@pytest.fixture
def daemon(plc):
    made = Daemon(plc)
    yield made
    made.client.reset()


def decided(plc, count):
    return plc.wait_until(
        lambda status: (
            status["counters"]["good"] + status["counters"]["escape"] + status["counters"]["ejected"] >= count
        ),
        ENOUGH_S,
    )


def test_parts_go_on_or_are_ejected_as_they_were_judged(plc, daemon):
    for number, (truth, result) in enumerate(
        [(1, Result.PASS), (2, Result.REJECT), (1, Result.REJECT), (2, Result.PASS)]
    ):
        trigger_ns = plc.part(number, truth=truth)
        daemon.say(result)
        decided(plc, number + 1)
        part = plc.parts(number)[0]
        assert (part.number, part.truth, part.trigger_ns, part.sequence) == (number, truth, trigger_ns, number + 1)
        assert part.ejected == (result == Result.REJECT)
        assert trigger_ns < part.arrival_ns <= time.monotonic_ns()
    counters = plc.status()["counters"]
    assert (counters["good"], counters["reject"], counters["false_call"], counters["escape"]) == (1, 1, 1, 1)


def test_a_part_without_a_verdict_is_ejected_when_its_window_ends(plc, daemon):
    plc.part(1)
    assert decided(plc, 1)["counters"]["missed"] == 1
    assert plc.parts()[0].ejected


def test_the_plc_says_what_it_acted_on(plc, daemon):
    plc.part(1)
    daemon.say(Result.REJECT)
    decided(plc, 1)
    poll = decode_poll(daemon.client.read_registers(100, POLL_WORDS, ENOUGH_S))
    assert (poll.result_ack, poll.acted_on) == (1, 1)
    assert Status.REJECT_CONFIRMED in poll.status


def test_a_trigger_toggles_its_bit_and_counts(plc, daemon):
    before = decode_poll(daemon.client.read_registers(100, POLL_WORDS, ENOUGH_S))
    plc.command("trigger")
    after = decode_poll(daemon.client.read_registers(100, POLL_WORDS, ENOUGH_S))
    assert after.trigger_id == before.trigger_id + 1
    assert (before.status ^ after.status) & Status.TRIGGER


def test_coils_fall_when_the_link_is_lost_unless_they_are_held(plc, daemon):
    daemon.beat()
    plc.hold_outputs(on=True)
    daemon.client.reset()
    held = plc.wait_until(lambda status: status["connections"] == 0, ENOUGH_S)
    assert held["coils"]["READY"] == 1
    daemon.client.connect(ENOUGH_S)
    daemon.beat()
    plc.hold_outputs(on=False)
    daemon.client.reset()
    fallen = plc.wait_until(lambda status: status["connections"] == 0, ENOUGH_S)
    assert fallen["word"] == SAFE
    assert not fallen["ready_effective"]


def test_after_a_refusal_it_listens_on_the_same_port(plc, daemon):
    plc.fault("refuse")
    plc.wait_until(lambda status: status["connections"] == 0, ENOUGH_S)
    plc.fault("none")
    daemon.client.connect(ENOUGH_S)
    daemon.beat()


def test_what_the_plc_saw_is_on_record_with_its_time(plc, daemon):
    begun_ns = time.monotonic_ns()
    start = plc.command("events")["total"]
    daemon.write(pack(alarm=True, heartbeat=daemon.heartbeat))
    seen = [event for event in plc.events(start) if event.kind == "coils"]
    assert [event.detail for event in seen] == ["ALARM READY"]
    assert begun_ns < seen[0].at_ns < time.monotonic_ns()
    assert "not_ready" in [event.kind for event in plc.events(start)]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (b"nonsense", "JSONDecodeError"),
        (b"[]", "cmd is one of"),
        (b'{"cmd": "dance"}', "cmd is one of"),
        (b'{"cmd": "fault", "kind": "gremlins"}', "gremlins"),
        (b'{"cmd": "fault", "kind": "delay", "ms": -1}', "0 to 60000"),
        (b'{"cmd": "fault", "kind": "exception", "code": 9}', "code is one of"),
        (b'{"cmd": "parts", "from": "x"}', "ValueError"),
    ],
)
def test_a_command_that_makes_no_sense_is_answered_and_harms_nothing(request_, message):
    with (
        SimulatorProcess(scan_ms=0) as plc,
        socket.create_connection(("127.0.0.1", int(plc.listens["control"]))) as raw,
    ):
        raw.settimeout(ENOUGH_S)
        raw.sendall(request_ + b"\n")
        answer = json.loads(raw.makefile().readline())
        assert not answer["ok"]
        assert message in answer["error"]
        assert plc.status()["fault"] == "none"


def test_the_control_channel_can_be_a_unix_socket(tmp_path):
    path = tmp_path / "plc.sock"
    with SimulatorProcess(control=str(path)) as plc:
        assert plc.status()["requests"] == 0
        with pytest.raises(SimulatorError, match="gremlins"):
            plc.fault("gremlins")
    assert not path.exists()


def test_the_whole_of_a_long_log_is_read_in_pages():
    with SimulatorProcess(scan_ms=0, deadline_ms=1, keep=1000) as plc:
        for number in range(1200):
            plc.part(number, trigger_ns=1)
        plc.wait_until(lambda status: status["counters"]["missed"] == 1200, ENOUGH_S)
        assert [part.number for part in plc.parts()] == list(range(200, 1200))
        assert [part.number for part in plc.parts(1190)] == list(range(1190, 1200))


@pytest.mark.parametrize(("coil_base", "poll_base"), [(5, 100), (1000, 17), (65_520, 65_528)])
def test_the_blocks_are_where_they_were_asked_for_and_nowhere_else(coil_base, poll_base):
    with SimulatorProcess(scan_ms=0, coil_base=coil_base, poll_base=poll_base) as plc:
        client = PlcClient("127.0.0.1", plc.port)
        client.connect(ENOUGH_S)
        client.write_coils(coil_base, bits(0xA50C), ENOUGH_S)
        assert plc.status()["word"] == 0xA50C
        assert len(client.read_registers(poll_base, POLL_WORDS, ENOUGH_S)) == POLL_WORDS
        for attempt in (
            lambda: client.write_coils(coil_base - 1, bits(SAFE), ENOUGH_S),
            lambda: client.write_coils(coil_base - 4, [True] * 2, ENOUGH_S),
            lambda: client.read_registers(poll_base - 1, POLL_WORDS, ENOUGH_S),
        ):
            with pytest.raises(PlcAnswerError, match="illegal address"):
                attempt()
            client.connect(ENOUGH_S)
        client.reset()


def test_datagrams_of_others_are_no_parts():
    with SimulatorProcess(scan_ms=0) as plc, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for datagram in (b"", b"AOIP", b"XXXX" + bytes(17), b"AOIP" + bytes(18)):
            stranger.sendto(datagram, (plc.host, plc.photo_eye_port))
        plc.part(1)
        assert plc.wait_until(lambda status: status["counters"]["parts"] > 0, ENOUGH_S)["counters"]["parts"] == 1


# -- the command line ------------------------------------------------------------


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "aoi_daemon.kit.simulator", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def test_help_has_examples_and_every_option():
    with start("--help") as process:
        text, _ = process.communicate(timeout=ENOUGH_S)
    assert process.returncode == 0
    assert "examples:" in text
    assert all(f"--{name.replace('_', '-')}" in text for name in Options.__dataclass_fields__)


def test_it_says_what_it_listens_on_and_ctrl_c_ends_it():
    with start("--port", "0", "--quiet") as process:
        said = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=ENOUGH_S)
    assert said.startswith("Modbus/TCP on 127.0.0.1:")
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--port", "70000"),
        ("--port", "fish"),
        ("--scan-ms", "0.5"),
        ("--coil-base", "65530"),
        ("--register-base", "0", "--poll-base", "10"),
        ("--host", "256.0.0.1", "--port", "0"),
    ],
)
def test_a_wrong_option_is_one_error_and_exit_2(arguments):
    with start("--quiet", *arguments) as process:
        _, errors = process.communicate(timeout=ENOUGH_S)
    assert process.returncode == 2
    assert len([line for line in errors.splitlines() if "error:" in line or line.startswith("aoi-daemon simulate-plc:")]) == 1
    assert "Traceback" not in errors


@pytest.mark.parametrize(("option", "kind"), [("--port", socket.SOCK_STREAM), ("--photo-eye-port", socket.SOCK_DGRAM)])
def test_a_port_that_is_taken_is_one_error_and_exit_2(option, kind):
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        taken = str(other.getsockname()[1])
        with start("--quiet", *(() if option == "--port" else ("--port", "0")), option, taken) as process:
            _, errors = process.communicate(timeout=ENOUGH_S)
    assert process.returncode == 2
    assert errors.startswith("aoi-daemon simulate-plc: ")
    assert len(errors.splitlines()) == 1
    assert taken in errors
    assert "in use" in errors


def test_a_program_that_starts_it_is_told_when_it_cannot():
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(SimulatorError, match="exit 2"):
        SimulatorProcess(port=other.getsockname()[1]).start()


def test_it_ends_with_the_program_that_started_it():
    with start("--json", "--port", "0", stdin=subprocess.PIPE) as process:
        assert json.loads(process.stdout.readline())["port"]
        process.send_signal(signal.SIGINT)  # a terminal's Ctrl-C reaches both; it is not the simulator's to act on
        process.stdin.close()
        process.stdin = None
        process.communicate(timeout=ENOUGH_S)
    assert process.returncode == 0


def test_on_a_terminal_there_is_a_live_line_and_ctrl_c_ends_both_processes():
    pytest.importorskip("rich")
    ours, theirs = os.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "aoi_daemon.kit.simulator", "--port", "0"],
            cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "200"},
        ) as process:  # fmt: skip
            os.close(theirs)
            seen = b""
            deadline_s = time.monotonic() + ENOUGH_S
            while b"parts 0" not in seen and time.monotonic() < deadline_s:
                seen += os.read(ours, 4096)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(ENOUGH_S) == 0
    finally:
        os.close(ours)
    assert b"Modbus/TCP on" in seen
    assert b"parts 0" in seen
