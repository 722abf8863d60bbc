"""Judge detections against labels: average precision in DeepPCB's protocol, F-score, escapes.

Pure numpy. A detection is right when its class is that of a label and their IoU exceeds the threshold;
each label counts once, and goes to the detection with the highest score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tools.boards.labels import CLASS_NAMES

# DeepPCB's protocol counts a box as found at IoU > 0.33.
DEEPPCB_IOU: Final = 0.33
IOU_THRESHOLDS: Final = (DEEPPCB_IOU, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
# Below it a detection changes no figure by more than its fourth decimal.
SCORE_FLOOR: Final = 0.01
NMS_IOU: Final = 0.45

Boxes = NDArray[np.float32]


@dataclass(frozen=True)
class Detections:
    """What the model found on one board, best first.

    Attributes:
        boxes: float32 [K, 4], x1 y1 x2 y2 px.
        scores: float32 [K], 0 to 1.
        classes: int32 [K], 0-based.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    classes: NDArray[np.int32]


@dataclass(frozen=True)
class Truth:
    """What the label file says: boxes float32 [N, 4] px, classes int32 [N], 0-based."""

    boxes: Boxes
    classes: NDArray[np.int32]


@dataclass(frozen=True)
class Curve:
    """Precision over recall of one class at one IoU, in order of falling score.

    Attributes:
        scores, precision, recall: float64 [D].
        average_precision: DeepPCB's: the precision at each right detection, summed, over the labels.
    """

    scores: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    average_precision: float


@dataclass(frozen=True)
class Point:
    """How a score threshold performs. Fractions are 0 to 1.

    Attributes:
        escapes: bad boards on which nothing was found; escape_rate is over the bad boards.
        false_calls: good boards on which something was found.
    """

    threshold: float
    precision: float
    recall: float
    f_score: float
    escapes: int
    bad_boards: int
    false_calls: int
    good_boards: int

    @property
    def escape_rate(self) -> float:
        """Part of the bad boards that passed."""
        return self.escapes / self.bad_boards if self.bad_boards else 0.0


def iou_matrix(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Intersection over union of boxes [K, 4] and [N, 4], float32 [K, N]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    area_a = np.prod(a[:, 2:] - a[:, :2], axis=1)
    area_b = np.prod(b[:, 2:] - b[:, :2], axis=1)
    return np.asarray(shared / np.maximum(area_a[:, None] + area_b[None, :] - shared, 1e-9), np.float32)


def suppress(found: Detections, iou: float = NMS_IOU) -> Detections:
    """Drop each detection that overlaps a better one of its class: greedy non-maximum suppression."""
    overlap = iou_matrix(found.boxes, found.boxes) > iou
    overlap &= found.classes[:, None] == found.classes[None, :]
    keep = np.ones(len(found.scores), np.bool_)
    for i in range(len(keep)):
        if keep[i]:
            keep[i + 1 :] &= ~overlap[i, i + 1 :]
    return Detections(found.boxes[keep], found.scores[keep], found.classes[keep])


def match(found: Detections, truth: Truth, iou: float) -> NDArray[np.bool_]:
    """Tell which detections are right, bool [K]."""
    right = np.zeros(len(found.scores), np.bool_)
    if not len(truth.boxes) or not len(found.boxes):
        return right
    overlap = iou_matrix(found.boxes, truth.boxes)
    overlap[found.classes[:, None] != truth.classes[None, :]] = 0.0
    for i in np.argsort(-found.scores, kind="stable"):
        best = int(overlap[i].argmax())
        if overlap[i, best] > iou:
            right[i] = True
            overlap[:, best] = 0.0
    return right


def curves(found: Sequence[Detections], truths: Sequence[Truth], iou: float) -> list[Curve | None]:
    """Precision-recall curve of each class; None for a class that no label has."""
    rights = [match(f, t, iou) for f, t in zip(found, truths, strict=True)]
    right = np.concatenate(rights) if rights else np.zeros(0, np.bool_)
    scores = np.concatenate([f.scores for f in found]).astype(np.float64)
    classes = np.concatenate([f.classes for f in found])
    labels = np.concatenate([t.classes for t in truths])
    result: list[Curve | None] = []
    for kind in range(len(CLASS_NAMES)):
        count = int(np.count_nonzero(labels == kind))
        mine = classes == kind
        order = np.argsort(-scores[mine], kind="stable")
        hits = right[mine][order].astype(np.float64)
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        if count:
            average = float(np.sum(precision * hits) / count)
            result.append(Curve(scores[mine][order], precision, np.cumsum(hits) / count, average))
        else:
            result.append(None)
    return result


def mean_average_precision(found: Sequence[Detections], truths: Sequence[Truth], iou: float) -> float:
    """Mean over the classes that occur, 0 to 1."""
    values = [curve.average_precision for curve in curves(found, truths, iou) if curve is not None]
    return float(np.mean(values)) if values else 0.0


def operating_points(found: Sequence[Detections], truths: Sequence[Truth], thresholds: Sequence[float]) -> list[Point]:
    """Evaluate score thresholds at DeepPCB's IoU, all classes together."""
    rights = [match(f, t, DEEPPCB_IOU) for f, t in zip(found, truths, strict=True)]
    right = np.concatenate(rights)
    scores = np.concatenate([f.scores for f in found])
    best = np.array([f.scores.max() if len(f.scores) else 0.0 for f in found])
    is_bad = np.array([len(t.boxes) > 0 for t in truths])
    labels = sum(len(t.boxes) for t in truths)
    points = []
    for threshold in thresholds:
        called = scores >= threshold
        hits = int(np.count_nonzero(right & called))
        precision = hits / max(1, int(np.count_nonzero(called)))
        recall = hits / max(1, labels)
        points.append(
            Point(
                float(threshold),
                precision,
                recall,
                2 * precision * recall / max(precision + recall, 1e-9),
                escapes=int(np.count_nonzero(is_bad & (best < threshold))),
                bad_boards=int(np.count_nonzero(is_bad)),
                false_calls=int(np.count_nonzero(~is_bad & (best >= threshold))),
                good_boards=int(np.count_nonzero(~is_bad)),
            )
        )
    return points


def best_threshold(found: Sequence[Detections], truths: Sequence[Truth]) -> float:
    """The score threshold with the highest F-score; the middle of them where several have it."""
    grid = np.round(np.arange(0.05, 0.96, 0.01), 2)
    f_scores = np.array([point.f_score for point in operating_points(found, truths, list(grid))])
    winners = np.flatnonzero(f_scores >= f_scores.max() - 1e-9)
    return float(grid[winners[len(winners) // 2]])


def summary(found: Sequence[Detections], truths: Sequence[Truth], threshold: float) -> dict[str, object]:
    """All figures of one test, ready for JSON. Fractions are 0 to 1."""
    by_iou = {iou: mean_average_precision(found, truths, iou) for iou in IOU_THRESHOLDS}
    protocol = curves(found, truths, DEEPPCB_IOU)
    (point,) = operating_points(found, truths, [threshold])
    own = best_threshold(found, truths)
    (best,) = operating_points(found, truths, [own])
    sweep = operating_points(found, truths, [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7])
    return {
        "boards": len(truths),
        "labels": sum(len(t.boxes) for t in truths),
        "map_iou33": by_iou[DEEPPCB_IOU],
        "map_iou50": by_iou[0.5],
        "map_iou50_95": float(np.mean([by_iou[iou] for iou in IOU_THRESHOLDS[1:]])),
        "ap_iou33": {
            name: curve.average_precision
            for name, curve in zip(CLASS_NAMES, protocol, strict=True)
            if curve is not None
        },
        "at_threshold": _row(point),
        # Chosen on this very test: an upper bound, to see what the threshold costs.
        "at_own_best_threshold": _row(best),
        "sweep": [_row(p) for p in sweep],
    }


def _row(point: Point) -> dict[str, float | int]:
    return {**point.__dict__, "escape_rate": point.escape_rate}
