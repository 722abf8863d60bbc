"""Two cameras in two lanes: their parts pass, a lane that dies or hangs takes the line with it, a changeover has all of them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.messages import Reason
from aoi_daemon.stage.control import request
from tests.line.models import copied

TAKT_MS = 200.0


@pytest.fixture
def two(line):
    """A line that is READY: two cameras, a lane each. Both show the same boards."""
    return line(
        takt_ms=TAKT_MS, beside=[{}], views_ms=60.0, inspection={"lanes": 2, "threads": 1}, supervisor={"hang_ms": 1000.0}
    )


def lanes_of(running) -> list[int]:
    """The processes of inspection, lane 0 first."""
    first = running.stage("inspection")
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, children)]


def no_unproven_pass(running) -> None:
    """As the line's own. The stamps of an outcome are of the view that decided, within some ms of the first camera's."""
    passed = [outcome.trigger_ns for outcome in running.outcomes() if outcome.passed]
    for part in running.plc.parts():
        assert part.ejected or any(abs(part.trigger_ns - stamp) < 60_000_000 for stamp in passed), part
    assert running.plc.status()["counters"]["faults"] == 0


def test_a_part_passes_when_the_views_of_both_lanes_do(two):
    assert len(lanes_of(two)) == 2
    two.wait_parts(12)
    no_unproven_pass(two)
    outcomes = two.outcomes()
    assert {Reason(outcome.reason) for outcome in outcomes} <= {Reason.NONE, Reason.DEFECT}
    assert sum(outcome.passed for outcome in outcomes) >= 3


@pytest.mark.parametrize(
    ("which", "number"),
    [(1, signal.SIGKILL), *(pytest.param(which, number, marks=pytest.mark.long) for which, number in ((0, signal.SIGKILL), (0, signal.SIGSTOP), (1, signal.SIGSTOP)))],
)
def test_a_lane_that_dies_or_hangs_takes_ready_and_all_come_back(two, which, number):
    before = lanes_of(two)
    two.wait_parts(3)
    os.kill(before[which], number)
    wait_for(lambda: not two.daemon.status()["ready"], 5, "READY=0")
    two.wait_ready(30)
    after = lanes_of(two)
    assert len(after) == 2 and not set(before) & set(after)
    parts = len(two.outcomes())
    two.wait_parts(parts + 4)
    assert any(outcome.passed for outcome in two.outcomes()[parts:])
    no_unproven_pass(two)


def test_a_changeover_has_all_lanes_or_none(two, bundle, tmp_path):
    """Another bundle: another pair of lanes proves itself beside the line, and takes it."""
    before = lanes_of(two)
    other = copied(bundle, tmp_path / "other", lambda golden: golden[:-1])
    since = len(two.outcomes())
    two.daemon.recipes["demo"]["bundle"] = str(other)
    two.daemon.write_config()
    assert request(two.daemon.socket, {"do": "reload"}, 60)[0]["ok"]
    wait_for(lambda: set(lanes_of(two)).isdisjoint(before) and two.daemon.status()["ready"], 30, "the other lanes")
    two.wait_parts(since + 6)
    outcomes = two.outcomes()[since:]
    assert {Reason(outcome.reason) for outcome in outcomes} <= {Reason.NONE, Reason.DEFECT, Reason.NOT_READY}
    assert len({outcome.bundle for outcome in outcomes if outcome.judged_ns}) == 2, "parts were judged by both"
    no_unproven_pass(two)


@pytest.mark.long
def test_as_many_lanes_as_were_measured_as_quickest_and_the_same_after_a_kill(line, tmp_path):
    running = line(
        takt_ms=TAKT_MS, beside=[{}], views_ms=60.0, inspection={"lanes": "auto", "threads": 2}, supervisor={"state_folder": str(tmp_path)}
    )
    told = running.daemon.status()["engine"]["lanes"]
    trials = {int(row["lanes"]): row["p95_ms"] for row in said(running, "lane_trial")}
    assert set(trials) == {1, 2} and all(p95_ms and f"p95 {p95_ms:.1f} ms" in told for p95_ms in trials.values())
    chosen = int(told.partition(" ")[0])
    assert trials[chosen] <= 1.05 * min(trials.values()) and len(lanes_of(running)) == chosen

    os.kill(lanes_of(running)[-1], signal.SIGKILL)
    wait_for(lambda: not running.daemon.status()["ready"], 5, "READY=0")
    running.wait_ready(30)
    assert running.daemon.status()["engine"]["lanes"] == told and len(lanes_of(running)) == chosen
    assert len(said(running, "lanes_measured")) == 1, "a restart measures nothing"
    running.wait_parts(4)
    no_unproven_pass(running)


def said(running, event: str) -> list[dict[str, Any]]:
    """The lines of the log with this event."""
    rows = running.daemon.log_file.read_text().splitlines()
    return [json.loads(row[3:]) for row in rows if f'"event": "{event}"' in row]
