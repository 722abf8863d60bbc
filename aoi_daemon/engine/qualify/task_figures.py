"""What matters of a run by the task of its model, beside the average precision of boxes; and the gate that follows.

Process: offline. Pure.

A precision ships when it decides as fp32 does. Of boxes mean average precision tells, too. Of a classification it is
whether bad parts get the same class; of maps whether the defects that labels mark are still met by an area: how far an
area reaches is no box that could be compared as such.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.boxes import Box
from aoi_daemon.config.recipe import Manifest
from aoi_daemon.decide.labelled import unmet
from aoi_daemon.engine.labels import Pair
from aoi_daemon.engine.qualify.drift import Drift, drift
from aoi_daemon.infer.executor import Detections
from aoi_daemon.messages import Defect

MOST_SHARE: Final = 0.01
"""So many of the boards may get another verdict than fp32's, of the bad ones another class, of the defects no area."""
MAP_TASKS: Final = ("segment", "anomaly")


class Judged(Protocol):
    """A run: what was found on each board, and which passed."""

    @property
    def found(self) -> Sequence[Detections]: ...  # noqa: D102

    @property
    def passed(self) -> NDArray[np.bool_]: ...  # noqa: D102


@dataclass(frozen=True)
class TaskFigures:
    """One run, and what became of it since the reference (fp32).

    Attributes:
        flips: boards whose verdict is another.
        escaped: bad boards that the reference rejects and this passes.
        labels, met: labelled defects, and those that a counted defect meets, as golden parts are proven.
        lost: labels that the reference meets, and this does not.
        bad, right: bad boards, and those whose highest score is of a class that is on them.
        other: boards that both reject, with another class in front.
        moved: of the boxes or areas that count; None: there is no reference.
    """

    task: str
    boards: int
    flips: int
    escaped: int
    labels: int
    met: int
    lost: int
    bad: int
    right: int
    other: int
    moved: Drift | None

    def __str__(self) -> str:
        if self.task == "classify":
            words = f"{self.right} of {self.bad} bad parts get their class, {self.other} another than fp32's"
        else:
            words = f"{self.met} of {self.labels} labelled defects are met, {self.lost} that fp32 meets are not"
        moved = "" if self.moved is None or self.task == "classify" else f"; areas: {self.moved}"
        return words + moved

    @property
    def problems(self) -> list[str]:
        """Why the precision may not ship, with figures; empty: it may, or its task has no gate but the boxes'."""
        if self.task == "top100":
            return []
        found = []
        if self.escaped:
            found.append(f"{self.escaped} bad parts that fp32 rejects pass")
        for count, of, what in (
            (self.flips, self.boards, "parts get another verdict than fp32's"),
            (self.other if self.task == "classify" else 0, self.bad, "bad parts get another class than fp32's"),
            (self.lost if self.task in MAP_TASKS else 0, self.labels, "labelled defects that fp32 meets are not met"),
        ):
            if count > allowed(of):
                found.append(f"{count} of {of} {what} (allowed: {allowed(of)})")
        return found


def allowed(of: int) -> int:
    """So many of `of` may differ: one is chance."""
    return max(1, math.floor(MOST_SHARE * of))


def figures(
    manifest: Manifest, run: Judged, pairs: Sequence[Pair], thresholds: NDArray[np.float32], reference: Judged | None
) -> TaskFigures:  # fmt: skip
    """Compare a run with the labels and with the reference.

    Args:
        manifest: the bundle's.
        run: of these boards.
        pairs: labelled.
        thresholds: (classes,) from which score on a detection counts.
        reference: fp32's run; None: this is it.
    """
    base, classes = reference or run, manifest.classes
    good = np.array([pair.is_good for pair in pairs], np.bool_)
    mine = [_met(seen, pair, thresholds, classes) for seen, pair in zip(run.found, pairs, strict=True)]
    before = mine
    if reference is not None:
        before = [_met(seen, pair, thresholds, classes) for seen, pair in zip(reference.found, pairs, strict=True)]
    tops = [_top(seen, thresholds) for seen in run.found]
    tops_before = [_top(seen, thresholds) for seen in base.found]
    rejected = ~run.passed & ~base.passed
    flips = int((run.passed != base.passed).sum())
    return TaskFigures(
        task=manifest.task,
        boards=len(pairs),
        flips=flips,
        escaped=int((run.passed & ~base.passed & ~good).sum()),
        labels=sum(map(len, mine)),
        met=sum(int(each.sum()) for each in mine),
        lost=sum(int((was & ~now).sum()) for now, was in zip(mine, before, strict=True)),
        bad=int((~good).sum()),
        right=sum(top in pair.classes for top, pair in zip(tops, pairs, strict=True) if not pair.is_good),
        other=sum(
            now != was for now, was, both, ok in zip(tops, tops_before, rejected, good, strict=True) if both and not ok
        ),
        moved=None if reference is None else drift(run.found, reference.found, thresholds, flips),
    )


def met(seen: Detections, pair: Pair, counts: NDArray[np.bool_], classes: Sequence[str]) -> NDArray[np.bool_]:
    """(labels,) whether each label of a board is met by one of the detections that count (n,)."""
    defects = [
        Defect(int(kind), float(score), *map(float, box))
        for kind, score, box in zip(seen.classes[counts], seen.scores[counts], seen.boxes[counts], strict=True)
    ]
    rows = zip(pair.boxes.astype(float).tolist(), pair.classes, strict=True)
    labels = [Box(x1, y1, x2, y2, classes[kind]) for (x1, y1, x2, y2), kind in rows]
    return np.array([not unmet([label], defects, classes) for label in labels], np.bool_)


def _met(
    seen: Detections, pair: Pair, thresholds: NDArray[np.float32], classes: Sequence[str]
) -> NDArray[np.bool_]:  # fmt: skip
    return met(seen, pair, seen.scores >= thresholds[seen.classes], classes)


def _top(seen: Detections, thresholds: NDArray[np.float32]) -> int:
    """The class of the highest score of those that count; -1: none does."""
    counts = seen.scores >= thresholds[seen.classes]
    if not counts.any():
        return -1
    return int(seen.classes[counts][np.argmax(seen.scores[counts])])
