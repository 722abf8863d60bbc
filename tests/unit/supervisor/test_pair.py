"""Of two inspections one is live; the other takes the line only where it is proven, and whoever left is still there."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest

from aoi_daemon.supervisor.pair import InspectionPair

SECOND = 1_000_000_000


class Process:
    """A stage's process that hears what it is told; it takes nothing once it is `deaf`."""

    made = 0

    def __init__(self, name, index):
        Process.made += 1
        self.pid, self.number, self.deaf = 0, Process.made, False
        self.told, self.signals = [], []

    def start(self, setup):
        self.pid = 100 + self.number

    def tell(self, **command):
        if not self.deaf:
            self.told.append(command["do"])
        return not self.deaf

    def signal(self, number):
        self.signals.append(number)

    def reap(self):
        self.pid = 0
        return "exit code 1"


@pytest.fixture
def pair():
    found = InspectionPair(Process, SimpleNamespace(now_ns=lambda: found.now))
    found.now = 0
    found.live.start(None)
    return found


def proven(pair):
    pair.prove(None)
    pair.proven = True
    return pair.reserve


def test_without_a_proven_reserve_nothing_is_exchanged(pair):
    live = pair.live
    assert not pair.exchange()
    pair.prove(None)
    assert not pair.exchange(), "it is still proving itself"
    assert (pair.live, pair.reserve.told) == (live, [])


def test_a_reserve_that_does_not_hear_leaves_the_live_one_live(pair):
    """It has ended and its end is not seen yet; from the board's cells nobody must be told otherwise."""
    live, reserve = pair.live, proven(pair)
    reserve.deaf = True
    assert not pair.exchange()
    assert (pair.live, pair.reserve) == (live, reserve)


def test_whoever_left_the_line_can_take_it_back(pair):
    live, reserve = pair.live, proven(pair)
    assert pair.exchange()
    assert (pair.live, pair.reserve, pair.pids) == (reserve, live, (reserve.pid, live.pid))
    assert pair.exchange(), "the new one ended on its way to the line, say"
    assert pair.live is live
    assert (live.told, reserve.told) == (["live"], ["live"])


def test_a_live_one_that_has_ended_is_no_reserve(pair):
    reserve = proven(pair)
    pair.live.pid = 0
    assert pair.exchange()
    assert (pair.live, pair.reserve, pair.proven) == (reserve, None, False)


def test_another_that_proves_itself_begins_without_the_proof_of_the_one_before(pair):
    proven(pair)
    pair.prove(None)
    assert not pair.proven
    assert not pair.exchange()


def test_a_start_that_fails_leaves_no_reserve(pair, monkeypatch):
    def full(self, setup):
        raise OSError("no room")

    monkeypatch.setattr(Process, "start", full)
    with pytest.raises(OSError, match="no room"):
        pair.prove(None)
    assert pair.reserve is None
    assert pair.others == []


def test_one_that_is_dismissed_is_asked_to_end_and_killed_after_10_seconds_only(pair):
    """The end of an engine takes long; until then it is one of the processes that are reaped."""
    reserve = proven(pair)
    pair.now = 5 * SECOND
    pair.dismiss()
    assert (pair.reserve, pair.proven, pair.others, reserve.told) == (None, False, [reserve], ["stop"])
    pair.look(15 * SECOND)
    assert reserve.signals == []
    pair.look(15 * SECOND + 1)
    assert reserve.signals == [signal.SIGKILL]
    assert pair.ended(reserve) == pair.how == "exit code 1"
    assert pair.others == []
    pair.look(99 * SECOND)
    assert reserve.signals == [signal.SIGKILL], "one that is gone has a number that may be another's"


def test_a_reserve_that_ends_is_no_reserve_any_more(pair):
    reserve = proven(pair)
    assert pair.ended(reserve) == "exit code 1"
    assert (pair.reserve, pair.proven, pair.exchange()) == (None, False, False)


def test_one_that_leaves_is_not_the_reserve_that_comes_after_it(pair):
    first = proven(pair)
    pair.dismiss()
    second = proven(pair)
    pair.ended(first)
    assert (pair.reserve, pair.proven) == (second, True)
