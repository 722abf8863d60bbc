"""decide/priority.py: a stage that gave its real-time priority up tries again, sooner or later, whatever its parts do."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from aoi_daemon.decide.priority import PriorityTrial

SECOND = 1_000_000_000


def retries(trial: PriorityTrial, times: int) -> list[float]:
    """Every part times out, one each 50 ms: the seconds from each giving up to the next trial."""
    now, gave_up, found = 0, None, []
    while len(found) < times:
        now += SECOND // 20
        if trial.due(now):
            found.append((now - gave_up) / SECOND)
        if trial.timed_out(now):
            gave_up = now
    return found


def test_under_a_load_that_never_ends_it_is_tried_after_1_2_4_to_60_seconds():
    """It counted 100 parts in time, and under load there are none: LATE for 14 minutes."""
    assert retries(PriorityTrial(), 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_it_is_given_up_once_and_not_again_while_it_is_not_there():
    trial = PriorityTrial()
    assert trial.has_it
    assert trial.timed_out(0)
    assert not trial.timed_out(SECOND // 2)
    assert not trial.has_it
    assert not trial.due(SECOND - 1)
    assert trial.due(SECOND), "parts that time out meanwhile do not put it off"
    assert trial.has_it and not trial.due(2 * SECOND)


def test_one_that_has_kept_it_for_a_minute_begins_with_a_second_again():
    trial = PriorityTrial()
    retries(trial, 5)  # the last trial was after 16 s, and it timed out
    now = 10_000 * SECOND
    assert trial.due(now)
    assert trial.timed_out(now + 60 * SECOND)
    assert not trial.due(now + 61 * SECOND - 1)
    assert trial.due(now + 61 * SECOND)


def test_one_that_has_kept_it_for_less_waits_longer_each_time():
    trial = PriorityTrial()
    assert trial.timed_out(0) and trial.due(1 * SECOND)
    assert trial.timed_out(60 * SECOND)
    assert not trial.due(62 * SECOND - 1) and trial.due(62 * SECOND)


REAL = """
    import os, time
    from types import SimpleNamespace
    from aoi_daemon.decide.priority import PriorityTrial
    from aoi_daemon.stage.stage import Stage, now_ns
    stage = SimpleNamespace(
        config=SimpleNamespace(realtime=SimpleNamespace(fifo=True, inspection_priority=2)), _stood_aside=None,
        setup=SimpleNamespace(stage="inspection"),
    )
    seen, trial, began = [], PriorityTrial(), now_ns()
    Stage.take_priority(stage)
    while now_ns() - began < 1_600_000_000:
        if trial.due(now_ns()):
            Stage.take_priority(stage)
        if not seen and trial.timed_out(now_ns()):
            Stage.yield_priority(stage)
        if not seen or seen[-1] != os.sched_getscheduler(0):
            seen.append(os.sched_getscheduler(0))
        time.sleep(0.01)
    print(seen == [os.SCHED_OTHER, os.SCHED_FIFO])
"""


def test_the_kernel_gives_it_back_after_a_second():
    """For real: SCHED_OTHER after the time-out, SCHED_FIFO a second later."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except PermissionError:
        pytest.skip("SCHED_FIFO is not allowed: root, or LimitRTPRIO")
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(REAL)], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.split() == ["True"], found
