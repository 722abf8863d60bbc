"""SIGKILL of any process at any moment, again and again: `--kills 200` is the proof, a few are in the suite."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.stage.stage import now_ns


def stages_end(pids):
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 5, "the stages to end")


def test_any_process_may_be_killed_at_any_moment(line, request, measured):
    """No PASS without proof, READY=0 within 300 ms, recovery without a person, no shared memory left."""
    kills = request.config.getoption("--kills")
    memory = set(os.listdir("/dev/shm"))
    rng = random.Random(kills)
    running = line(takt_ms=25.0, plc_options={"keep": 200_000}, supervisor={"restarts": 1000}, camera={"wait_ready": True})
    worst = {}
    for _ in range(kills):
        time.sleep(rng.uniform(0, 0.3))  # the moment is what is tried here
        victim = rng.choice(["plc", "inspection", "acquire-0", "supervisor"])
        stages = running.daemon.status()["stages"]
        since = now_ns()
        os.kill(running.daemon.process.pid if victim == "supervisor" else stages[victim], signal.SIGKILL)
        drop_ms = running.first("not_ready", since)
        worst[victim] = max(worst.get(victim, 0.0), drop_ms)
        assert drop_ms < 300
        if victim == "supervisor":
            stages_end(list(stages.values()))
            running.outcomes()  # the ring is still ours to read
            running.daemon.process.wait(10)
            running.daemon.restart()  # what systemd's Restart=always does
        running.wait_ready(30)
        running.no_unproven_pass()
    for victim, drop_ms in worst.items():
        measured("SIGKILL at random", f"{victim}: until READY=0, worst of {kills} kills", drop_ms)
    running.no_unproven_pass()
    pids = list(running.daemon.status()["stages"].values())
    assert running.daemon.stop() == 0
    stages_end(pids)
    assert set(os.listdir("/dev/shm")) <= memory
