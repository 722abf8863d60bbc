"""How the dates of old rows are to be read: the steps of the records' clock, by row. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aoi_daemon.recorder.clock.kept import MOST_S, Restored, Step, within

_MOST_STEPS: Final = 16


def adopted(restored: Restored | None, records: str, last: Mapping[str, int], now_s: float) -> list[Step]:
    """The steps of records that were written by another clock, up to the rows `last`; none where there are no rows.

    No later step moves them. Where that clock was in doubt, nobody can say any more by how much it was off: the rows
    are then taken to be as young as they can be, as if the backup had been made at `now_s`.
    """
    if not any(last.values()):
        return []
    steps: list[Step] = []
    shift_s = 0.0
    if restored is not None and restored.records == records:
        if restored.doubted_s is not None:
            shift_s = max(0.0, now_s - restored.doubted_s)
        for step in restored.steps:
            steps.append(_moved(step, 0.0 if step.own else shift_s).model_copy(update={"own": True}))
    if not steps or steps[-1].last != last:
        steps.append(Step(last=dict(last), shift_s=shift_s, own=True))
    return fewer(steps)


def stepped(steps: list[Step], by_s: float, last: Mapping[str, int], before_boot: Mapping[str, int]) -> list[Step]:
    """`steps` with one more: rows up to `last` are dated by a clock that `by_s` has now been added to.

    Set ahead, all rows are as much younger as it says. Set back, those from before the boot may have been dated
    rightly, and it is the start of the PC's clock that was wrong: they are not made older.
    """
    if by_s > 0:
        moved = [step if step.own else _moved(step, by_s) for step in steps]
    else:
        begin = _order(before_boot)
        moved = [
            step if step.own or _order(step.last) <= begin else _moved(step, by_s) for step in steps
        ]
        if begin > max((_order(step.last) for step in steps), default=0):
            moved.append(Step(last=dict(before_boot)))
    return [*moved, Step(last=dict(last), shift_s=by_s)]


def _moved(step: Step, by_s: float) -> Step:
    return step.model_copy(update={"shift_s": within(step.shift_s + by_s, -MOST_S)})


def _order(last: Mapping[str, int]) -> int:
    """Ids only grow, in all tables but that of gaps: of two such sets one is the earlier."""
    return sum(row for table, row in last.items() if table != "gaps")


def fewer(steps: list[Step]) -> list[Step]:
    """At most as many as are kept: the two neighbours that differ least become one, by the safe reading of both."""
    while len(steps) > _MOST_STEPS:
        at = min(range(1, len(steps) - 1), key=lambda i: abs(steps[i].shift_s - steps[i + 1].shift_s))
        first, second = steps[at], steps[at + 1]
        one = second.model_copy(update={"shift_s": max(first.shift_s, second.shift_s)})
        steps = [*steps[:at], one, *steps[at + 2 :]]
    return steps
