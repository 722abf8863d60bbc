"""Do two sets of boxes, scores or verdicts agree? Pure.

Boxes are paired one to one, within their class and picture: first as many as can be within all bounds, so that an
unlucky pairing never makes a difference; what is left by the best overlap, and differs; what is then left alone is
missing or extra. Alone, and at a threshold, is neither: rounding decides there, and it is counted by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SCORE_BOUND: Final = 0.001
OVERLAP_BOUND: Final = 0.99
PICTURE_BOUND: Final = 0.02
"""Of a score from the picture: two readers and two resizers lie between."""
_SAME_THING: Final = 0.5
"""Two boxes that overlap so much are of one thing, and their difference is told."""


class Boxes(NamedTuple):
    """picture (n,) int, boxes (n, 4) x1 y1 x2 y2 px, scores (n,), labels (n,) int."""

    picture: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]


@dataclass
class Agreement:
    """What a comparison came to.

    Attributes:
        n: compared pairs: boxes, labels or maps.
        score: the greatest difference of a score in a pair.
        overlap: the least intersection over union in a pair; None: nothing has one.
        missing, extra: what one side alone has: theirs, ours.
        near: what one side alone has because a threshold is within its bound.
        duplicates: what one side alone has of a thing that both find.
        beyond: pairs that are out of a bound.
        examples: some of what does not agree, in words.
    """

    n: int = 0
    score: float = 0.0
    overlap: float | None = None
    missing: int = 0
    extra: int = 0
    near: int = 0
    duplicates: int = 0
    beyond: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether all that was compared agrees."""
        return not (self.missing or self.extra or self.beyond)

    def pair(
        self, words: str, score: float, overlap: float | None, *, score_bound: float, overlap_bound: float
    ) -> None:
        """Add a pair: the difference of its scores, and what its areas share."""
        self.n += 1
        self.score = max(self.score, score)
        if overlap is not None:
            self.overlap = overlap if self.overlap is None else min(self.overlap, overlap)
        # Asked so that a NaN, which is less than nothing, is out of bounds.
        if not (score <= score_bound and (overlap is None or overlap >= overlap_bound)):
            self.beyond += 1
            self._example(
                f"{words}: scores differ by {score:.4f}" + (f", IoU {overlap:.4f}" if overlap is not None else "")
            )

    def alone(self, words: str, *, ours: bool, near: bool) -> None:
        """Add what one side alone has."""
        if near:
            self.near += 1
            return
        self.extra += ours
        self.missing += not ours
        self._example(f"{words}: {'extra here' if ours else 'missing here'}")

    def _example(self, words: str) -> None:
        if len(self.examples) < 12:
            self.examples.append(words)


def match_boxes(
    theirs: Boxes, ours: Boxes, *, threshold: float, overlap: float | None = None,
    score_bound: float = SCORE_BOUND, overlap_bound: float = OVERLAP_BOUND, duplicates: bool = False,
) -> Agreement:  # fmt: skip
    """Compare detections that both sides say are at least `threshold`.

    Args:
        theirs: rows in any order.
        ours: the same.
        threshold: of the score; a row within `score_bound` of it may be one side's alone.
        overlap: above which one of two boxes of a class was left out; a row that overlaps another by it, within
            1 - `overlap_bound`, may be one side's alone. None: nothing was left out here.
        score_bound: of a pair.
        overlap_bound: of a pair.
        duplicates: the two sides leave duplicates out by other rules: what one alone has, and overlaps a box of its
            class that both have and that scores no less, is counted by itself.
    """
    found = Agreement()
    for picture in np.unique(np.concatenate((theirs.picture, ours.picture))):
        for label in np.unique(np.concatenate((theirs.labels, ours.labels))):
            sides = [_rows(each, picture, label) for each in (theirs, ours)]
            words = f"picture {picture}, class {label}"
            shares = iou(sides[0].boxes, sides[1].boxes)
            apart = np.abs(sides[0].scores[:, None] - sides[1].scores[None])
            pairs = _paired((shares >= overlap_bound) & (apart <= score_bound))
            pairs |= _nearest(shares, set(pairs), set(pairs.values()))
            for one, other in pairs.items():
                found.pair(
                    f"{words}, box {np.round(sides[0].boxes[one], 1).tolist()}", float(apart[one, other]),
                    float(shares[one, other]), score_bound=score_bound, overlap_bound=overlap_bound,
                )  # fmt: skip
            everything = np.concatenate((sides[0].boxes, sides[1].boxes))
            for side, taken, is_ours in ((sides[0], set(pairs), False), (sides[1], set(pairs.values()), True)):
                for row in sorted(set(range(len(side.scores))) - taken):
                    near = abs(side.scores[row] - threshold) <= score_bound or (
                        overlap is not None and _at(side.boxes[row], everything, overlap, 1 - overlap_bound)
                    )
                    if duplicates and not near and _is_twin(side, row, sorted(taken)):
                        found.duplicates += 1
                        continue
                    box = f"box {np.round(side.boxes[row], 1).tolist()}, score {side.scores[row]:.4f}"
                    found.alone(f"{words}, {box}", ours=is_ours, near=bool(near))
    return found


def _rows(of: Boxes, picture: int, label: int) -> Boxes:
    rows = (of.picture == picture) & (of.labels == label)
    return Boxes(of.picture[rows], of.boxes[rows], of.scores[rows], of.labels[rows])


def match_labels(
    theirs: NDArray[np.float64], ours: NDArray[np.float64], *, score_bound: float = SCORE_BOUND
) -> Agreement:
    """Compare scores (n, classes), a picture each: the greatest difference over its classes; the same class wins.

    The label is as good as a box that is there or not: where another class wins, it is missing, unless the two best
    of theirs lie within twice the bound, which rounding decides.
    """
    found = Agreement()
    for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        words = f"picture {number}"
        found.pair(words, float(np.abs(one - other).max()), None, score_bound=score_bound, overlap_bound=0.0)
        if one.argmax() != other.argmax():
            best = np.sort(one)[::-1]
            near = best.size > 1 and best[0] - best[1] <= 2 * score_bound
            found.alone(f"{words}: class {one.argmax()} theirs, {other.argmax()} ours", ours=False, near=bool(near))
    return found


def match_maps(
    theirs: NDArray[np.float64], ours: NDArray[np.float64], *, threshold: float,
    score_bound: float = SCORE_BOUND, overlap_bound: float = OVERLAP_BOUND,
) -> Agreement:  # fmt: skip
    """Compare maps (n, classes, h, w): the greatest difference of a value, and the areas at or above `threshold`.

    A map of nothing on both sides counts as one, and shares all. Places within `score_bound` of the threshold, on
    their side, belong to neither area: they are counted as near where the two sides differ.
    """
    found = Agreement()
    for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        for label, (mine, yours) in enumerate(zip(one, other, strict=True)):
            first, second = mine >= threshold, yours >= threshold
            near = (first != second) & (np.abs(mine - threshold) <= score_bound)
            found.near += int(near.sum())
            both, either = int((first & second).sum()), int(((first | second) & ~near).sum())
            found.pair(
                f"picture {number}, class {label}", float(np.abs(mine - yours).max()), both / either if either else 1.0,
                score_bound=score_bound, overlap_bound=overlap_bound,
            )  # fmt: skip
    return found


def match_verdicts(
    theirs: Sequence[float], ours: Sequence[float], *, threshold: float, score_bound: float = PICTURE_BOUND
) -> Agreement:
    """Compare the worst defect's score of each picture; 0: there is none above the floor that was asked for.

    A picture is rejected at `threshold`. Where the verdicts differ, one side alone has a defect: ours an extra, theirs
    a missing one; near where both scores lie within `score_bound` of the threshold.
    """
    found = Agreement()
    for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        words = f"picture {number}: score {one:.4f} theirs, {other:.4f} ours"
        if (one >= threshold) != (other >= threshold):
            near = max(abs(one - threshold), abs(other - threshold)) <= score_bound
            found.alone(words, ours=other >= threshold, near=near)
        # Below the threshold on both sides a picture is good, by whatever score.
        apart = 0.0 if max(one, other) < threshold else abs(one - other)
        found.pair(words, apart, None, score_bound=score_bound, overlap_bound=0.0)
    return found


def iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, m) of boxes (n, 4) and (m, 4); two boxes without area share all where they are the same one."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1) for boxes in (one, other)]
    union = areas[0][:, None] + areas[1][None] - shared
    same = (one[:, None] == other[None]).all(axis=2)
    found: NDArray[np.float64] = np.where(union > 0, shared / np.where(union > 0, union, 1), same)
    return found


def _at(box: NDArray[np.float64], others: NDArray[np.float64], overlap: float, bound: float) -> bool:
    """Whether `box` overlaps one of `others` by `overlap`, within `bound`."""
    return bool((np.abs(iou(box[None], others)[0] - overlap) <= bound).any())


def _is_twin(of: Boxes, row: int, shared: list[int]) -> bool:
    """Whether `row` overlaps one of the rows `shared`, which scores no less."""
    overlaps = iou(of.boxes[row][None], of.boxes[shared])[0] > 0
    return bool((overlaps & (of.scores[shared] >= of.scores[row])).any())


def _paired(fits: NDArray[np.bool_]) -> dict[int, int]:
    """As many pairs (row to column) as can be where `fits` (n, m): Kuhn's augmenting paths."""
    row_of: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column in np.flatnonzero(fits[row]).tolist():
            if column in seen:
                continue
            seen.add(column)
            if column not in row_of or place(row_of[column], seen):
                row_of[column] = row
                return True
        return False

    for row in range(fits.shape[0]):
        place(row, set())
    return {row: column for column, row in row_of.items()}


def _nearest(shares: NDArray[np.float64], rows: set[int], columns: set[int]) -> dict[int, int]:
    """Pairs of what is left that are of one thing, the best overlap first."""
    found: dict[int, int] = {}
    for place in np.argsort(-shares, axis=None, kind="stable").tolist():
        row, column = divmod(place, shares.shape[1])
        if shares[row, column] < _SAME_THING:
            break
        if row not in rows | set(found) and column not in columns | set(found.values()):
            found[row] = column
    return found
