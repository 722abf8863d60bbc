import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.engine import rates


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # By hand: z2 / (n + z2) = 3.8415 / 13.8415; and Newcombe (1998), table I: 81/263, 15/148, 1/29.
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_as_published(count, of, low, high):
    rate = rates.wilson(count, of)
    assert (rate.low, rate.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert rate.rate == count / of


def test_a_rate_of_nothing_is_not_a_rate():
    rate = rates.wilson(0, 0)
    assert rate.rate is None
    assert (rate.low, rate.high) == (0.0, 1.0)
    assert "not measured" in str(rate)


def test_more_than_all_is_refused():
    with pytest.raises(ValueError, match="3 of 2"):
        rates.wilson(3, 2)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_what_was_seen_and_shrinks_with_more_of_it(case):
    count, of = case
    rate, more = rates.wilson(count, of), rates.wilson(4 * count, 4 * of)
    assert 0.0 <= rate.low <= count / of <= rate.high <= 1.0
    assert more.high - more.low < rate.high - rate.low


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
