"""The alarm of targets that have moved, and a person who has them looked for: supervisor/target_desk.py."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace

import pytest

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.supervisor.target_desk import TargetDesk

SECOND = 1_000_000_000


class Desk:
    """A desk with a recorder that has said `targets`."""

    def __init__(self, targets, *, wanted=True, pid=7, takes=True):
        self.facts = {} if targets is None else {"targets": targets}
        self.told: list[dict] = []

        def tell(**command):
            self.told.append(command)
            return takes

        process = SimpleNamespace(pid=pid, tell=tell)
        self.desk = TargetDesk(SimpleNamespace(wanted=wanted, facts=self.facts, process=process))

    def ask(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            self.desk.look(theirs)
            return json.loads(ours.recv(4096))


@pytest.mark.parametrize("targets", [None, {}, {"top": None}, {"top": "", "side": None}])
def test_what_holds_or_is_not_known_is_no_alarm(targets):
    assert Desk(targets).desk.alarms() == {}


def test_each_camera_that_was_knocked_is_named():
    targets = {"top": "camera top: it lies elsewhere", "side": "", "end": "camera end: it is gone"}
    assert Desk(targets).desk.alarms() == {Alarm.TARGET_MOVED: "camera top: it lies elsewhere; camera end: it is gone"}


def test_a_recorder_that_starts_again_has_not_taken_its_word_back():
    """It holds until that one has looked; a watch that was taken out of line.toml is over at once."""
    desk = Desk({"top": "knocked", "side": "gone"})
    assert desk.desk.alarms() == {Alarm.TARGET_MOVED: "knocked; gone"}
    desk.facts["targets"] = {"top": None}
    assert desk.desk.alarms() == {Alarm.TARGET_MOVED: "knocked"}
    desk.facts["targets"] = {"top": ""}
    assert desk.desk.alarms() == {}
    desk.facts["targets"] = {"top": None}
    assert desk.desk.alarms() == {}


def test_the_line_raises_what_its_recorder_says_and_ends_it(supervisor):
    recorder = supervisor.attendants.all["recorder"]
    recorder.wanted = True
    for said in ("camera top: it lies elsewhere", ""):
        recorder._facts = {"targets": {"top": said}}
        supervisor._watch_alarms(SECOND)
        rows = {row["name"]: row for row in supervisor.alarms.snapshot()}
        assert rows["TARGET_MOVED"]["active"] is bool(said)
        assert rows["TARGET_MOVED"]["detail"] in ("", "camera top: it lies elsewhere")


def test_no_recorder_is_no_alarm():
    assert Desk({"top": "knocked"}, wanted=False).desk.alarms() == {}


@pytest.mark.parametrize(
    ("desk", "said"),
    [
        (Desk({"top": ""}), ""),
        (Desk(None), "no camera of this line has"),
        (Desk({}), "no camera of this line has"),
        (Desk({"top": ""}, pid=0), "the recorder does not run"),
        (Desk({"top": ""}, takes=False), "try again in a moment"),
    ],
    ids=["asked", "not started", "nothing to watch", "down", "deaf"],
)
def test_a_person_who_asks_is_told_whether_they_are_looked_for(desk, said):
    answer = desk.ask()
    assert answer["ok"] is not bool(said)
    assert said in answer.get("error", "")
    assert desk.told == ([{"do": "targets"}] if not said or "moment" in said else [])
