"""A training whose time can do nothing is refused, as soon as its steps are measured."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.kit.boards.labels import BoardsError
from tools.detector.pace import Pace, left_s


def train(seconds, step_s, first_s=0.0, least=100):
    """Run a training by a clock of its own, its first step by `first_s` longer; returns the steps it did."""
    pace, now_s, steps = Pace(seconds, least), 0.0, 0
    while now_s < seconds:
        now_s += step_s + (0 if steps else first_s)
        steps += 1
        if pace.is_due():
            pace.at(now_s)
    pace.end(now_s)
    return steps


def minutes_named(error):
    """What the refusal says would do."""
    return float(re.search(r"allow ([0-9.]+) minutes", str(error)).group(1))


@given(st.floats(0.001, 600), st.floats(0.01, 60), st.floats(0, 120))
def test_what_is_refused_does_too_few_steps_and_the_time_named_does_enough(seconds, step_s, first_s):
    """Whatever a step takes, and the beginning: no training of less than its steps, and no advice that fails."""
    try:
        steps = train(seconds, step_s, first_s)
    except BoardsError as error:
        needed_s = 60 * minutes_named(error)
        assert needed_s > seconds
        assert train(needed_s, step_s, first_s) >= 100
    else:
        assert steps >= 100


def test_a_refusal_comes_with_the_seventh_step():
    """Not at the end of an hour."""
    pace, steps = Pace(3600, 100), iter(range(1, 100))
    with pytest.raises(BoardsError, match="minutes: 60 are 90 steps of 40 s here, and below 100 nothing is learnt"):
        for step in steps:
            if pace.is_due():
                pace.at(40.0 * step)
    assert next(steps) == 8


def test_a_training_by_steps_is_never_refused():
    """Who names the steps has chosen them; the pace is told of all the same."""
    pace = Pace(0.0, 100)
    answers = [pace.at(1000.0 * step) for step in range(1, 12) if pace.is_due()]
    assert answers == [False, True]
    pace.end(12000.0)


@pytest.mark.parametrize(
    ("done", "elapsed_s", "seconds", "left"), [(0.25, 30.0, 120.0, 90.0), (0.25, 30.0, 0.0, 90.0), (0.0, 0.0, 0.0, 0.0)]
)
def test_the_time_left_is_the_clocks_or_the_steps(done, elapsed_s, seconds, left):
    """With a time asked for what is left of it; by steps, what they took so far says."""
    assert left_s(done, elapsed_s, seconds) == pytest.approx(left)
