"""The recorder beside a whole line: whatever becomes of it, no part is held up."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import closing

import pytest

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.records import queries
from aoi_daemon.records.database import RecordsError, open_reader
from tests.processes.recorder_feed import fill, mounted


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    if not mounted(folder, 8):
        pytest.skip("this process may mount no file system: run as root, or in `unshare -Urm`")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def read(folder, question, *arguments):
    with closing(open_reader(folder)) as connection:
        return question(connection, *arguments)


def recorder(running):
    return running.daemon.status()["beside"]["recorder"]


def alarms(running):
    return {alarm["name"]: alarm["state"] for alarm in running.daemon.status()["alarms"]}


def agrees(folder, running):
    """Every part that the ring tells of is recorded, once, as it was."""

    def recorded():
        try:
            return read(folder, queries.parts_after, 0, 100_000)
        except RecordsError:
            return []

    outcomes = running.outcomes()
    wait_for(lambda: len(recorded()) >= len(outcomes), 10, "the last parts to be recorded")
    assert [(part.part, part.passed, part.trigger_ns, part.answered_ns) for part in recorded()[: len(outcomes)]] == [
        (outcome.part, outcome.passed, outcome.trigger_ns, outcome.answered_ns) for outcome in outcomes
    ]


def not_disturbed(running):
    counters = running.plc.status()["counters"]
    assert counters["missed"] == counters["refused"] == counters["late"] == 0
    status = running.daemon.status()
    assert status["deadline_misses"] == status["undelivered"] == 0
    assert not [event for event in running.plc.events() if event.kind == "not_ready"]
    running.no_unproven_pass()


@pytest.mark.long
def test_killed_the_recorder_comes_back_and_no_part_is_missed(line, tmp_path):
    folder = tmp_path / "records"
    running = line(recorder={"folder": str(folder)})
    for _ in range(2):
        running.wait_parts(12)
        os.kill(recorder(running)["pid"], signal.SIGKILL)
        wait_for(lambda: recorder(running)["pid"] and recorder(running).get("state") == "ok", 15, "a new recorder")
    running.wait_parts(12)
    not_disturbed(running)
    agrees(folder, running)
    assert running.daemon.stop() == 0
    found = read(folder, queries.parts_after, 0, 100_000)
    rejects = [part for part in found if not part.passed]
    lost = {number for gap in read(folder, queries.gaps, 0.0) for number in range(gap.first_part, gap.last_part + 1)}
    assert rejects and all(part.image or part.part in lost for part in rejects)
    assert all(part.recipe == "demo" for part in found)
    assert {part.classes for part in found if part.bundle} == {("difference",)}
    kinds = [event.kind for event in read(folder, queries.events_after, 0, 999)]
    assert "line" in kinds, "what the supervisor says is recorded too"


@pytest.mark.long
def test_with_the_disk_full_to_the_last_byte_the_line_goes_on(line, small_disk, measured):
    """READY stays, no deadline is missed, the alarm comes and goes, and the parts of that time are recorded."""
    folder = small_disk / "records"
    running = line(recorder={"folder": str(folder), "min_free_gb": 0.0})
    running.wait_parts(10)
    assert recorder(running)["state"] == "ok"
    since = running.now_ns()
    filler = fill(small_disk)
    wait_for(lambda: recorder(running)["state"] == "disk_full", 15, "the recorder to say so")
    wait_for(lambda: alarms(running).get("RECORDER_DISK") == "unacknowledged", 5, "the alarm")
    measured("recorder disk full", "until the alarm", (running.now_ns() - since) / 1e6)
    running.wait_parts(20)
    not_disturbed(running)
    filler.unlink()
    wait_for(lambda: alarms(running).get("RECORDER_DISK") != "unacknowledged", 20, "the alarm to go")
    running.wait_parts(5)
    not_disturbed(running)
    agrees(folder, running)
