"""plc/main.py: with a PLC whose answers take as long as a heartbeat, coils, registers and poll take turns."""

from itertools import pairwise
from types import SimpleNamespace

from aoi_daemon.plcmap.coils import Coil, view
from aoi_daemon.stage.board import Cell
from tests.unit.plc.conftest import MS


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
