"""SIGKILL of recorder, page and publisher at any moment, again and again: `--beside-kills 50` is the proof."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import closing

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.kit.line.page import free_port
from aoi_daemon.records import queries
from aoi_daemon.records.database import RecordsError, open_reader

NAMES = ("recorder", "hmi", "publisher")


def test_whatever_is_killed_beside_the_path_no_part_is_missed_and_each_is_recorded_once(line, tmp_path, request):
    kills = request.config.getoption("--beside-kills")
    rng = random.Random(kills)
    folder = tmp_path / "records"
    running = line(
        plc_options={"keep": 200_000},
        recorder={"folder": str(folder)},
        hmi={"port": free_port(0)},
        publisher={"host": "127.0.0.1", "port": free_port(0)},  # nobody listens there: it tries again and again
    )
    pids = {}

    def pid_of(name):
        pids[name] = running.daemon.status()["beside"][name]["pid"]
        return pids[name]

    for _ in range(kills):
        time.sleep(rng.uniform(0, 0.4))  # the moment is what is tried here
        victim = rng.choice(NAMES)
        pid = wait_for(lambda: pid_of(victim), 20, f"{victim} to run")  # noqa: B023  # called at once
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid_of(victim) != pid, 20, f"{victim} to be gone")  # noqa: B023
    for name in NAMES:
        wait_for(lambda: pid_of(name), 20, f"{name} to run again")  # noqa: B023
    running.wait_parts(5)

    counters = running.plc.status()["counters"]
    assert counters["missed"] == counters["refused"] == counters["late"] == counters["ready_drops"] == 0
    status = running.daemon.status()
    assert status["deadline_misses"] == status["undelivered"] == status["restarts"] == 0
    running.no_unproven_pass()

    outcomes = list(running.outcomes())
    wait_for(lambda: len(recorded(folder)) >= len(outcomes), 20, "the last parts to be recorded")
    assert [part.part for part in recorded(folder)[: len(outcomes)]] == [outcome.part for outcome in outcomes]
    with closing(open_reader(folder)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def recorded(folder):
    try:
        with closing(open_reader(folder)) as connection:
            return queries.parts_after(connection, 0, 200_000)
    except RecordsError:
        return []
