"""Cores that are kept from halting: one process of SCHED_IDLE on each, and none left behind."""

import os
import signal
import time
from pathlib import Path

import pytest

from tools.line.awake import Awake


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(true, what):
    """Wait for `true()` for at most ten seconds."""
    limit = time.monotonic() + 10
    while not true():
        assert time.monotonic() < limit, what
        time.sleep(0.01)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_each_core_has_a_process_that_is_below_everything_and_ends_with_the_block():
    with Awake() as awake:
        children = children_of(awake._process.pid)
        until(lambda: all(os.sched_getscheduler(pid) == os.SCHED_IDLE for pid in children), "not SCHED_IDLE")
        assert sorted(core for pid in children for core in os.sched_getaffinity(pid)) == sorted(os.sched_getaffinity(0))
    assert all(gone(pid) for pid in children)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_none_stays_when_the_one_that_made_them_is_killed(number):
    with Awake() as awake:
        children = children_of(awake._process.pid)
        os.kill(awake._process.pid, number)
        until(lambda: all(gone(pid) for pid in children), "a process stayed")
