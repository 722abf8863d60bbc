"""Judge verdicts against the truth: escapes, false calls, agreement, flips.

Process: offline. Pure numpy. A verdict is True for PASS; the truth of a board is True where it is good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

BEYOND: Final = 0.05
"""How often a limit is on the wrong side of the true rate, at most."""

Verdicts = NDArray[np.bool_]


@dataclass(frozen=True)
class Rate:
    """`count` of `of`, and between what the true rate is, 0..1.

    Attributes:
        low, high: one-sided 95 % limits, each for itself: below `high` at 95 %, and above `low` at 95 %.
    """

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
        return f"{self.count} of {self.of} ({percent(self.count / self.of)}, at most {percent(self.high)} at 95 %)"


class Agreement(NamedTuple):
    """Verdicts of a test against the truth."""

    escapes: Rate
    """Of the bad boards, those that passed."""
    false_calls: Rate
    """Of the good boards, those that were rejected."""
    kappa: float | None
    """Cohen's kappa; None where the test has no good or no bad board."""


def rate(count: int, of: int) -> Rate:
    """What was seen, with the exact limits of Clopper and Pearson (Biometrika 26, 1934), one-sided, 95 %.

    The upper limit is the rate at which so few, or fewer, are seen with a probability of 5 %; the lower one that at
    which so many, or more, are. 0 of n gives 1 - 0.05 ** (1 / n), 3 / n for many (the rule of three).
    """
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of}")
    return Rate(count, of, 1.0 - _upper(of - count, of), _upper(count, of))


def _upper(count: int, of: int) -> float:
    """The upper limit of `count` in `of`. Of `of - count` it is 1 minus the lower one: good and bad change places."""
    if count == of:
        return 1.0
    log_choose = _log_choose(count, of)
    seen = np.arange(count + 1)
    low, high = 0.0, 1.0
    # The middle of two neighbours is one of them: there is no number between.
    while low < (middle := (low + high) / 2) < high:
        at_most = np.exp(log_choose + seen * math.log(middle) + (of - seen) * math.log1p(-middle)).sum()
        low, high = (middle, high) if at_most > BEYOND else (low, middle)
    return high


def _log_choose(count: int, of: int) -> NDArray[np.float64]:
    """The logarithms of `of` over 0, 1 ... `count`."""
    k = np.arange(1, count + 1)
    return np.concatenate((np.zeros(1), np.cumsum(np.log((of - k + 1) / k))))


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
        rate(int((passed & bad).sum()), int(bad.sum())),
        rate(int((~passed & good).sum()), int(good.sum())),
        cohens_kappa(passed, good),
    )


def percent(rate: float) -> str:
    """In percent, to two places; what is smaller and not 0 to two figures."""
    return f"{rate * 100:.2f} %" if rate >= 0.0001 or rate == 0 else f"{rate * 100:.2g} %"


def flips(passed: Verdicts, reference: Verdicts) -> NDArray[np.intp]:
    """The boards (indices) whose verdict is another than the reference's."""
    return np.flatnonzero(passed != reference)


def histogram(scores: NDArray[np.float64], bins: int = 20) -> NDArray[np.intp]:
    """How many scores lie in each of `bins` equal steps from 0 to 1; 1 itself is in the last."""
    return np.histogram(scores, bins=bins, range=(0.0, 1.0))[0]
