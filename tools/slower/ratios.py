"""The rule "No slower" on what was measured: paired ratios, their bootstrap interval, the verdict. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

LIMIT: Final = 1.05
LEAST_PAIRS: Final = 10
LEAST_PARTS: Final = 500
_RESAMPLES: Final = 10_000
_PERCENTILES: Final = (2.5, 97.5)


class Run(NamedTuple):
    """What one run of a line came to.

    Args:
        path_ms: median of queue + decide + handover + plc of a part, ms.
        line_ms: median from the frame in the ring to the PLC's verified answer, ms.
        plc_cpu_us: CPU time of the stage plc for a part, us.
        inspection_cpu_us: the same of the stage inspection.
        misses: parts whose deadline was missed, or whose verdict was not delivered.
        unexplained: rows of such parts, one soon after the other, that began while no core of the machine was held up.
        parts: parts that were decided.
    """

    path_ms: float
    line_ms: float
    plc_cpu_us: float
    inspection_cpu_us: float
    misses: int
    unexplained: int
    parts: int


class Pair(NamedTuple):
    """Two runs, one after the other: of the other revision and of this tree."""

    before: Run
    after: Run


@dataclass(frozen=True)
class Figure:
    """One quantity over all pairs: the median of each side, the median of the paired ratios, its 95 % interval."""

    name: str
    unit: str
    before: float
    after: float
    ratio: float
    low: float
    high: float
    judged: bool

    @property
    def broken(self) -> bool:
        """The median of the ratios is above the limit; never so for what is printed only."""
        return self.judged and self.ratio > LIMIT


class Misses(NamedTuple):
    """Missed deadlines of one side over all pairs; the `unexplained` rows of them are judged."""

    all: int
    unexplained: int


@dataclass(frozen=True)
class Comparison:
    """All figures, and the missed deadlines of each side."""

    figures: tuple[Figure, ...]
    before: Misses
    after: Misses

    @property
    def broken(self) -> list[str]:
        """Each way in which the rule is broken, as a sentence; empty where it holds."""
        found = [
            f"{figure.name} is {figure.ratio:.3f} times what it was, more than {LIMIT:g}"
            + (", in an interval that holds 1 as well: run it again on a quiet machine" if figure.low < 1 else "")
            for figure in self.figures
            if figure.broken
        ]
        now, was = self.after.unexplained, self.before.unexplained
        if now > was:
            found.append(f"deadlines were missed {now} times while the machine did not stand still, {was} times before")
        return found


_QUANTITIES: Final = (
    ("path_ms", "queue + decide + handover + plc", "ms", True),
    ("plc_cpu_us", "CPU time of plc for a part", "us", True),
    ("inspection_cpu_us", "CPU time of inspection for a part", "us", True),
    ("line_ms", "complete line, with inference", "ms", False),
)


def compare(pairs: Sequence[Pair], seed: int = 0) -> Comparison:
    """What the pairs say.

    Args:
        pairs: at least one.
        seed: of the bootstrap; the same pairs and seed give the same interval.

    Raises:
        ValueError: there is no pair, or a quantity of the other revision is not above 0: it was not measured.
    """
    if not pairs:
        raise ValueError("there is no pair of runs to compare")
    figures = []
    for number, (key, name, unit, judged) in enumerate(_QUANTITIES):
        before = np.array([getattr(pair.before, key) for pair in pairs], float)
        after = np.array([getattr(pair.after, key) for pair in pairs], float)
        if not (before > 0).all():
            raise ValueError(f"{name}: a run of the other revision has {before.min():g} {unit}, it was not measured")
        ratios = after / before
        low, high = interval(ratios, seed + number)
        was, now, ratio = (float(np.median(values)) for values in (before, after, ratios))
        figures.append(Figure(name, unit, was, now, ratio, low, high, judged))
    return Comparison(
        tuple(figures),
        Misses(sum(pair.before.misses for pair in pairs), sum(pair.before.unexplained for pair in pairs)),
        Misses(sum(pair.after.misses for pair in pairs), sum(pair.after.unexplained for pair in pairs)),
    )


def interval(ratios: Sequence[float] | np.ndarray, seed: int) -> tuple[float, float]:
    """The 95 % interval of the median of `ratios`, by the percentile bootstrap (Efron 1979), 10,000 resamples."""
    values = np.asarray(ratios, float)
    picked = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.percentile(np.median(values[picked], axis=1), _PERCENTILES)
    return float(low), float(high)


def order(pair: int) -> tuple[str, str]:
    """Which side of pair number `pair` (from 0) runs first: ABBA, so that a machine that drifts favours neither."""
    return ("before", "after") if pair % 2 == 0 else ("after", "before")
