"""What a set of labelled boards shows of a product: qualified, refused, or not shown.

Process: offline. Pure.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aoi_daemon.engine.qualify.rates import Agreement, Rate, percent

LEAST_GOOD: Final = 50
LEAST_BAD: Final = 20
"""Fewer boards show nothing: of 20 bad ones without an escape up to 13.9 % may escape."""


class State(enum.IntEnum):
    """What is shown, from the best to the worst."""

    QUALIFIED = 0
    NOT_SHOWN = 1
    REFUSED = 2

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class Bounds:
    """What the product asks for: rates, 0 to below 1."""

    max_escapes: float = 0.0
    max_false_calls: float = 0.01


@dataclass(frozen=True)
class Conclusion:
    """What the boards show of one precision, by `bounds`.

    Attributes:
        reasons: why it is refused, each with its figures.
        more_good, more_bad: so many boards more, all judged right, and it would be qualified; 0 unless not shown.
    """

    state: State
    escapes: Rate
    false_calls: Rate
    bounds: Bounds
    reasons: tuple[str, ...] = ()
    more_good: int = 0
    more_bad: int = 0

    def __str__(self) -> str:
        if self.state is State.REFUSED:
            head = f"refused ({'; '.join(self.reasons)})"
        elif self.state is State.QUALIFIED:
            allowed = f"{percent(self.bounds.max_escapes)} escapes, {percent(self.bounds.max_false_calls)} false calls"
            head = f"qualified (allowed: {allowed})"
        else:
            head = f"not shown, {self.more_good} more good ({self.more_bad} bad) boards, all judged right, are needed"
        return f"{head}. Escapes: {self.escapes}; false calls: {self.false_calls}"


def conclude(agreement: Agreement, bounds: Bounds, gate: str | None = None) -> Conclusion:
    """Check what was seen against what is asked for.

    Args:
        agreement: escapes of the bad boards, false calls of the good ones.
        bounds: the greatest rates.
        gate: why the precision may not ship whatever the boards show; None: it may.
    """
    escapes, false_calls = agreement.escapes, agreement.false_calls
    reasons = [] if gate is None else [gate]
    for rate, bound, name in (
        (escapes, bounds.max_escapes, "escapes"),
        (false_calls, bounds.max_false_calls, "false calls"),
    ):
        # Only what the boards prove: with few of them a rate above the bound may be chance.
        if rate.low > bound:
            reasons.append(f"{name} are at least {percent(rate.low)} at 95 %, allowed {percent(bound)}")
    if reasons:
        return Conclusion(State.REFUSED, escapes, false_calls, bounds, tuple(reasons))
    more_good = _missing(false_calls, bounds.max_false_calls, LEAST_GOOD)
    more_bad = _missing(escapes, bounds.max_escapes, LEAST_BAD)
    state = State.NOT_SHOWN if more_good or more_bad else State.QUALIFIED
    return Conclusion(state, escapes, false_calls, bounds, (), more_good, more_bad)


def worst(conclusions: Iterable[Conclusion]) -> State:
    """The worst state of them all; there is one at least."""
    return max(conclusion.state for conclusion in conclusions)


def _missing(rate: Rate, bound: float, least: int) -> int:
    """How many boards more, all judged right, bring `rate` to `bound`, and their number to `least`."""
    need = max(least, rate.of)
    if rate.count and rate.count / need > bound:
        # Not below it for the rounding of the division; the next whole number may still be the one.
        need = math.floor(rate.count / bound)
        need += rate.count / need > bound
    return need - rate.of
