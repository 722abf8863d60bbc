"""Who forces coils has plc's answer or hears that there is none; the audit has the beginning and the end, with their names."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace

import pytest

from aoi_daemon.supervisor.force_desk import ForceDesk

SECOND = 1_000_000_000
WORD = 0b0000_0000_0000_0010


class Plc:
    """The plc process: what it is told; it takes nothing while it is `deaf`."""

    def __init__(self):
        self.pid, self.told, self.deaf = 7, [], False

    def tell(self, **command):
        if not self.deaf:
            self.told.append(command)
        return not self.deaf


class Bench:
    def __init__(self):
        self.plc, self.audits = Plc(), []
        chronicle = SimpleNamespace(audit=lambda what, by, via, detail: self.audits.append((what, by, via, detail)))
        self.desk = ForceDesk(self.plc, chronicle)
        self.ends = []

    def force(self, word=WORD, by="anna", now=SECOND):
        """One person asks; the end on which that person waits."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.settimeout(0)
        self.ends += [ours, theirs]
        self.desk.force(ours, word, by, "page", now)
        return theirs

    def says(self, *, began=True, error=""):
        """plc's answer to what it was asked last."""
        self.desk.forced({"number": self.plc.told[-1]["number"], "began": began, "error": error})


@pytest.fixture
def bench():
    found = Bench()
    yield found
    for end in found.ends:
        end.close()


def heard(client):
    return json.loads(client.recv(4096))


@pytest.mark.parametrize("word", [-1, 0x10000, True, 1.0, "1", None])
def test_a_word_that_is_no_word_is_refused_and_plc_not_asked(bench, word):
    assert "must be a whole number from 0 to 65535" in heard(bench.force(word))["error"]
    assert bench.plc.told == []


def test_a_person_is_answered_once_plc_has(bench):
    client = bench.force()
    with pytest.raises(BlockingIOError):
        client.recv(1)
    bench.says()
    assert heard(client)["ok"]
    assert bench.audits == [("force", "anna", "page", "begun: coils 0000000000000010")]


def test_renewals_are_answered_and_not_written_down(bench):
    """Each second, for hours of a commissioning."""
    bench.force()
    bench.says()
    for _ in range(100):
        client = bench.force()
        bench.says(began=False)
        assert heard(client)["ok"]
    assert len(bench.audits) == 1
    bench.desk.ended("not renewed for 2 s")
    assert bench.audits[1:] == [("force", "anna", "page", "ended: not renewed for 2 s")]


def test_what_plc_refuses_is_told_and_was_never_begun(bench):
    client = bench.force()
    bench.says(began=False, error="the PLC says that the line runs; stop it first")
    assert heard(client) == {"ok": False, "error": "the PLC says that the line runs; stop it first"}
    bench.desk.ended("a part came")
    assert bench.audits == []


def test_each_of_two_who_ask_hears_the_answer_to_its_own_question(bench):
    one, other = bench.force(by="anna"), bench.force(by="bert")
    first, second = (each["number"] for each in bench.plc.told)
    bench.desk.forced({"number": second, "began": False, "error": "second"})
    bench.desk.forced({"number": first, "began": False, "error": "first"})
    assert [heard(client)["error"] for client in (one, other)] == ["first", "second"]


def test_the_audit_names_who_ended_it(bench):
    bench.force(by="anna")
    bench.says()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        bench.desk.unforce(ours, "bert", "command")
        assert heard(theirs)["message"] == "the coils are the line's again"
        assert bench.plc.told[-1] == {"do": "unforce"}
        bench.desk.ended("a person ended it")
        assert bench.audits[-1] == ("force", "bert", "command", "ended: a person ended it")
        bench.desk.unforce(ours, "bert", "command")
        assert heard(theirs)["message"] == "nothing was forced"


def test_a_plc_that_does_not_run_or_does_not_answer_is_said(bench):
    bench.plc.deaf = True
    assert heard(bench.force())["error"] == "plc does not run"
    bench.plc.deaf = False
    client = bench.force(now=10 * SECOND)
    bench.desk.look(11 * SECOND)
    with pytest.raises(BlockingIOError):
        client.recv(1)
    bench.desk.look(11 * SECOND + 1)
    assert heard(client)["error"] == "plc does not answer"
    bench.says()  # too late; what it forced ends by itself
    with pytest.raises(BlockingIOError):
        client.recv(1)
    assert bench.audits == []


def test_what_a_plc_process_forced_ends_with_the_process(bench):
    """Its successor begins with the safe state and says nothing of it."""
    bench.force()
    bench.says()
    bench.desk.look(2 * SECOND)
    assert len(bench.audits) == 1
    bench.plc.pid = 8
    for _ in range(3):
        bench.desk.look(2 * SECOND)
    assert bench.audits[1:] == [("force", "anna", "page", "ended: plc has ended")]
