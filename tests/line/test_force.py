"""Coils forced by a person, for commissioning, against the PLC simulator. One line: each test begins with it at rest."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.plcmap.coils import Coil
from aoi_daemon.ring.events import EventReader
from aoi_daemon.stage.control import request
from tests.line.conftest import starter

READY, HEARTBEAT = 1 << Coil.READY, 1 << Coil.HEARTBEAT
LIGHTS = 1 << Coil.ALARM | 1 << Coil.OVERRUN | 1 << Coil.REJECT


class Forced:
    """The line at rest, and who forces its coils."""

    def __init__(self, line, events: EventReader) -> None:
        self.line, self.plc, self.daemon = line, line.plc, line.daemon
        self._events = events
        self._audits: list[str] = []

    def ask(self, do: str, **body: Any) -> dict[str, Any]:
        return request(self.daemon.socket, {"do": do, "by": "anna", "via": "page", **body})[0]

    def force(self, word: int) -> dict[str, Any]:
        return self.ask("force", word=word)

    def wait_word(self, holds, what: str) -> None:
        wait_for(lambda: holds(self.plc.status()["word"]), 10, what)

    def wait_over(self) -> None:
        wait_for(lambda: self.daemon.status()["forced"] == -1, 10, "the end of it")

    def audits(self, count: int) -> list[str]:
        def found() -> list[str]:
            self._audits += [
                f"{e.body['by']} {e.body['via']}: {e.body['detail']}"
                for e in self._events.read()
                if e.kind == "audit" and e.body["what"] == "force"
            ]
            return self._audits

        wait_for(lambda: len(found()) >= count, 10, f"{count} audits")
        return self._audits


@pytest.fixture(scope="module")
def started(tmp_path_factory, boards, bundle):
    """The PLC triggers the camera, so that the line is stopped for as long as it does not."""
    with ExitStack() as owned:
        line = starter(owned, tmp_path_factory.mktemp("force"), boards, bundle)(
            takt_ms=60.0, camera={"pace": "plc", "wait_ready": False}, plc={"poll": {"base": 100, "period_ms": 5.0}}
        )
        yield line, owned.enter_context(line.event_memory())


@pytest.fixture
def forced(started):
    line, memory = started
    line.plc.set(line_running=False)
    line.plc.fault("none")
    request(line.daemon.socket, {"do": "unforce"})
    line.daemon.ask("reset")
    line.wait_ready()
    found = Forced(line, EventReader(memory))
    # No part for two seconds, and the PLC has been read since it said that the line is stopped.
    wait_for(lambda: found.force(0)["ok"], 10, "a line at rest")
    found.ask("unforce")
    found.audits(2)
    line.wait_ready()
    return Forced(line, EventReader(memory))


def test_what_is_forced_is_on_the_coils_but_never_ready(forced):
    assert forced.force(LIGHTS | READY | HEARTBEAT)["ok"]
    forced.wait_word(lambda word: word == LIGHTS | HEARTBEAT, "the word, without READY")
    assert not forced.daemon.status()["ready"]
    beats = forced.plc.status()["heartbeat"]["count"]
    assert forced.force(0xFF00 | 1 << Coil.PASS)["ok"]
    forced.wait_word(lambda word: word == 0xFF00 | 1 << Coil.PASS, "another word, by a renewal")
    assert forced.plc.status()["heartbeat"]["count"] <= beats + 1, "the heartbeat is whatever is forced"
    assert forced.ask("unforce")["ok"]
    forced.line.wait_ready()
    assert forced.audits(2) == [
        "anna page: begun: coils 0000000010011110",
        "anna page: ended: ended by a person",
    ]


def test_without_renewal_it_ends_and_with_it_it_goes_on(forced):
    """A page that is closed, or a cable that is pulled, leaves nothing forced."""
    over = threading.Event()
    renewals = 0
    assert forced.force(LIGHTS)["ok"]
    since = forced.line.now_ns()
    while forced.line.now_ns() - since < 2.5e9:
        assert forced.force(LIGHTS)["ok"]
        renewals += 1
        over.wait(0.2)
    assert forced.plc.status()["word"] == LIGHTS
    forced.wait_over()
    forced.line.wait_ready()
    assert renewals > 2
    assert forced.audits(2)[-1] == "anna page: ended: not renewed for 2 s", "renewals are no events"


def test_the_first_part_ends_it_and_is_rejected(forced, measured):
    assert forced.force(LIGHTS | 0x5500)["ok"]
    forced.wait_word(lambda word: word == LIGHTS | 0x5500, "the word")
    since = forced.line.now_ns()
    seen = len(forced.line.outcomes())
    forced.plc.command("trigger")
    (outcome,) = wait_for(lambda: forced.line.outcomes()[seen:], 10, "the part's verdict")
    assert not outcome.passed and outcome.answered_ns
    measured("a part comes while coils are forced", "until its REJECT, the safe state before it", (outcome.answered_ns - outcome.ready_ns) / 1e6)
    words = forced.line.coils_since(since)
    assert words[0] & 0xFF == 0, "the safe state comes first"
    assert not any(word & 1 << Coil.PASS for word in words)
    stale = [event for event in forced.plc.events() if event.kind == "stale" and event.at_ns >= since]
    assert not stale, "what was forced into SEQ is no sequence"
    forced.line.wait_ready()
    assert "a part came" in forced.audits(2)[-1]
    refused = forced.force(LIGHTS)
    assert not refused["ok"] and "no part has come for" in refused["error"]


def test_a_line_that_begins_to_run_ends_it(forced):
    assert forced.force(LIGHTS)["ok"]
    forced.plc.set(line_running=True)
    forced.wait_over()
    refused = forced.force(LIGHTS)
    assert not refused["ok"] and "the PLC says that the line runs" in refused["error"]
    forced.line.wait_ready()


def test_a_lost_connection_ends_it_for_good(forced):
    assert forced.force(LIGHTS)["ok"]
    forced.wait_word(lambda word: word == LIGHTS, "the word")
    since = forced.line.now_ns()
    forced.plc.fault("reset")
    forced.wait_over()
    assert not forced.force(LIGHTS)["ok"]
    forced.plc.fault("none")
    forced.line.wait_ready()
    assert LIGHTS not in forced.line.coils_since(since), "nothing is forced again after the reconnect"
    assert "connection to the PLC was lost" in forced.audits(2)[-1]


def test_a_reset_and_the_end_of_plc_end_it(forced):
    assert forced.force(LIGHTS)["ok"]
    forced.daemon.ask("reset")
    forced.wait_over()
    assert forced.audits(2)[-1].endswith("ended: reset")
    assert forced.force(LIGHTS)["ok"]
    os.kill(forced.line.stage("plc"), signal.SIGKILL)
    forced.wait_over()
    forced.line.wait_ready()
    assert forced.audits(4)[-1].endswith("ended: plc has ended")


@pytest.mark.parametrize("word", [-1, 65536, 1.5, "1", None, True])
def test_what_is_no_word_is_refused(forced, word):
    refused = forced.force(word)
    assert not refused["ok"] and "must be a whole number from 0 to 65535" in refused["error"]
    assert forced.daemon.status()["forced"] == -1
