"""How far an INT8 tensor reaches: from a histogram of magnitudes to the value that 127 stands for.

Process: offline. Pure numpy.

Entropy is NVIDIA's calibration (Migacz, "8-bit Inference with TensorRT", GTC 2017, S7310): of all
clippings of a 2048-bin histogram of |x| it takes the one whose 128 levels lose the least information
about the distribution. The bin at 0 is replaced by its neighbour, as NVIDIA's pytorch-quantization
does: what a ReLU has cut off is exact at any range.

onnxruntime's own calibrator is not used: its bins are as wide as the first image makes them, and it
was seen to ask for 71 million of them (a tensor that hardly moves on the first board, and then does).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 2048
LEVELS: Final = 128
"""Magnitudes that signed 8 bit tells apart, 0 among them."""
PERCENTILE: Final = 99.99

Counts = NDArray[np.int64]


def histogram(values: NDArray[np.float32], reach: float) -> Counts:
    """Count |values| (any shape) in BINS equal bins from 0 to `reach`, which none exceeds: (BINS,)."""
    if reach <= 0.0:
        return np.bincount(np.zeros(1, np.int64), weights=[values.size], minlength=BINS).astype(np.int64)
    # By index and bincount: 8 ms against np.histogram's 17 for 3.3 million values, and an image has tens of millions.
    index = (np.abs(values.ravel()) * np.float32(BINS / reach)).astype(np.int32)
    return np.bincount(np.minimum(index, BINS - 1), minlength=BINS)


def entropy_range(counts: Counts, reach: float) -> float:
    """The clipping value with the least Kullback-Leibler divergence; `reach` where none is better."""
    bins = counts.astype(np.float64)
    bins[0] = bins[1]
    total = bins.sum()
    if not total:
        return reach
    beyond = total - np.cumsum(bins)
    divergences = [_divergence(bins[:kept], beyond[kept - 1]) for kept in range(LEVELS, BINS + 1)]
    best = int(np.argmin(divergences))
    if not np.isfinite(divergences[best]):
        return reach
    # The middle of the last bin that is kept, as in the source; the full reach where nothing is clipped.
    kept = LEVELS + best
    return reach if kept == BINS else (kept - 0.5) * reach / BINS


def percentile_range(counts: Counts, reach: float, percentile: float = PERCENTILE) -> float:
    """The smallest bin edge that `percentile` % of all magnitudes do not exceed."""
    share = np.cumsum(counts) / max(1, int(counts.sum()))
    return float((np.searchsorted(share, percentile / 100.0 - 1e-12) + 1) * reach / BINS)


def _divergence(kept: NDArray[np.float64], outliers: float) -> float:
    """KL divergence of the clipped distribution from what LEVELS levels make of it."""
    seen = kept > 0
    level = np.arange(len(kept)) * LEVELS // len(kept)
    mass = np.bincount(level, weights=kept, minlength=LEVELS)
    occupied = np.bincount(level, weights=seen, minlength=LEVELS)
    # Each level spreads its mass evenly over its bins that held anything.
    guess = np.where(seen, (mass / np.maximum(occupied, 1))[level], 0.0)
    reference = kept.copy()
    reference[-1] += outliers
    there = reference > 0
    if not guess.any() or (guess[there] == 0).any():
        return float("inf")  # all outliers would fall on a bin that holds nothing
    p, q = reference[there] / reference.sum(), guess[there] / guess.sum()
    return float(np.sum(p * np.log(p / q)))
