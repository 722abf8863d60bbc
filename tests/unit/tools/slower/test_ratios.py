"""The rule "No slower" on figures that are given: ratios, interval, verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.slower.ratios import LIMIT, Pair, Run, compare, interval, order

BASE = Run(path_ms=1.0, line_ms=2.0, plc_cpu_us=500.0, inspection_cpu_us=1000.0, misses=0, unexplained=0, parts=500)
TIMES = ["path_ms", "plc_cpu_us", "inspection_cpu_us"]


def pairs(count=10, **after):
    return [Pair(BASE, BASE._replace(**after)) for _ in range(count)]


def test_a_tree_beside_itself_is_not_slower():
    found = compare(pairs())
    assert [(figure.ratio, figure.low, figure.high) for figure in found.figures] == [(1.0, 1.0, 1.0)] * 4
    assert found.broken == []


@pytest.mark.parametrize("key", TIMES)
def test_each_judged_quantity_breaks_the_rule_by_itself(key):
    before = getattr(BASE, key)
    assert compare(pairs(**{key: before * LIMIT})).broken == []
    (problem,) = compare(pairs(**{key: before * 1.06})).broken
    assert "1.060 times what it was, more than 1.05" in problem


def test_what_a_restless_machine_says_breaks_the_rule_and_is_called_uncertain():
    """The median decides; whoever reads it knows that another run may say otherwise."""
    restless = [*(pairs(6, path_ms=1.2)), *(pairs(4, path_ms=0.8))]
    (problem,) = compare(restless).broken
    assert problem.endswith("in an interval that holds 1 as well: run it again on a quiet machine")
    assert "quiet" not in compare(pairs(path_ms=1.2)).broken[0]


def test_the_complete_line_is_not_judged():
    """These machines differ by 20 % from run to run, by inference alone."""
    found = compare(pairs(line_ms=4.0))
    assert found.figures[-1].ratio == 2.0
    assert found.broken == []


@pytest.mark.parametrize(("after", "broken"), [((3, 0), 0), ((3, 1), 1), ((0, 0), 0)])
def test_a_new_miss_counts_unless_the_machine_itself_stood_still(after, broken):
    assert len(compare([*pairs(9), Pair(BASE, BASE._replace(misses=after[0], unexplained=after[1]))]).broken) == broken


def test_misses_that_were_there_before_are_not_new():
    was = BASE._replace(misses=2, unexplained=2)
    assert compare([Pair(was, was)]).broken == []
    assert compare([Pair(was, BASE._replace(misses=1, unexplained=1))]).broken == []


def test_it_is_the_median_of_the_ratios_of_pairs_not_the_ratio_of_medians():
    """A machine that slows down for a pair slows both of it."""
    drifting = [Pair(BASE._replace(path_ms=ms), BASE._replace(path_ms=1.04 * ms)) for ms in (1, 2, 4, 8, 16)]
    assert compare(drifting).figures[0].ratio == pytest.approx(1.04)
    outlier = [*pairs(9, path_ms=1.01), Pair(BASE, BASE._replace(path_ms=50.0))]
    assert compare(outlier).figures[0].ratio == pytest.approx(1.01)


@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=30), st.integers(0, 1000))
def test_the_interval_is_seeded_and_within_what_was_seen(ratios, seed):
    low, high = interval(ratios, seed)
    assert min(ratios) <= low <= high <= max(ratios)
    assert interval(ratios, seed) == (low, high)


def test_the_interval_covers_the_true_median_as_often_as_it_says():
    """Of 400 samples of ten; the percentile bootstrap of a median of ten covers a little less than 95 %, or more."""
    import numpy as np

    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(400):
        low, high = interval(rng.normal(1.0, 0.1, 10), seed)
        covered += low <= 1.0 <= high
    assert 0.90 <= covered / 400 <= 0.99


def test_what_was_not_measured_is_refused():
    with pytest.raises(ValueError, match="no pair"):
        compare([])
    with pytest.raises(ValueError, match=r"CPU time of plc .* not measured"):
        compare([Pair(BASE._replace(plc_cpu_us=0.0), BASE)])


def test_the_sides_take_turns_in_going_first():
    assert [order(number)[0] for number in range(4)] == ["before", "after", "before", "after"]
    assert all(set(order(number)) == {"before", "after"} for number in range(4))
