"""The servers that stand for a PLC: their logs tell all that their memory took, and when."""

from __future__ import annotations

import pytest

from aoi_daemon.errors import PlcTimeoutError
from aoi_daemon.plc.client import PlcClient
from aoi_daemon.plcmap.coils import COILS, Result, bits, pack
from aoi_daemon.plcmap.registers import POLL_WORDS, Status, decode_poll
from tests.line.peers.judge import WRITE_COILS, WRITE_REGISTERS
from tests.line.peers.peer import COIL_BASE, PEERS, POLL_BASE, REPORT_BASE, Peer

MS = 1_000_000
UNIT = 1
LEAST_MS, MOST_MS = 12, 17
ANSWER_S = 2.0
TOO_SHORT_S = 0.010  # the server has read it by then, and writes it later
PASS, REJECT = (pack(result, ready=True, sequence=0xA5) for result in (Result.PASS, Result.REJECT))


@pytest.fixture(params=PEERS)
def peer(request, tmp_path):
    return Peer(PEERS[request.param](tmp_path), tmp_path / "server.log", seed=1, delay_ms=(LEAST_MS, MOST_MS))


@pytest.fixture(params=PEERS)
def prompt_peer(request, tmp_path):
    return Peer(PEERS[request.param](tmp_path), tmp_path / "server.log", seed=1, delay_ms=(0, 0))


def written(peer: Peer, function: int) -> list[tuple[int, int, tuple[int, ...]]]:
    return [(each.connection, each.address, each.values) for each in peer.requests() if each.function == function]


def test_each_write_is_logged_with_the_delay_before_it(peer):
    with peer:
        client = PlcClient("127.0.0.1", peer.port, UNIT)
        client.connect(ANSWER_S)
        client.write_registers(REPORT_BASE, [7, 0xFFFF], ANSWER_S)
        client.write_coils(COIL_BASE, bits(PASS), ANSWER_S)
        client.read_registers(POLL_BASE, POLL_WORDS, ANSWER_S)
        client.reset()
    assert written(peer, WRITE_REGISTERS) == [(1, REPORT_BASE, (7, 0xFFFF))]
    assert written(peer, WRITE_COILS) == [(1, COIL_BASE, tuple(map(int, bits(PASS))))]
    asked = [each for each in peer.requests() if each.function]
    assert len(asked) == 3
    for each in asked:
        assert each.wrote_ns - each.read_ns >= LEAST_MS * MS
        assert each.wrote_ns <= each.answered_ns


def test_the_poll_block_lives_and_follows_the_coils(peer):
    with peer:
        client = PlcClient("127.0.0.1", peer.port, UNIT)
        client.connect(ANSWER_S)
        before = decode_poll(client.read_registers(POLL_BASE, POLL_WORDS, ANSWER_S))
        client.write_coils(COIL_BASE, bits(PASS), ANSWER_S)
        seen = [decode_poll(client.read_registers(POLL_BASE, POLL_WORDS, ANSWER_S)) for _ in range(20)]
        client.reset()
    assert (before.result_ack, before.acted_on) == (0, 0)
    assert {(poll.result_ack, poll.acted_on) for poll in seen} == {(0xA5, 0xA5)}
    assert all(Status.LINE_RUNNING in poll.status for poll in seen)
    # 20 reads of 12 ms and more are longer than two beats of its heartbeat.
    assert {Status.HEARTBEAT in poll.status for poll in seen} == {False, True}


def test_a_request_that_is_reset_during_the_delay_is_in_the_memory_and_in_the_log(peer):
    with peer:
        client = PlcClient("127.0.0.1", peer.port, UNIT)
        client.connect(ANSWER_S)
        client.write_coils(COIL_BASE, bits(REJECT), ANSWER_S)
        with pytest.raises(PlcTimeoutError):
            client.write_coils(COIL_BASE, bits(PASS), TOO_SHORT_S)
        client.connect(ANSWER_S)
        client.write_coils(COIL_BASE, [False] * COILS, ANSWER_S)
        client.reset()
    words = [(connection, values[:3]) for connection, _, values in written(peer, WRITE_COILS)]
    assert sorted(words) == [(1, (0, 1, 0)), (1, (1, 0, 0)), (2, (0, 0, 0))]
    assert sum(not each.function for each in peer.requests()) == 2


def test_a_request_whose_time_is_over_when_the_server_comes_to_it_is_taken_like_any_other(prompt_peer):
    with prompt_peer as peer:
        client = PlcClient("127.0.0.1", peer.port, UNIT)
        client.connect(ANSWER_S)
        client.write_coils(COIL_BASE, bits(PASS), ANSWER_S)
        client.write_registers(REPORT_BASE, [7, 0xFFFF], ANSWER_S)
        client.reset()
    assert written(peer, WRITE_COILS) == [(1, COIL_BASE, tuple(map(int, bits(PASS))))]
    assert written(peer, WRITE_REGISTERS) == [(1, REPORT_BASE, (7, 0xFFFF))]
