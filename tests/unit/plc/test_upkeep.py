"""plc/upkeep.py: with a PLC whose answers take as long as a heartbeat, coils, registers and poll take turns."""

import itertools
from itertools import pairwise
from types import SimpleNamespace

import pytest

from aoi_daemon.plcmap.coils import Coil, view
from aoi_daemon.plcmap.registers import decode_report
from aoi_daemon.stage.board import Cell
from tests.unit.plc.conftest import MS, requests


def beats(plc, clock):
    """A second of requests, each of 90 ms at a heartbeat of 100: (kind, heartbeat) in their order."""
    plc._reconnect()
    plc.link.answer_ns = 15 * MS  # the link gives up at 20: the rest is the time between
    polled = SimpleNamespace(due_ns=0)

    def look(now, number):
        polled.due_ns = now + 20 * MS
        plc.link.log.append(("poll", now, now, None))

    polled.look = look
    plc.polling = polled
    plc.link.log.clear()
    for _ in range(30):
        plc._spare()
        clock.now += 75 * MS
    return [(kind, view(what).heartbeat if kind == "coils" else None) for kind, _, _, what in plc.link.log]


def test_none_of_the_three_is_left_out(plc, clock):
    found = beats(plc, clock)
    assert [sum(kind == one for kind, _ in found) for one in ("coils", "registers", "poll")] == [10, 10, 10]


def test_a_beat_that_was_not_shown_yet_is_not_taken_back(plc, clock):
    """Two beats in between are none to the PLC: it would take the daemon for dead."""
    shown = [beat for kind, beat in beats(plc, clock) if kind == "coils"][1:]
    assert all(one != other for one, other in pairwise(shown)), shown


def test_the_registers_count_goes_on_where_the_coils_have_not_shown_the_last_beat(plc, clock):
    """A PLC that reads them alone sees another count each heartbeat, and the coils' bit is not taken back meanwhile."""
    plc._reconnect()
    for _ in range(4):
        plc._spare()
    plc.written ^= 1 << Coil.HEARTBEAT  # the coils are about to show it
    before, heartbeat = plc.board[Cell.HEARTBEATS], plc.face.heartbeat
    for beat in range(1, 4):
        clock.now += 100 * MS
        plc._beat(clock.now)
        assert (plc.board[Cell.HEARTBEATS], plc.face.heartbeat) == (before + beat, heartbeat)


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
