"""The judgement: from what a model found to PASS or REJECT.

Pure: no clock, no file, no state. A PASS needs proof: time left, outputs that
are numbers, and no class found more often than the recipe allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.overlap import suppress_overlaps
from aoi_daemon.decide.regions import View, compile_views
from aoi_daemon.errors import InferenceError
from aoi_daemon.messages import MAX_DEFECTS, Defect, Reason

MAX_CANDIDATES: Final = 3000
"""Rows that count and are told apart; with more of them a part is rejected. 150 things seen 15 times each take 2 ms;
where none is another's duplicate, 4000 took 43 ms."""
_ROUNDING: Final = 1e-3
"""So far beyond 0 and 1 a score may be for arithmetic's sake (FP16, INT8)."""
_OUTSIDE: Final = 1 / 8
"""So far beyond the frame's border, in shares of its side, the centre of a box may be..."""
_REACH: Final = 1 / 2
"""...and its corners. A model's boxes stick out of the frame, but not by so much."""
_SHARES: Final = 2.0
"""Boxes that all lie below it are shares of the frame, not px."""

ANY_CLASS: Final = "*"
"""The limit of this name holds for every class that no other limit names."""


class Found(Protocol):
    """What a model found; row i of each belongs together, in any order."""

    @property
    def boxes(self) -> NDArray[np.float32]:
        """(n, 4), x1 y1 x2 y2 in pixels of the frame."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """(n,), 0..1."""

    @property
    def classes(self) -> NDArray[np.int32]:
        """(n,), index into the bundle's classes."""


class Verdict(NamedTuple):
    """PASS or REJECT, and why. `passed` goes with NONE and no defect, and with nothing else.

    `defects` are those that reject the part, worst (highest score) first, on the
    line at most MAX_DEFECTS; `defect_count` counts all of them. What the recipe
    tolerates (`max_count`) is not among them. `worst_class`: -1 is none.
    """

    passed: bool
    reason: Reason
    defects: tuple[Defect, ...] = ()
    worst_class: int = -1
    defect_count: int = 0

    @classmethod
    def reject(cls, reason: Reason) -> Verdict:
        """A reject for something other than what was seen on the part."""
        return cls(False, reason)


_PASS: Final = Verdict(True, Reason.NONE)
_LATE: Final = Verdict.reject(Reason.LATE)


@dataclass(frozen=True, eq=False)
class Criteria:
    """A recipe made ready for one bundle: arrays by class index, regions in pixels.

    Attributes:
        classes: the bundle's class names.
        scores: (classes,) float32, a detection below does not count.
        min_sizes: (classes, 2) float32, width and height in px, a smaller box does not count.
        max_counts: (classes,) int64, so many are still good.
        overlap: boxes of one class that overlap more are one defect (IoU).
        frame_px: (2,) float32, width and height of a frame.
        views: regions by field of view; None is for those not named.
    """

    classes: tuple[str, ...]
    scores: NDArray[np.float32]
    min_sizes: NDArray[np.float32]
    max_counts: NDArray[np.int64]
    overlap: float
    frame_px: NDArray[np.float32]
    views: Mapping[int | None, View]

    @classmethod
    def compile(cls, recipe: Recipe, classes: Sequence[str]) -> Criteria:
        """Compile `recipe` for a bundle of `classes`.

        A class without a limit, where the recipe has no `*`, is held by the
        default limit: what was forgotten rejects.

        Raises:
            ValueError: a limit names no class of the bundle, or a limit or a
                region would make every part pass; names it.
        """
        limits = {limit.name: limit for limit in recipe.limits}
        unknown = sorted(set(limits) - {ANY_CLASS, *classes})
        if unknown:
            raise ValueError(f"limits.name: the bundle has no class {', '.join(unknown)} (there: {', '.join(classes)})")
        for limit in limits.values():
            _check_size(limit, recipe)
        rest = limits.get(ANY_CLASS, ClassLimit(name=ANY_CLASS))
        by_class = [limits.get(name, rest) for name in classes]
        sizes = np.array([(limit.min_width, limit.min_height) for limit in by_class]) * recipe.px_per_unit
        return cls(
            classes=tuple(classes),
            scores=np.array([limit.score for limit in by_class], np.float32),
            min_sizes=sizes.astype(np.float32),
            max_counts=np.array([limit.max_count for limit in by_class], np.int64),
            overlap=recipe.overlap,
            frame_px=np.array((recipe.width_px, recipe.height_px), np.float32),
            views=compile_views(recipe.regions, recipe.px_per_unit, recipe.width_px, recipe.height_px),
        )

    @property
    def tolerates(self) -> bool:
        """Whether there is a class of which some defects are good."""
        return bool(self.max_counts.any())

    def knows(self, fov: int) -> bool:
        """Whether the recipe says where to look in field of view `fov`: regions for it or for all, or none at all."""
        return not self.views or fov in self.views or None in self.views

    def view(self, fov: int) -> View | None:
        """The regions of field of view `fov`; None: everything counts."""
        views = self.views
        return views.get(fov) or views.get(None)


def judge(
    found: Found, criteria: Criteria, fov: int, *, slack_ns: int, at_most: int | None = MAX_DEFECTS
) -> Verdict:
    """Judge one view by what the model found on it.

    A detection counts when its score, its box's size and its centre's place
    do; those that overlap are one; a class that is left more often than its
    `max_count` rejects the part. So with `max_count` 0 a further detection
    never turns a reject into a PASS; with more, one that joins two others
    into one can.

    Args:
        found: the model's outputs, not filtered; only read.
        criteria: what the recipe allows.
        fov: the field of view, for its regions.
        slack_ns: time left until the deadline. Below 0 the part is LATE, whatever was found.
        at_most: so many defects are listed; None: all, for whoever compares them with labels.

    Raises:
        InferenceError: the outputs are not what a model may say: not finite, a score beyond 0..1, a class that the
            bundle does not have, and of what scores enough a box with its corners swapped or far outside the frame,
            or nothing but boxes of no size. The part is rejected and the engine not trusted with the next.
    """
    if slack_ns < 0:
        return _LATE
    scores, classes = found.scores, found.classes
    _check_found(found, len(criteria.classes))
    (rows,) = (scores >= criteria.scores.take(classes)).nonzero()
    if not rows.size:
        return _PASS
    boxes = found.boxes.take(rows, axis=0)
    sizes = boxes[:, 2:] - boxes[:, :2]
    specks = _check_boxes(boxes, sizes, scores.take(rows), criteria.frame_px)
    if specks is not None:
        return _reject(found, rows[specks], at_most)
    rows = rows[_counting(boxes, sizes, classes.take(rows), criteria, fov)]
    if not rows.size:
        return _PASS
    if criteria.tolerates:
        # Suppression only takes away: a class of so few rows is tolerated, and needs none.
        rows = rows[_too_many(classes.take(rows), criteria).take(classes.take(rows))]
        if not rows.size:
            return _PASS
    beyond = rows.size > MAX_CANDIDATES
    if beyond:
        rows = rows[np.argpartition(-scores.take(rows), MAX_CANDIDATES)[:MAX_CANDIDATES]]
    boxes, scores, classes = found.boxes.take(rows, axis=0), scores.take(rows), classes.take(rows)
    kept = suppress_overlaps(boxes, scores, classes, criteria.overlap)
    defects = kept
    if criteria.tolerates:
        defects = kept[_too_many(classes.take(kept), criteria).take(classes.take(kept))]
    if not defects.size:
        if not beyond:
            return _PASS
        # What was not looked at may be more than is tolerated: none of it is.
        defects = kept
    return _reject(found, rows[defects], at_most)


def _reject(found: Found, rows: NDArray[np.intp], at_most: int | None) -> Verdict:
    """The rows, best score first, are what the part is rejected for."""
    worst = rows[:at_most]
    columns = (found.classes.take(worst), found.scores.take(worst), *found.boxes.take(worst, axis=0).T)
    # From lists: the reason stands at `unpack_defects`.
    listed = tuple([Defect._make(row) for row in zip(*[column.tolist() for column in columns], strict=True)])
    return Verdict(False, Reason.DEFECT, listed, listed[0].label, len(rows))


def _too_many(classes: NDArray[np.int32], criteria: Criteria) -> NDArray[np.bool_]:
    """For each class of the bundle, whether `classes` has more rows of it than are good."""
    return np.bincount(classes, minlength=len(criteria.classes)) > criteria.max_counts


def _counting(
    boxes: NDArray[np.float32], sizes: NDArray[np.float32], classes: NDArray[np.int32], criteria: Criteria, fov: int
) -> NDArray[np.bool_]:
    """Whether each box (n, 4), of `sizes` (n, 2), is large enough and lies where it counts."""
    large = sizes >= criteria.min_sizes.take(classes, axis=0)
    counting: NDArray[np.bool_] = large[:, 0] & large[:, 1]
    view = criteria.view(fov)
    if view is not None:
        counting &= view.counts(boxes)
    return counting


def _check_boxes(
    boxes: NDArray[np.float32], sizes: NDArray[np.float32], scores: NDArray[np.float32], frame_px: NDArray[np.float32]
) -> NDArray[np.intp] | None:
    """Refuse boxes that can be no px of the frame: a least size or a region would drop them, and the part pass.

    A box below 1 px in both sides may be one that the frame's border cuts off: the part is rejected for it, whatever
    the recipe says of sizes and places. The indices of such, best score first; None: there are none.
    """
    smallest = sizes.min()
    if smallest >= 1 and boxes.min() >= 0 and (boxes[:, 2:] <= frame_px).all():
        return None
    if smallest < 0:
        swapped = boxes[(sizes < 0).any(axis=1)][0].tolist()
        raise InferenceError(f"the model gave a box with its corners swapped: {swapped}")
    tiny = (sizes < 1).all(axis=1)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    far = (np.abs(centres / frame_px - 0.5) > 0.5 + _OUTSIDE).any(axis=1)
    far |= ((boxes[:, :2] < -_REACH * frame_px) | (boxes[:, 2:] > (1 + _REACH) * frame_px)).any(axis=1)
    # A row that only fills up scores 0; with a threshold of 0 it comes here.
    (wrong,) = (far & (scores > 0)).nonzero()
    (specks,) = (tiny & (scores > 0)).nonzero()
    what = "it lies far outside"
    if specks.size > 1 and specks.size == (scores > 0).sum() and np.abs(boxes).max() < _SHARES:
        wrong, what = specks, "boxes seem normalised 0..1"
    if wrong.size:
        raise InferenceError(
            f"the model gave the box {boxes[wrong[0]].tolist()} on a frame of {frame_px[0]:g} x {frame_px[1]:g} px: "
            f"{what}; expected x1 y1 x2 y2 in px"
        )
    return specks[np.argsort(-scores.take(specks), kind="stable")] if specks.size else None


def _check_found(found: Found, class_count: int) -> None:
    """Refuse what must not be compared: a NaN is below any threshold, and would pass."""
    boxes, scores, classes = found.boxes, found.scores, found.classes
    rows = len(scores)
    if boxes.shape != (rows, 4) or classes.shape != (rows,):
        raise InferenceError(f"the model gave scores {scores.shape}, boxes {boxes.shape} and classes {classes.shape}")
    if not rows:
        return
    lowest, highest = scores.min(), scores.max()
    # Asked so that a NaN, which is greater than nothing, is refused, too.
    if not (lowest >= -_ROUNDING and highest <= 1 + _ROUNDING):
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise InferenceError("the model gave scores that are not finite")
        raise InferenceError(
            f"the model gave scores {lowest:g} to {highest:g}; expected 0 to 1 (is a sigmoid or softmax missing?)"
        )
    if not np.isfinite(boxes).all():
        raise InferenceError("the model gave boxes that are not finite")
    first, last = classes.min(), classes.max()
    if first < 0 or last >= class_count:
        raise InferenceError(f"the model gave classes {first} to {last}, the bundle has 0 to {class_count - 1}")


def _check_size(limit: ClassLimit, recipe: Recipe) -> None:
    """A least size that no box in the frame reaches would make every part pass."""
    for key, value, frame_px in (
        ("min_width", limit.min_width, recipe.width_px),
        ("min_height", limit.min_height, recipe.height_px),
    ):
        if not value * recipe.px_per_unit < frame_px:
            raise ValueError(
                f"limits.{key} = {value:g} {recipe.unit} of {limit.name}: not below the frame's "
                f"{frame_px} px, no defect would count"
            )
