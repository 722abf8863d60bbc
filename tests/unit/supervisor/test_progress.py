"""A process that starts slowly is waited for while it gets on, and no longer."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from aoi_daemon.supervisor.progress import LONGEST_START_NS, START_NS, Progress, work_done
from tests.unit.supervisor.conftest import PID, S


def minutes_until_stuck(process, step, started_ns: int = 100 * S) -> float:
    progress = Progress(process.root)
    for second in range(1, 1200):
        step(second)
        if progress.stuck(PID, started_ns, started_ns + second * S):
            return second / 60
    return 20.0


def test_one_that_does_nothing_is_given_up_after_a_minute(process):
    assert 1 <= minutes_until_stuck(process, lambda _: None) < 1.1


@pytest.mark.parametrize("what", ["ticks", "faults", "read"])
def test_one_that_gets_on_slowly_is_waited_for(process, what):
    """One tick, page or byte in 50 s; then nothing more."""
    def done(second):
        return process.does(**{what: 2 + min(second, 300) // 50})
    assert 5.9 < minutes_until_stuck(process, done) < 6.2


def test_one_that_runs_in_a_circle_is_given_up_in_the_end(process):
    assert minutes_until_stuck(process, lambda second: process.does(ticks=100 * second)) == pytest.approx(LONGEST_START_NS / S / 60, abs=0.1)


def test_each_start_has_its_own_time(process):
    progress = Progress(process.root)
    assert progress.stuck(PID, 0, START_NS + S) is False  # seen for the first time: it has done something
    assert progress.stuck(PID, 0, 2 * START_NS + 2 * S)
    assert not progress.stuck(PID, 3 * START_NS, 3 * START_NS + S)


def test_one_that_is_gone_or_hidden_is_no_fault(tmp_path):
    assert work_done(PID, tmp_path) == 0
    (tmp_path / str(PID)).mkdir()
    (tmp_path / str(PID) / "stat").write_text("nonsense")
    assert work_done(PID, tmp_path) == 0


def test_a_real_process_that_works_gets_on_and_one_that_waits_does_not():
    with subprocess.Popen([sys.executable, "-c", "input()\nwhile True: pass"], stdin=subprocess.PIPE) as child:
        try:
            until = time.monotonic() + 20
            was = -1
            while was != (was := work_done(child.pid)) and time.monotonic() < until:  # it comes to rest at its input
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                time.sleep(0.2)
            assert was > 0
            child.stdin.write(b"\n")
            child.stdin.flush()
            while work_done(child.pid) <= was:
                assert time.monotonic() < until
                time.sleep(0.02)
        finally:
            child.kill()
