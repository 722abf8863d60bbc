"""A PLC that refuses what the line is configured to ask: no storm, no READY, and an alarm that says what to look at.

The lines of all tests run side by side, so that their ten seconds are the same ones.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from aoi_daemon.kit.line.daemon import LineDaemon, wait_for
from aoi_daemon.plc.client import EXCEPTIONS
from aoi_daemon.plcmap.coils import Coil
from tests.line.peers.peer import COIL_BASE, POLL_BASE, REPORT_BASE
from tests.line.peers.refusing import COILS, READ, REGISTERS, Refusal, RefusingPlc

pytestmark = [pytest.mark.line, pytest.mark.long, pytest.mark.timeout(300)]  # the first of them starts the lines

WATCHED_S = 10
START_S = 60
SETTLE_S = 5
CONNECTIONS_A_SECOND = 2
LOG_LINES_A_MINUTE = 10
TAKT_MS = 200
UNIT = 1  # what the line asks, by default
OTHER_UNIT = 7

REFUSALS = {
    "FC16, unknown": Refusal(REGISTERS, 1),
    "FC16, no such address": Refusal(REGISTERS, 2),
    "FC03, unknown": Refusal(READ, 1),
    "FC03, no such address": Refusal(READ, 2),
    "FC15, no such address": Refusal(COILS, 2),
    "another unit answers": Refusal(unit=OTHER_UNIT),
}
NAMED = {REGISTERS: ("FC16", REPORT_BASE), READ: ("FC03", POLL_BASE), COILS: ("FC15", COIL_BASE)}


class Watched(NamedTuple):
    """What a line did in WATCHED_S, from when nothing but the PLC kept it from READY and it had said so."""

    connections: int
    log_lines: list[str]
    before: list[str]  # log lines until then
    was_ready: bool
    words: list[int]  # from the start of the line on
    exit_code: int  # of `aoi-daemon status --json`
    status: dict[str, Any]


def active_alarms(status: dict[str, Any]) -> dict[str, Any]:
    return {alarm["name"]: alarm for alarm in status["alarms"] if alarm["active"]}


@pytest.fixture(scope="module")
def watched(peer_line, tmp_path_factory) -> dict[str, Watched]:
    with ExitStack() as owned:
        lines: dict[str, tuple[RefusingPlc, LineDaemon]] = {}
        for what, refusal in REFUSALS.items():
            plc = owned.enter_context(RefusingPlc(refusal))
            daemon = peer_line.daemon(tmp_path_factory.mktemp("refusing"), takt_ms=TAKT_MS, port=plc.port)
            lines[what] = plc, owned.enter_context(daemon)
        for plc, daemon in lines.values():
            wait_for(lambda daemon=daemon: daemon.status()["inspection"] == "READY", START_S, "an engine")
            wait_for(lambda plc=plc: plc.connected_ns, START_S, "a connection")
        settling_ns = time.monotonic_ns()

        def is_told() -> bool:
            """The outage has been told of; or it never will be, which is for a test to find."""
            told = all("PLC_REFUSED" in active_alarms(daemon.status()) for _, daemon in lines.values())
            return told or time.monotonic_ns() - settling_ns >= SETTLE_S * 1e9

        wait_for(is_told, SETTLE_S + START_S, "the outages to be told of")
        since_ns = time.monotonic_ns()
        before = {what: daemon.log_file.read_text().splitlines() for what, (_, daemon) in lines.items()}
        was_ready = set()

        def is_over() -> bool:
            was_ready.update(what for what, (_, daemon) in lines.items() if daemon.status()["ready"])
            return time.monotonic_ns() - since_ns >= WATCHED_S * 1e9

        wait_for(is_over, WATCHED_S + START_S, "the end of the watch")
        until_ns = time.monotonic_ns()
        found = {}
        for what, (plc, daemon) in lines.items():
            log = daemon.log_file.read_text().splitlines()
            command = [sys.executable, "-m", "aoi_daemon", "status", "--json", "--socket", str(daemon.socket)]
            asked = subprocess.run(command, capture_output=True, text=True, check=False)
            found[what] = Watched(
                sum(since_ns <= at_ns < until_ns for at_ns in plc.connected_ns), log[len(before[what]) :], before[what],
                what in was_ready, list(plc.words), asked.returncode, json.loads(asked.stdout),
            )  # fmt: skip
        return found


@pytest.mark.parametrize("what", REFUSALS)
def test_a_plc_that_refuses_sees_no_storm_of_connections(what, watched):
    assert watched[what].words or REFUSALS[what].function == COILS  # it was asked at all
    assert watched[what].connections <= CONNECTIONS_A_SECOND * WATCHED_S


@pytest.mark.parametrize("what", REFUSALS)
def test_an_outage_is_not_told_again_and_again(what, watched):
    """What it writes once is there before the watch begins."""
    lines = watched[what].log_lines
    assert len(lines) <= LOG_LINES_A_MINUTE * WATCHED_S / 60, lines
    of_the_plc = [line for line in watched[what].before + lines if re.search("plc", line, re.IGNORECASE)]
    assert 0 < len(of_the_plc) <= LOG_LINES_A_MINUTE, of_the_plc


@pytest.mark.parametrize("what", REFUSALS)
def test_ready_waits_for_all_that_is_configured(what, watched):
    assert not watched[what].was_ready
    assert watched[what].exit_code == 1
    assert not any(word >> Coil.READY & 1 for word in watched[what].words)


@pytest.mark.parametrize("what", REFUSALS)
def test_the_alarm_names_what_was_refused(what, watched):
    said = active_alarms(watched[what].status)["PLC_REFUSED"]["detail"]
    refusal = REFUSALS[what]
    if refusal.unit is None:
        words = (*NAMED[refusal.function], EXCEPTIONS[refusal.code], UNIT)
    else:
        words = ("FC15", COIL_BASE, "unit", UNIT, OTHER_UNIT)
    for word in words:
        assert re.search(rf"\b{word}\b", said), (word, said)
