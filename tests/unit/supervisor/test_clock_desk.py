"""The clock's alarm, its status, and a person who confirms it: by the control socket and by the command."""

from __future__ import annotations

import json
import select
import socket
import threading
from types import SimpleNamespace

import pytest

from aoi_daemon import kernel_time
from aoi_daemon.cli import main
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.supervisor import clock_desk
from aoi_daemon.supervisor.clock_desk import ClockDesk
from aoi_daemon.supervisor.control import ControlServer, answer

JUMPED = {"clock": {"believed": "no", "synchronised": "no", "doubt": "the clock says 2031", "ahead_s": 1e8, "deletes_behind_days": 3.0}}


class Desk:
    """A desk with a recorder that has said `facts`."""

    def __init__(self, facts, *, wanted=True, pid=7, takes=True) -> None:
        self.told: list[dict] = []
        self.audits: list[tuple] = []

        def tell(**command):
            self.told.append(command)
            return takes

        process = SimpleNamespace(pid=pid, tell=tell)
        chronicle = SimpleNamespace(audit=lambda what, by, via, *, ok, detail: self.audits.append((what, by, via, ok, detail)))
        self.desk = ClockDesk(SimpleNamespace(wanted=wanted, facts=facts, process=process), chronicle)

    def confirm(self, reason="battery changed"):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            self.desk.confirm(theirs, "anna", reason, "command")
            return json.loads(ours.recv(4096))


def test_a_doubt_is_the_alarm_with_its_reason():
    assert Desk(JUMPED).desk.alarms() == {Alarm.CLOCK_DOUBT: "the clock says 2031"}


@pytest.mark.parametrize("facts", [{}, {"clock": {"doubt": ""}}, {"clock": None}, {"clock": {"synchronised": "no"}}])
def test_no_doubt_is_no_alarm(facts):
    assert Desk(facts).desk.alarms() == {}


@pytest.mark.parametrize("before", [{}, JUMPED["clock"], {"believed": "yes", "doubt": ""}])
def test_a_recorder_that_starts_again_has_not_taken_its_word_back(before):
    """Nor the alarm, for the seconds in which it has not opened the records."""
    facts = {"clock": before} if before else {}
    desk = Desk(facts).desk
    said = desk.alarms(), desk.status()["believed"]
    facts["clock"] = {"believed": "unknown", "doubt": "", "ahead_s": 0.0}
    assert (desk.alarms(), desk.status()["believed"]) == said
    facts["clock"] = {"believed": "yes", "doubt": ""}
    assert (desk.alarms(), desk.status()["believed"]) == ({}, "yes")


def test_without_a_recorder_no_record_depends_on_the_clock():
    desk = Desk(JUMPED, wanted=False)
    assert desk.desk.alarms() == {} and "no [recorder]" in desk.confirm()["error"]


@pytest.mark.parametrize(("found", "said"), [(True, "yes"), (False, "no"), (None, "unknown")])
def test_the_status_says_what_the_kernel_says(monkeypatch, found, said):
    monkeypatch.setattr(clock_desk.kernel_time, "synchronised", lambda: found)
    assert Desk({}).desk.status() == {"believed": "unknown", "doubt": "", "synchronised": said}
    assert Desk(JUMPED).desk.status() == {**JUMPED["clock"], "synchronised": said}


def test_a_person_confirms_and_it_is_in_the_audit():
    desk = Desk(JUMPED)
    assert desk.confirm()["ok"]
    assert desk.told == [{"do": "clock", "by": "anna"}]
    assert desk.audits == [("clock", "anna", "command", True, "battery changed")]


@pytest.mark.parametrize(
    ("desk", "reason", "words"),
    [
        (Desk({}), "x", "not in doubt"),
        (Desk(JUMPED, pid=0), "x", "does not run"),
        (Desk(JUMPED, takes=False), "x", "try again"),
        *((Desk(JUMPED), reason, "printable") for reason in (None, 7, "", " ", "a\nb", "x" * 201, ["x"])),
    ],
)  # fmt: skip
def test_what_cannot_be_confirmed_is_refused_with_what_to_do_and_is_in_the_audit(desk, reason, words):
    found = desk.confirm(reason)
    assert not found["ok"] and words in found["error"]
    assert desk.audits[-1][3] is False


class TestKernel:
    """Of this machine whatever it says; of one that refuses, nothing."""

    def test_it_answers_or_says_that_it_does_not(self):
        assert kernel_time.synchronised() in (True, False, None)
        first, second = kernel_time.read(), kernel_time.read()
        assert first.boot == second.boot and first.boot_s <= second.boot_s
        assert first.awake_s <= first.boot_s + 0.001

    @pytest.mark.parametrize(
        ("state", "status", "said"), [(0, 0, True), (1, 0x2001, True), (5, 0x40, False), (0, 0x40, False), (5, 0, False), (-1, 0, None)]
    )
    def test_what_adjtimex_says(self, monkeypatch, state, status, said):
        def ask(about):
            about._obj.status = status
            return state

        monkeypatch.setattr(kernel_time, "_adjtimex", lambda: ask)
        assert kernel_time.synchronised() is said

    def test_a_system_without_it_is_unknown(self, monkeypatch):
        monkeypatch.setattr(kernel_time, "_adjtimex", lambda: None)
        assert kernel_time.synchronised() is None


class TestCommand:
    @pytest.fixture
    def daemon(self, tmp_path):
        """`daemon(answer)`: one that gives this answer to one request; `.asked` is the request."""
        server = ControlServer(tmp_path / "s")
        found = SimpleNamespace(asked=None, path=server.path)

        def serve(said):
            def run():
                while found.asked is None:
                    ready, _, _ = select.select(server.fds(), [], [], 5)
                    for client, body in server.requests(set(ready)):
                        found.asked = body
                        answer(client, said)

            found.thread = threading.Thread(target=run, daemon=True)
            found.thread.start()
            return found

        yield serve
        found.thread.join(10)
        server.close()

    @pytest.mark.parametrize(
        ("told", "code", "said"),
        [
            ({"believed": "yes"}, 0, "the clock is believed"),
            ({"believed": "no", "doubt": "the clock says 2031"}, 1, "the clock says 2031"),
            ({"believed": "unknown"}, 1, "not known yet"),
            ({}, 1, "not known yet"),
        ],
    )
    def test_it_says_how_the_clock_is(self, daemon, capsys, told, code, said):
        here = daemon({"ok": True, "status": {"clock": {"synchronised": "no", "doubt": "", **told}}})
        assert main(["clock", "--socket", str(here.path)]) == code
        assert capsys.readouterr().out.startswith(f"synchronised: no\n{said}")

    def test_it_confirms_with_name_and_reason(self, daemon, capsys):
        here = daemon({"ok": True, "message": "confirmed"})
        assert main(["clock", "--socket", str(here.path), "--confirm", "Anna Berg, battery changed, set by hand"]) == 0
        assert here.asked == {"do": "clock", "by": "Anna Berg", "reason": "battery changed, set by hand"}

    def test_a_refusal_is_said(self, daemon, capsys):
        here = daemon({"ok": False, "error": "not in doubt"})
        assert main(["clock", "--socket", str(here.path), "--confirm", "a, b"]) == 1
        assert capsys.readouterr().err == "not in doubt\n"

    @pytest.mark.parametrize("words", ["", "anna", "anna,", ", why", "a\x00, b", "a, b\nc", f"{'a' * 81}, b", f"a, {'b' * 201}"])
    def test_who_does_not_say_who_and_why_is_told(self, capsys, words):
        with pytest.raises(SystemExit) as ended:
            main(["clock", "--confirm", words])
        assert ended.value.code == 2 and "--confirm" in capsys.readouterr().err

    def test_without_a_daemon(self, tmp_path, capsys):
        assert main(["clock", "--socket", str(tmp_path / "none")]) == 1
        assert "no daemon listens" in capsys.readouterr().err
