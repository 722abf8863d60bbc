"""Judge detections against labels: matching, precision and recall, average precision, F-score.

Process: offline. Pure numpy: training uses it too, on machines without this program's other packages.

A detection is right when it lies on a label of its class, IoU above the threshold; each label is found
once. Detections are taken in the order of their scores, and each takes the label that it overlaps most
of those that no better one took (as COCO's evaluation does; VOC's would call it wrong where its best
label is gone).

Sources: DeepPCB (Tang et al., "Online PCB Defect Detector On A New PCB Defect Dataset", 2019, and the
repository's README): IoU > 0.33, same class, F = 2PR / (P + R) over all classes together. Its script is
borrowed from ICDAR 2015's, whose average precision is the sum of the precision at each right detection
over the labels, the area under the curve as it is: `AREA`.
COCO: 101 points, each at the best precision of that recall or more, IoU 0.5 and 0.5 to 0.95 in steps of
0.05: `COCO`. PASCAL VOC since 2010: the area under that same smoothed curve: `VOC`. AREA <= VOC always.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

DEEPPCB_IOU: Final = 0.33
COCO_IOUS: Final = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
_RECALLS: Final = np.linspace(0.0, 1.0, 101)


class Labelled(Protocol):
    """What is there: boxes (n, 4) x1 y1 x2 y2 in px, classes (n,) 0-based."""

    @property
    def boxes(self) -> NDArray[Any]: ...  # noqa: D102

    @property
    def classes(self) -> NDArray[np.int32]: ...  # noqa: D102


class Scored(Labelled, Protocol):
    """What was found: as `Labelled`, with scores (n,) 0..1, in any order."""

    @property
    def scores(self) -> NDArray[np.float32]: ...  # noqa: D102


class Rule(enum.Enum):
    """How average precision is read off a curve; the module says where each is from."""

    AREA = "area"
    VOC = "voc"
    COCO = "coco"


class Matches(NamedTuple):
    """All detections of a test, in falling score, stable.

    Attributes:
        scores: (n,) float64.
        classes: (n,) int32.
        boards: (n,) intp, index of the board that each was found on.
        labels: (n,) intp, index of the label it took on its board; -1: wrong.
        label_counts: (classes,) intp, labels of each class in the whole test.
    """

    scores: NDArray[np.float64]
    classes: NDArray[np.int32]
    boards: NDArray[np.intp]
    labels: NDArray[np.intp]
    label_counts: NDArray[np.intp]

    @property
    def right(self) -> NDArray[np.bool_]:
        """(n,) whether each found a label."""
        return self.labels >= 0


class Curve(NamedTuple):
    """One class: precision and recall (n,) as the threshold falls through `scores` (n,)."""

    scores: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    labels: int


class Point(NamedTuple):
    """Precision, recall and F over all classes together, 0..1, at `threshold` (None: by class)."""

    precision: float
    recall: float
    f_score: float
    threshold: float | None = None


def iou_matrix(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of boxes (k, 4) and (n, 4): (k, n); 0 where both have no area."""
    a, b = a.astype(np.float64)[:, None], b.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.maximum(sides, 0.0), axis=2)
    union = np.prod(a[..., 2:] - a[..., :2], axis=2) + np.prod(b[..., 2:] - b[..., :2], axis=2) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def match(found: Scored, truth: Labelled, iou: float) -> NDArray[np.intp]:
    """The label (index) that each detection (k,) of one board takes, -1 for none."""
    taken = np.full(len(found.scores), -1, np.intp)
    if not len(found.scores) or not len(truth.boxes):
        return taken
    overlap = iou_matrix(found.boxes, truth.boxes)
    overlap[found.classes[:, None] != truth.classes[None]] = 0.0
    for row in np.argsort(-found.scores, kind="stable"):
        best = int(overlap[row].argmax())
        if overlap[row, best] > iou:
            taken[row] = best
            overlap[:, best] = 0.0
    return taken


def match_all(found: Sequence[Scored], truths: Sequence[Labelled], iou: float, class_count: int) -> Matches:
    """Match every board of a test; `found` and `truths` are one a board."""
    taken = [match(f, t, iou) for f, t in zip(found, truths, strict=True)]
    scores = _joined([f.scores for f in found]).astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    return Matches(
        scores[order],
        _joined([f.classes for f in found]).astype(np.int32)[order],
        np.repeat(np.arange(len(found)), [len(f.scores) for f in found])[order],
        _joined(taken).astype(np.intp)[order],
        np.bincount(_joined([t.classes for t in truths]).astype(np.intp), minlength=class_count),
    )


def curve(matches: Matches, kind: int) -> Curve | None:
    """Precision over recall of class `kind`; None where no board has a label of it."""
    count = int(matches.label_counts[kind])
    if not count:
        return None
    mine = matches.classes == kind
    hits = np.cumsum(matches.right[mine])
    return Curve(matches.scores[mine], hits / np.arange(1, len(hits) + 1), hits / count, count)


def average_precision(points: Curve, rule: Rule) -> float:
    """Average precision, 0..1, by one of three rules; see the module."""
    precision, recall = points.precision, points.recall
    if not len(precision):
        return 0.0
    steps = np.diff(recall, prepend=0.0)
    if rule is Rule.AREA:
        return float(np.sum(precision * steps))
    smoothed = np.maximum.accumulate(precision[::-1])[::-1]
    if rule is Rule.VOC:
        return float(np.sum(smoothed * steps))
    # A recall of 0.3 is 3 / 10 in one place and 30 * 0.01 in the other: without the margin a point is lost.
    places = np.searchsorted(recall, _RECALLS - 1e-9, side="left")
    return float(np.append(smoothed, 0.0)[places].mean())


def average_precisions(matches: Matches, rule: Rule) -> list[float | None]:
    """Average precision by class; None where no board has a label of it."""
    curves = [curve(matches, kind) for kind in range(len(matches.label_counts))]
    return [None if points is None else average_precision(points, rule) for points in curves]


def mean_average_precision(matches: Matches, rule: Rule) -> float:
    """The mean over the classes that have labels, 0..1."""
    values = [value for value in average_precisions(matches, rule) if value is not None]
    return float(np.mean(values)) if values else 0.0


def map_range(found: Sequence[Scored], truths: Sequence[Labelled], class_count: int) -> float:
    """COCO's mAP 0.5:0.95: the mean over ten IoU thresholds."""
    return float(
        np.mean([mean_average_precision(match_all(found, truths, iou, class_count), Rule.COCO) for iou in COCO_IOUS])
    )


def f_score_at(matches: Matches, thresholds: NDArray[Any]) -> Point:
    """Precision, recall and F of the detections that reach their class's threshold (classes,).

    A detection's match does not depend on those of lower score, so one match serves all thresholds.
    """
    called = matches.scores >= thresholds[matches.classes]
    return _point(int((matches.right & called).sum()), int(called.sum()), int(matches.label_counts.sum()), None)


def best_f_score(matches: Matches) -> Point:
    """The highest F that one threshold for all classes reaches; the highest such threshold."""
    labels = int(matches.label_counts.sum())
    if not len(matches.scores) or not labels:
        return _point(0, 0, labels, 1.0)
    hits, called = np.cumsum(matches.right), np.arange(1, len(matches.scores) + 1)
    f_scores = 2 * hits / (called + labels)
    # Detections of equal score come or go together.
    f_scores[:-1][np.diff(matches.scores) == 0] = -1.0
    best = int(f_scores.argmax())
    return _point(int(hits[best]), best + 1, labels, float(matches.scores[best]))


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0)


def _point(hits: int, called: int, labels: int, threshold: float | None) -> Point:
    precision = hits / called if called else 0.0
    recall = hits / labels if labels else 0.0
    f_score = 2 * hits / (called + labels) if called + labels else 0.0  # = 2PR / (P + R)
    return Point(precision, recall, f_score, threshold)
