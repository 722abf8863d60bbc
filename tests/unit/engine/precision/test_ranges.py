import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.engine.precision.ranges import BINS, LEVELS, entropy_range, histogram, percentile_range


def slow_entropy(counts):
    """NVIDIA's algorithm as its slides word it, loop by loop: how many bins are kept."""
    bins = [float(count) for count in counts]
    bins[0] = bins[1]
    best, best_divergence = BINS, float("inf")
    for kept in range(LEVELS, BINS + 1):
        reference = list(bins[:kept])
        reference[-1] += sum(bins[kept:])
        mass, occupied = [0.0] * LEVELS, [0] * LEVELS
        for i in range(kept):
            mass[i * LEVELS // kept] += bins[i]
            occupied[i * LEVELS // kept] += bins[i] > 0
        guess = [mass[i * LEVELS // kept] / occupied[i * LEVELS // kept] if bins[i] > 0 else 0.0 for i in range(kept)]
        total, guessed = sum(reference), sum(guess)
        divergence = 0.0
        for p, q in zip(reference, guess, strict=True):
            if p > 0:
                divergence += float("inf") if q == 0 else p / total * math.log(p / total / (q / guessed))
        if divergence < best_divergence:
            best, best_divergence = kept, divergence
    return best


def test_a_histogram_counts_magnitudes_in_equal_steps():
    counts = histogram(np.array([-1.0, 0.0, 0.5, 0.9999, 1.0], np.float32), 1.0)
    assert counts.sum() == 5
    assert (counts[0], counts[BINS // 2], counts[-1]) == (1, 1, 3)


def test_a_tensor_that_never_left_zero_has_a_histogram_and_a_range():
    counts = histogram(np.zeros((4, 4), np.float32), 0.0)
    assert counts[0] == 16
    assert entropy_range(counts, 0.0) == 0.0


def test_few_outliers_are_clipped():
    # A bell of width 1 with a handful of values at 40: min-max would spend nine levels of ten on nothing.
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 200_000), np.full(10, 40.0)]).astype(np.float32)
    counts = histogram(values, 40.0)
    assert entropy_range(counts, 40.0) < 6.0
    assert percentile_range(counts, 40.0) < 6.0


def test_an_even_spread_is_kept_whole():
    values = np.linspace(0, 1, 100_000, dtype=np.float32)
    assert entropy_range(histogram(values, 1.0), 1.0) > 0.99


def test_what_a_relu_has_cut_off_does_not_move_the_range():
    values = np.abs(np.random.default_rng(2).normal(0, 1, 50_000)).astype(np.float32)
    counts = histogram(values, 6.0)
    mostly_zero = counts.copy()
    mostly_zero[0] += 5_000_000
    assert entropy_range(mostly_zero, 6.0) == entropy_range(counts, 6.0)


def test_entropy_is_the_published_algorithm():
    rng = np.random.default_rng(1)
    values = np.abs(rng.laplace(0, 1, 20_000)).astype(np.float32)
    reach = float(values.max())
    counts = histogram(values, reach)
    kept = slow_entropy(counts)
    expected = reach if kept == BINS else (kept - 0.5) * reach / BINS
    assert entropy_range(counts, reach) == pytest.approx(expected)


def test_a_percentile_by_hand():
    counts = np.zeros(BINS, np.int64)
    counts[0], counts[9], counts[-1] = 9_000, 999, 1
    assert percentile_range(counts, float(BINS), 99.99) == 10.0
    assert percentile_range(counts, float(BINS), 100.0) == BINS


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1000.0))
def test_a_range_never_exceeds_what_was_seen(seed, scale):
    rng = np.random.default_rng(seed)
    values = (rng.standard_t(2, 500) * scale).astype(np.float32)
    reach = float(np.abs(values).max())
    counts = histogram(values, reach)
    assert counts.sum() == len(values)
    assert 0 < percentile_range(counts, reach) <= reach * (1 + 1e-6)


def test_entropy_never_exceeds_what_was_seen_and_keeps_at_least_its_levels():
    for seed in range(4):
        values = np.random.default_rng(seed).standard_t(2, 2000).astype(np.float32)
        reach = float(np.abs(values).max())
        assert (LEVELS - 1) * reach / BINS <= entropy_range(histogram(values, reach), reach) <= reach
