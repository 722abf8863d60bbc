"""A run that breaks, made smaller: fewer faults, shorter ones, fewer parts, while it still breaks the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tools.simulation.plan import Plan
from tools.simulation.run import Outcome, Run
from tools.simulation.timeline import MS

_TRIES: Final = 60
_LINES: Final = 40
_WIDTH: Final = 150


def shrunk(outcome: Outcome) -> Outcome:
    """The smallest run found, traced; it breaks the first invariant that `outcome` broke."""
    broke = outcome.broken[0].invariant
    plan, tries = outcome.plan, 0
    smaller = True
    while smaller and tries < _TRIES:
        smaller = False
        for candidate in _smaller(plan):
            tries += 1
            found = Run(candidate).go()
            if any(one.invariant == broke for one in found.broken):
                plan, smaller = candidate, True
                break
            if tries >= _TRIES:
                break
    return Run(plan, trace=True).go()


def _smaller(plan: Plan) -> Iterator[Plan]:
    for fault in plan.faults:
        yield plan.without(fault)
    last = max((fault.end for fault in plan.faults), default=0)
    for parts in (last + 4, last + 20, last + 60, (plan.parts + last) // 2):
        if last < parts < plan.parts:
            yield replace(plan, parts=parts)
    for index, fault in enumerate(plan.faults):
        if fault.parts > 1:
            shorter = fault._replace(parts=fault.parts // 2)
            yield replace(plan, faults=(*plan.faults[:index], shorter, *plan.faults[index + 1 :]))


def told(outcome: Outcome) -> list[str]:
    """At most 40 lines: what broke, the line, its faults, and what happened before."""
    broken, plan, shape = outcome.broken[0], outcome.plan, outcome.plan.shape
    lines = [
        f"seed {plan.seed}, {plan.parts} parts: invariant {broken.invariant}: {broken.says}",
        f"  takt {shape.takt / MS:g} ms, deadline {shape.deadline / MS:g}, scan {shape.scan / MS:g}, answer_ms "
        f"{shape.answer / MS:g}, program {shape.variant.value}, {shape.cameras} camera(s), {shape.views} view(s)"
        f"{', polled' * shape.polled}{', stamps' * shape.stamped}{', numbers' * shape.numbered}",
        *(f"  fault: {fault}" for fault in plan.faults),
    ]
    at = next((when for when, text in outcome.trace if text.startswith("BROKEN")), broken.at_ns)
    about = broken.part
    if about > 0:
        # An end that is told later than it happened: the part's own time is what is looked for.
        words = (f"part {about} good", f"part {about} bad")
        times = [when for when, text in outcome.trace if any(word in text for word in words)]
        at = times[-1] if times else at
    before = [(when, text) for when, text in outcome.trace if when <= at]
    steady = [(when, text) for when, text in before if not _is_dull(text)]
    chosen = (steady if len(steady) > _LINES else before)[-(_LINES - len(lines) - 1) :]
    began = chosen[0][0] if chosen else 0
    lines += [f"  {(when - began) / MS:10.3f} ms  {text}"[:_WIDTH] for when, text in chosen]
    return lines[:_LINES]


def _is_dull(text: str) -> bool:
    return "log:" in text and "link" not in text and "lost" not in text
