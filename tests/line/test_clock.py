"""The wall clock jumps while the line runs: the alarm with its reason in the status, its end by a person's word."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from contextlib import closing

import pytest

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.kit.line.page import free_port
from aoi_daemon.records import queries
from aoi_daemon.records.database import open_reader
from tests.clock.moved import MovingClock, NoMovedClockError, build

DAY_S = 86_400


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """The wall clock of the daemon and all of its processes."""
    try:
        moving = MovingClock(build(tmp_path), tmp_path / "clock")
    except NoMovedClockError as error:
        pytest.skip(str(error))
    for name, value in moving.environment.items():
        monkeypatch.setenv(name, value)
    with closing(moving):
        yield moving


def command(running, *words):
    done = subprocess.run(
        [sys.executable, "-m", "aoi_daemon", "clock", "--socket", str(running.daemon.socket), *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_jump_is_an_alarm_that_a_person_ends_and_no_part_is_held_up(line, clock, tmp_path):
    folder, port = tmp_path / "records", free_port()
    running = line(recorder={"folder": str(folder), "min_free_gb": 0.0}, hmi={"port": port})

    def alarm():
        return {row["name"]: row for row in running.daemon.status()["alarms"]}.get("CLOCK_DOUBT", {"active": False})

    running.wait_parts(5)
    wait_for(lambda: running.daemon.status()["clock"]["believed"] != "unknown", 30, "the recorder's word on the clock")
    assert command(running)[0] == 0
    assert running.daemon.status()["clock"]["synchronised"] in ("no", "unknown"), "as the moved clock says"
    clock.set(120 * DAY_S)
    wait_for(lambda: alarm()["active"], 30, "the alarm")
    assert "120.0 days ahead" in alarm()["detail"]
    code, said = command(running)
    assert code == 1 and "120.0 days ahead" in said
    wait_for(lambda: shows(port), 30, "the alarm on the page")
    running.wait_parts(10)
    assert running.daemon.status()["ready"]
    clock.set(0)
    assert command(running, "--confirm", "Anna Berg, it was set to another month by mistake")[0] == 0
    wait_for(lambda: not alarm()["active"], 30, "the end of the alarm")
    assert not shows(port) and command(running)[0] == 0
    running.wait_parts(5)
    running.no_unproven_pass()
    assert running.daemon.stop() == 0
    with closing(open_reader(folder)) as connection:
        parts = queries.parts_after(connection, 0, 10_000)
        audits = [event.body for event in queries.events(connection, "audit", 0.0, 100)]
        alarms = [event.body["state"] for event in queries.events(connection, "alarm", 0.0, 100) if event.body["name"] == "CLOCK_DOUBT"]
        assert [gap for gap in queries.gaps(connection, 0.0) if gap.what == "rows"] == []
    assert [part.part for part in parts] == list(range(1, len(parts) + 1))
    assert parts[-1].at - parts[0].at < 600, "one after the other, in their time"
    assert {"what": "clock", "by": "Anna Berg", "ok": True}.items() <= audits[0].items() and "by mistake" in audits[0]["detail"]
    assert "unacknowledged" in alarms


def shows(port: int) -> bool:
    """Whether the page of the alarms has it."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/alarms", timeout=10) as answer:
            return "CLOCK_DOUBT" in answer.read().decode()
    except OSError:
        return False  # the page is not up yet
