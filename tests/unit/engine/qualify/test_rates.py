import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.engine.qualify import rates


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # None of n: 1 - 0.05 ** (1 / n); all of n: 0.05 ** (1 / n).
        (0, 20, 0.0, 0.1391),
        (0, 60, 0.0, 0.0487),
        (0, 89, 0.0, 0.0331),
        (20, 20, 0.8609, 1.0),
        (1, 1, 0.05, 1.0),
        # Clopper and Pearson's 90 % interval for 10 of 20 and 1 of 10, as tabled (both ends at 5 %).
        (10, 20, 0.3020, 0.6980),
        (1, 10, 0.0051, 0.3942),
    ],
)
def test_the_limits_are_clopper_and_pearsons(count, of, low, high):
    rate = rates.rate(count, of)
    assert (rate.low, rate.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert rate.rate == count / of


@pytest.mark.parametrize("of", [100, 1000, 100_000])
def test_none_of_many_is_the_rule_of_three(of):
    assert rates.rate(0, of).high == pytest.approx(3 / of, rel=0.02)


def binomial(p, of, counts):
    return sum(math.comb(of, k) * p**k * (1 - p) ** (of - k) for k in counts)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_at_a_limit_what_was_seen_or_more_extreme_has_five_percent(case):
    """By the definition, with the binomial written out."""
    count, of = case
    rate = rates.rate(count, of)
    if count < of:
        assert binomial(rate.high, of, range(count + 1)) == pytest.approx(0.05, abs=1e-9)
    if count:
        assert binomial(rate.low, of, range(count, of + 1)) == pytest.approx(0.05, abs=1e-9)


def test_a_rate_of_nothing_is_not_a_rate():
    rate = rates.rate(0, 0)
    assert rate.rate is None
    assert (rate.low, rate.high) == (0.0, 1.0)
    assert "not measured" in str(rate)


@pytest.mark.parametrize(("count", "of"), [(3, 2), (-1, 2)])
def test_more_than_all_is_refused(count, of):
    with pytest.raises(ValueError, match=f"{count} of {of}"):
        rates.rate(count, of)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_limits_hold_what_was_seen_and_close_in_with_more_of_it(case):
    count, of = case
    rate, more = rates.rate(count, of), rates.rate(4 * count, 4 * of)
    assert 0.0 <= rate.low <= count / of <= rate.high <= 1.0
    assert (rate.low > 0) == (count > 0)
    assert (rate.high < 1) == (count < of)
    assert more.high - more.low < rate.high - rate.low


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0, "0.00 %"), (0.0487, "4.87 %"), (1.0, "100.00 %"), (0.000026, "0.0026 %"), (5e-8, "5e-06 %")]
)
def test_what_is_not_zero_never_reads_so(rate, text):
    assert rates.percent(rate) == text


def test_cohens_kappa_by_hand():
    # 20 both, 5 and 10 apart, 15 neither: observed 0.7, by chance 0.5 (Wikipedia's example).
    passed = np.array([True] * 25 + [False] * 25)
    good = np.array([True] * 20 + [False] * 5 + [True] * 10 + [False] * 15)
    assert rates.cohens_kappa(passed, good) == pytest.approx(0.4)


def test_kappa_is_one_for_the_truth_and_unknown_without_both_kinds():
    good = np.array([True, False, True])
    assert rates.cohens_kappa(good, good) == pytest.approx(1.0)
    assert rates.cohens_kappa(good, np.array([True, True, True])) is None
    assert rates.cohens_kappa(np.zeros(0, bool), np.zeros(0, bool)) is None


def test_escapes_and_false_calls_are_counted_over_their_own_kind():
    passed = np.array([True, True, False, False, False])
    good = np.array([True, False, True, False, False])
    seen = rates.agreement(passed, good)
    assert (seen.escapes.count, seen.escapes.of) == (1, 3)
    assert (seen.false_calls.count, seen.false_calls.of) == (1, 2)


def test_flips_name_the_boards():
    assert rates.flips(np.array([True, False, True]), np.array([True, True, False])).tolist() == [1, 2]


def test_a_histogram_holds_every_score():
    counts = rates.histogram(np.array([0.0, 0.04, 0.05, 0.5, 1.0]), bins=20)
    assert (counts.sum(), counts[0], counts[1], counts[10], counts[19]) == (5, 2, 1, 1, 1)
