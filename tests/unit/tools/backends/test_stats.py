"""tools/backends/stats.py: percentiles that the number of runs allows, and none that is made up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.backends.stats import PERCENTILES, figures, over

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}
"""Written out anew: what the names promise."""


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20_000), st.randoms(use_true_random=False))
def test_a_percentile_is_there_when_one_run_can_lie_beyond_it_and_is_one_that_was_measured(count, draw):
    took_ns = [draw.randrange(1, 10**9) for _ in range(count)]
    found = figures(took_ns)
    ms = {round(ns / 1e6, 4) for ns in took_ns}
    assert (found["n"], found["max"]) == (count, max(ms))
    for name, share in SHARES.items():
        if round(count * (1 - share), 6) < 1 and name != "p50":
            assert found[name] is None, name
            continue
        assert found[name] in ms
        below = sum(round(ns / 1e6, 4) <= found[name] for ns in took_ns)
        assert below >= share * count, name
    assert set(PERCENTILES) == set(SHARES)


def test_of_nothing_there_are_no_figures():
    with pytest.raises(ValueError, match="nothing was measured"):
        figures([])


def test_what_the_executor_costs_is_told_over_the_floors_median():
    assert over({"p50": 10.0}, {"p50": 10.5}) == {"over_ms": 0.5, "ratio": 1.05}
    assert over({"p50": 10.0}, {"p50": 9.0}) == {"over_ms": -1.0, "ratio": 0.9}
