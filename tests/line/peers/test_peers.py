"""The line against Modbus servers that others wrote, each a slow PLC in its own process (`peer.py`).

Registers and poll are on, the server answers after 12 to 17 ms, and the takt is the smallest that check-config takes.
Whatever the server does with it, no bad part is let go by the PLC program that is handed out, and no PASS is in the
server's memory after its part's deadline, but where the server's own log shows that it took longer than `answer_ms`.

`--peer-parts N` passes N parts before libmodbus and a tenth before each other; 3000 are the proof.
"""

from __future__ import annotations

import time

import pytest

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.messages import Reason
from tests.line.peers.conftest import ANSWER_MS, DELAY_MS, PhotoEye
from tests.line.peers.judge import BAD, GOOD, judge
from tests.line.peers.peer import PEERS, Peer

MS = 1_000_000
SEED = 11
FEWEST = 60
CONNECTIONS_A_SECOND = 2.0
LEAST_PASSED = 0.8


def parts_of(name: str, asked: int) -> int:
    return asked if name == "libmodbus" else max(FEWEST, asked // 10)


@pytest.mark.line
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PEERS)
def test_no_bad_part_is_let_go_and_no_pass_is_late(name, request, tmp_path, peer_line, smallest_takt_ms, peer_table):
    parts = parts_of(name, request.config.getoption("--peer-parts"))
    takt_ns = smallest_takt_ms * MS
    gate_ns = takt_ns + takt_ns // 2
    peer = Peer(PEERS[name](tmp_path), tmp_path / "server.log", seed=SEED, delay_ms=DELAY_MS)
    with PhotoEye() as eye, peer:
        outcomes = []
        daemon = peer_line.daemon(tmp_path / "line", takt_ms=smallest_takt_ms, port=peer.port, photo_eye_port=eye.port, parts=parts)

        def all_through() -> bool:
            """Each part has its outcome, and has passed the gate."""
            eye.look()
            outcomes.extend(daemon.outcomes())
            return len(eye.seen) >= parts and len(outcomes) >= parts and time.monotonic_ns() > eye.seen[-1].trigger_ns + gate_ns

        since = time.monotonic()
        with daemon:
            daemon.watch()
            daemon.wait_ready()
            wait_for(all_through, 10 + 2 * parts * smallest_takt_ms / 1e3, f"{parts} parts")
        lasted_s = time.monotonic() - since
    requests = peer.requests()
    found = judge(
        peer_line.programs(daemon, gate_ns), requests, eye.seen, outcomes,
        deadline_ns=takt_ns, gate_ns=gate_ns, answer_ns=int(ANSWER_MS * MS),
    )  # fmt: skip
    connections = sum(not each.function for each in requests)
    peer_table(name, smallest_takt_ms, found, requests, outcomes)

    assert len(eye.seen) == parts
    truth = {part.trigger_ns: part.truth for part in eye.seen}
    # The model's own errors are none of this test's: it is right on each board.
    judged = [outcome for outcome in outcomes if outcome.reason in (Reason.NONE, Reason.DEFECT)]
    assert all(outcome.passed == (truth[outcome.trigger_ns] == GOOD) for outcome in judged)
    assert any(truth[outcome.trigger_ns] == BAD for outcome in judged)
    assert not found.unknown
    assert not found.late_by_daemon
    for variant, gone in found.gone.items():
        assert not gone.escapes, variant
        assert gone.good >= LEAST_PASSED * found.good > 0, variant
    assert connections <= CONNECTIONS_A_SECOND * lasted_s
