"""Judge verdicts against the truth: escapes, false calls, agreement, flips.

Process: offline. Pure numpy. A verdict is True for PASS; the truth of a board is True where it is good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

# The standard normal's 97.5 % point: two-sided 95 %.
Z_95: Final = 1.959963984540054

Verdicts = NDArray[np.bool_]


@dataclass(frozen=True)
class Rate:
    """`count` of `of`, and Wilson's 95 % interval of the true rate, 0..1."""

    count: int
    of: int
    low: float
    high: float

    @property
    def rate(self) -> float | None:
        """What was seen, 0..1; None where there was nothing to count."""
        return self.count / self.of if self.of else None

    def __str__(self) -> str:
        if not self.of:
            return "not measured (none there)"
        return (
            f"{self.count} of {self.of} ({self.count / self.of:.2%}, 95 % interval {self.low:.2%} to {self.high:.2%})"
        )


class Agreement(NamedTuple):
    """Verdicts of a test against the truth."""

    escapes: Rate
    """Of the bad boards, those that passed."""
    false_calls: Rate
    """Of the good boards, those that were rejected."""
    kappa: float | None
    """Cohen's kappa; None where the test has no good or no bad board."""


def wilson(count: int, of: int) -> Rate:
    """The score interval (Wilson, 1927), which holds for rates near 0 and for few boards too."""
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of}")
    if not of:
        return Rate(0, 0, 0.0, 1.0)
    square = Z_95 * Z_95
    seen = count / of
    middle = seen + square / (2 * of)
    half = Z_95 * math.sqrt(seen * (1 - seen) / of + square / (4 * of * of))
    # At the ends the formula gives 0 and 1 but for rounding.
    low = 0.0 if count == 0 else (middle - half) / (1 + square / of)
    high = 1.0 if count == of else (middle + half) / (1 + square / of)
    return Rate(count, of, low, high)


def cohens_kappa(passed: Verdicts, good: Verdicts) -> float | None:
    """Agreement beyond chance (Cohen, 1960), 1 at best; None where all boards are good, or none is."""
    if good.all() or not good.any():
        return None
    agree = float((passed == good).mean())
    pass_rate, good_rate = float(passed.mean()), float(good.mean())
    chance = pass_rate * good_rate + (1 - pass_rate) * (1 - good_rate)
    return (agree - chance) / (1 - chance)


def agreement(passed: Verdicts, good: Verdicts) -> Agreement:
    """Escapes, false calls and kappa of verdicts (boards,) against the truth (boards,)."""
    bad = ~good
    return Agreement(
        wilson(int((passed & bad).sum()), int(bad.sum())),
        wilson(int((~passed & good).sum()), int(good.sum())),
        cohens_kappa(passed, good),
    )


def flips(passed: Verdicts, reference: Verdicts) -> NDArray[np.intp]:
    """The boards (indices) whose verdict is another than the reference's."""
    return np.flatnonzero(passed != reference)


def histogram(scores: NDArray[np.float64], bins: int = 20) -> NDArray[np.intp]:
    """How many scores lie in each of `bins` equal steps from 0 to 1; 1 itself is in the last."""
    return np.histogram(scores, bins=bins, range=(0.0, 1.0))[0]
