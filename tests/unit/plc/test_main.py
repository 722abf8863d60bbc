"""plc/main.py: what the stage makes of its configuration, whose turn it is, and what has not been taken is not had."""

import itertools
from types import SimpleNamespace

import pytest

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.errors import PlcTimeoutError
from aoi_daemon.messages import Announcement, Reason
from aoi_daemon.plc import main as module
from aoi_daemon.plc.main import Plc, modbus_link
from aoi_daemon.plc.parts import Part
from aoi_daemon.plcmap.coils import Coil, Result, view
from aoi_daemon.plcmap.registers import POLL_WORDS, decode_report
from aoi_daemon.stage.board import Cell, StageState
from tests.unit.plc.conftest import MS


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


def requests(plc, turns=10):
    """The kinds of request of the next turns, until nothing is due."""
    before = len(plc.link.log)
    for _ in range(turns):
        plc._spare()
        if not plc.busy:
            break
    return [kind for kind, *_ in plc.link.log[before:]]


def part(plc, number, left_ns, reason=Reason.NONE):
    now = plc.clock.now
    seen = Announcement(0, 0, 0, number, number, now, now, now + left_ns)
    return Part(number, seen, now + left_ns, {0: seen}, reason=reason)


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


# -- whose turn it is -----------------------------------------------------------

KINDS = ("coils", "registers", "poll")


class Due:
    """A line on which, of beat, registers and poll, what the test says is due, and nothing else."""

    def __init__(self, plc, monkeypatch):
        self.plc = plc
        self.due = set()
        self.done = []
        face = plc.face
        monkeypatch.setattr(plc, "_beat", lambda now: setattr(face, "heartbeat", self.shown ^ ("coils" in self.due)))
        monkeypatch.setattr(plc, "_write", lambda word: self.note("coils", setattr(plc, "written", word)))
        monkeypatch.setattr(plc, "_show_registers", lambda ready: "registers" in self.due and self.note("registers"))
        monkeypatch.setattr(plc, "_poll", lambda now: "poll" in self.due and self.note("poll"))
        plc.written = plc._word(True)

    @property
    def shown(self):
        return bool(self.plc.written >> Coil.HEARTBEAT & 1)

    def note(self, kind, _=None):
        self.done.append(kind)
        return True

    def next(self, *due):
        """Which of what is `due` is done."""
        self.due, before = set(due), len(self.done)
        asked = self.plc._one_request(self.plc.clock.now, True)
        (found,) = self.done[before:] or [None]
        assert asked is bool(found)
        return found


@pytest.fixture
def due(plc, clock, monkeypatch):
    return Due(plc, monkeypatch)


@pytest.mark.parametrize("last", KINDS)
@pytest.mark.parametrize("waiting", [pair for count in range(4) for pair in itertools.combinations(KINDS, count)])
def test_of_what_is_due_the_next_in_turn_behind_the_last_is_done(due, last, waiting):
    assert due.next(last) == last
    order = [KINDS[(KINDS.index(last) + step) % 3] for step in (1, 2, 3)]
    expected = [kind for kind in order if kind in waiting]
    for kind in [*expected, *expected]:
        assert due.next(*waiting) == kind
    if not waiting:
        assert due.next() is None


@pytest.mark.parametrize("last", KINDS)
def test_a_change_of_the_coils_waits_for_nothing_but_registers_behind_other_coils(due, last):
    """Two changes in a row, each with a slow answer, would keep a PLC that reads the registers alone without a heartbeat."""
    due.next(last)
    due.plc.board[Cell.STOPPED_BY_RULE] = 1
    if last == "coils":
        assert due.next("registers", "poll") == "registers"
        assert view(due.plc.written).run_permit, "it is next"
    assert due.next("registers", "poll") == "coils"
    assert not view(due.plc.written).run_permit
    assert [due.next(*KINDS) for _ in range(3)] == ["registers", "poll", "coils"]


@pytest.mark.parametrize("before", [False, True])
def test_a_new_connection_has_a_heartbeat_at_once_whatever_was_shown_before(plc, clock, before):
    plc.face.heartbeat = before
    plc._reconnect()
    requests(plc)
    assert view(plc.link.coils[1]).heartbeat


def test_the_first_word_is_written_whatever_it_is(plc, clock, monkeypatch):
    """What a PLC has that was not asked is not known."""
    monkeypatch.setattr(plc.readiness, "all_move", lambda now_ns: False)
    plc.ready = False
    plc.board[Cell.STOPPED_BY_RULE] = 1
    requests(plc)
    assert plc.link.coils == [0]


# -- what the PLC has not taken ---------------------------------------------------


def test_a_word_that_the_plc_did_not_take_is_not_what_it_has(plc, clock):
    plc._reconnect()
    plc.link.answer_ns = 1_000 * MS
    assert not plc._write(1 << Coil.READY)
    assert (plc.board[Cell.READY], plc.board[Cell.READY_NS], plc.written) == (0, 0, plc.face.safe_word())


def test_registers_that_the_plc_did_not_take_are_written_again(plc, clock):
    plc._reconnect()
    requests(plc)
    plc.board[Cell.RECIPE] = 7
    plc.link.answer_ns = 1_000 * MS
    assert requests(plc) == ["registers"]
    plc.link.answer_ns, plc.link.up = 0, True
    assert requests(plc) == ["registers"]
    assert requests(plc) == []
    assert decode_report(plc.link.registers[-1][1]).recipe == 7


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
