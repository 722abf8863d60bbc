"""plc/main.py: what the stage makes of its configuration, whose turn it is, and what has not been taken is not had."""

from types import SimpleNamespace

import pytest

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.errors import PlcTimeoutError
from aoi_daemon.messages import Announcement, Reason
from aoi_daemon.plc import main as module
from aoi_daemon.plc.main import Plc, modbus_link
from aoi_daemon.plcmap.coils import Result, view
from aoi_daemon.plcmap.registers import POLL_WORDS
from aoi_daemon.stage.board import Cell, StageState
from tests.unit.plc.conftest import MS, requests
from tests.unit.plc.pictures import part_of


def configured(plc, cameras=1, **section):
    """The stage with another section `plc`, its link up; nothing has been written."""
    seen = [{"name": f"camera-{number}", "kind": "replay", "source": "."} for number in range(cameras)]
    line = {"cameras": seen, "plc": section}
    plc.stage.config = LineConfig.model_validate(line)
    found = Plc(plc.stage, plc.link, plc.clock, plc.wait)
    found.clock = plc.clock
    found._line_ready = lambda: plc.link.up and plc.ready
    found.readiness.all_move = lambda now_ns: True
    found.face.beat_ns = plc.clock.now + 1_000 * MS
    return found


def part(plc, number, left_ns, reason=Reason.NONE):
    now = plc.clock.now
    seen = Announcement(0, 0, 0, number, number, now, now, now + left_ns)
    return part_of(number, seen, now + left_ns, reason=reason)


# -- the configuration --------------------------------------------------------


@pytest.mark.parametrize(("more_ns", "parts"), [(0, 1), (1, 2)])
def test_views_within_views_ms_are_of_one_part(plc, clock, more_ns, parts):
    line = configured(plc, cameras=2)
    for camera, at in ((0, clock.now), (1, clock.now + int(line.stage.config.views_ms * MS) + more_ns)):
        line.parts.announce(Announcement(0, camera, 0, 1, 1, at, at, at + 50 * MS), ready=True)
    assert len(line.parts.waiting) == parts


REGISTERS, POLL = {"base": 32}, {"base": 300, "period_ms": 20.0}


@pytest.mark.parametrize(
    ("section", "first", "later"),
    [
        ({}, ["coils"], []),
        ({"registers": REGISTERS}, ["coils", "registers"], []),
        ({"poll": POLL}, ["coils", "poll"], ["poll"]),
        ({"registers": REGISTERS, "poll": POLL}, ["coils", "registers", "poll"], ["poll"]),
    ],
)
def test_what_is_configured_is_written_and_read_in_one_go_and_nothing_else(plc, clock, section, first, later):
    line = configured(plc, **section)
    assert requests(line) == first
    assert not line.busy
    clock.now += 20 * MS
    assert requests(line) == later
    assert [base for base, _ in plc.link.registers] == [32] * first.count("registers")
    assert {what for kind, _, _, what in plc.link.log if kind == "poll"} <= {(300, POLL_WORDS)}


@pytest.mark.parametrize("kinds", [1, 2])
def test_a_line_of_coils_alone_is_not_kept_awake_for_registers_and_polls(plc, clock, kinds):
    line = configured(plc, **({"registers": REGISTERS} if kinds == 2 else {}))
    line._spare()
    assert line.busy is (kinds == 2)


def test_the_plcs_heartbeat_is_watched_from_the_start_where_it_is_configured(plc, clock):
    configured(plc, poll={**POLL, "watch_ms": 400.0})
    assert plc.board[Cell.PLC_MOVES_BY_NS] == clock.now + 400 * MS
    configured(plc)
    assert plc.board[Cell.PLC_MOVES_BY_NS] == 0


@pytest.mark.parametrize("reason", [Reason.NONE, Reason.DEFECT])
def test_a_verdict_by_coils_alone_is_one_request(plc, clock, reason):
    line = configured(plc)
    line._deliver(part(line, 5, 50 * MS, reason), line_ready=True)
    ((kind, _, _, what),) = plc.link.log
    assert (kind, view(what).result, view(what).sequence) == ("coils", Result.REJECT if reason else Result.PASS, 5)
    assert plc.link.registers == []
    line._deliver(part(line, 6, 1, reason), line_ready=True)  # none is given
    line._spare()
    assert [kind for kind, *_ in plc.link.log] == ["coils"] * 2


# -- the link of the configuration ----------------------------------------------


def test_the_modbus_link_is_made_of_the_configuration_on_the_ports_that_it_is_given(plc, peer):
    line = {
        "cameras": [{"kind": "replay", "source": "."}],
        "plc": {"host": "10.0.0.9", "port": 1502, "unit": 9, "timeout_ms": 30.0},
    }
    plc.stage.config = LineConfig.model_validate(line)
    link = modbus_link(plc.stage, peer.time, peer.dial)
    peer.script = lambda request: [(0, request[:4] + b"\0\6" + request[6:12])]
    assert link.connect(0, [])
    assert peer.dialled[0][0].where == ("10.0.0.9", 1502)
    assert peer.requests[0][6] == 9
    peer.script = lambda request: []
    begun = peer.time.now
    assert not link.write(1)
    assert 30 * MS <= peer.time.now - begun < 31 * MS
    assert link.retry_ns == peer.time.now
    with pytest.raises(PlcTimeoutError):
        peer.says = "mute"
        link._client.connect(0.2)


def test_the_process_serves_once_all_is_made_and_its_real_time_face_is_on(monkeypatch):
    """Memory is locked before the first allocation, and the priority raised after the last."""
    done = []
    stage = SimpleNamespace(prepare_realtime=lambda: done.append("prepare"), go_realtime=lambda: done.append("real time"))
    monkeypatch.setattr(module, "modbus_link", lambda *ports: done.append("link"))
    monkeypatch.setattr(module, "Plc", lambda *parts: done.append("plc") or SimpleNamespace(run=lambda: done.append("run")))
    module.main(stage)
    assert done == ["prepare", "link", "plc", "real time", "run"]






# -- the time of a verdict's requests -----------------------------------------------


@pytest.mark.parametrize("left_ms", [10, 12.345678, 50])
def test_each_request_of_a_verdict_has_what_is_left_until_the_deadline_to_the_nanosecond(plc, clock, left_ms):
    plc._reconnect()
    plc.link.timeouts.clear()
    plc.link.answer_ns = took_ns = 3_000_001
    left_ns = round(left_ms * MS)
    plc._deliver(part(plc, 1, left_ns), line_ready=True)
    assert plc.link.timeouts == [("registers", left_ns / 1e9), ("coils", (left_ns - took_ns) / 1e9)]


def test_a_settled_debt_that_costs_the_link_leaves_a_part_that_is_not_ready_and_not_late(plc, clock):
    plc._reconnect()
    plc._deliver(part(plc, 1, 1), line_ready=True)  # none is given: the PLC is still to hear of it
    plc.link.answer_ns = 1_000 * MS
    before = plc.board[Cell.REJECTED_FOR + Reason.NOT_READY]
    plc._deliver(part(plc, 2, 500 * MS), line_ready=True)
    assert plc.board[Cell.REJECTED_FOR + Reason.NOT_READY] == before + 1
    assert plc.board[Cell.PASSED] == 0


# -- awake ----------------------------------------------------------------------------


def test_a_doorbell_that_rings_while_plc_is_awake_ends_the_wait_at_once(plc, clock):
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    plc.parts.announce(Announcement(0, 0, 0, 1, 1, clock.now, clock.now, clock.now + 50 * MS), ready=True)
    plc.spin_ns = 20 * MS
    plc.face.beat_ns = clock.now + 30 * MS
    looks = []

    def select(fds, timeout_s):
        looks.append(timeout_s)
        clock.now += 1_000
        return [plc.judgements] if len(looks) == 3 else []

    plc.wait.does = select
    assert plc._wait([plc.judgements]) == [plc.judgements]
    assert looks == [0, 0, 0]
