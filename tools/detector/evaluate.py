"""Judge detections against labels: average precision in DeepPCB's protocol, F-score, escapes.

Pure numpy. Matching, precision and average precision are the package's (engine/qualify/metrics.py): a bundle is
qualified by the same figures as the training that it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.qualify import metrics
from aoi_daemon.engine.qualify.metrics import (
    COCO_IOUS,
    DEEPPCB_IOU,
    Matches,
    Rule,
    average_precisions,
    f_score_at,
    iou_matrix,
    match_all,
)
from aoi_daemon.kit.boards.labels import CLASS_NAMES

IOU_THRESHOLDS: Final = (DEEPPCB_IOU, *COCO_IOUS)
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


def suppress(found: Detections, iou: float = NMS_IOU) -> Detections:
    """Drop each detection that overlaps a better one of its class: greedy non-maximum suppression."""
    overlap = iou_matrix(found.boxes, found.boxes) > iou
    overlap &= found.classes[:, None] == found.classes[None, :]
    keep = np.ones(len(found.scores), np.bool_)
    for i in range(len(keep)):
        if keep[i]:
            keep[i + 1 :] &= ~overlap[i, i + 1 :]
    return Detections(found.boxes[keep], found.scores[keep], found.classes[keep])


def matched(
    found: Sequence[Detections], truths: Sequence[Truth], iou: float = DEEPPCB_IOU, classes: int = len(CLASS_NAMES)
) -> Matches:
    """The detections of a complete test beside its labels; one of each a board."""
    return match_all(found, truths, iou, classes)


def mean_average_precision(
    found: Sequence[Detections], truths: Sequence[Truth], iou: float, classes: int = len(CLASS_NAMES)
) -> float:
    """DeepPCB's, the mean over the classes that occur, 0 to 1."""
    return metrics.mean_average_precision(matched(found, truths, iou, classes), Rule.AREA)


def operating_points(
    found: Sequence[Detections],
    truths: Sequence[Truth],
    thresholds: Sequence[float],
    classes: int = len(CLASS_NAMES),
) -> list[Point]:
    """Evaluate score thresholds at DeepPCB's IoU, all classes together."""
    matches = matched(found, truths, classes=classes)
    best = np.array([f.scores.max() if len(f.scores) else 0.0 for f in found])
    is_bad = np.array([len(t.boxes) > 0 for t in truths])
    points = []
    for threshold in thresholds:
        reached = f_score_at(matches, np.full(classes, threshold))
        points.append(
            Point(
                float(threshold),
                reached.precision,
                reached.recall,
                reached.f_score,
                escapes=int(np.count_nonzero(is_bad & (best < threshold))),
                bad_boards=int(np.count_nonzero(is_bad)),
                false_calls=int(np.count_nonzero(~is_bad & (best >= threshold))),
                good_boards=int(np.count_nonzero(~is_bad)),
            )
        )
    return points


def best_threshold(found: Sequence[Detections], truths: Sequence[Truth], classes: int = len(CLASS_NAMES)) -> float:
    """The score threshold with the highest F-score; the middle of them where several have it."""
    grid = np.round(np.arange(0.05, 0.96, 0.01), 2)
    f_scores = np.array([point.f_score for point in operating_points(found, truths, list(grid), classes)])
    winners = np.flatnonzero(f_scores >= f_scores.max() - 1e-9)
    return float(grid[winners[len(winners) // 2]])


def summary(
    found: Sequence[Detections], truths: Sequence[Truth], threshold: float, names: Sequence[str] = CLASS_NAMES
) -> dict[str, object]:
    """All figures of one test, ready for JSON. Fractions are 0 to 1; `names` are the classes'."""
    count = len(names)
    by_iou = {iou: mean_average_precision(found, truths, iou, count) for iou in IOU_THRESHOLDS}
    protocol = average_precisions(matched(found, truths, classes=count), Rule.AREA)
    own = best_threshold(found, truths, count)
    steps = [threshold, own, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7]
    point, best, *sweep = operating_points(found, truths, steps, count)
    return {
        "boards": len(truths),
        "labels": sum(len(t.boxes) for t in truths),
        "map_iou33": by_iou[DEEPPCB_IOU],
        "map_iou50": by_iou[0.5],
        "map_iou50_95": float(np.mean([by_iou[iou] for iou in IOU_THRESHOLDS[1:]])),
        "ap_iou33": {name: value for name, value in zip(names, protocol, strict=True) if value is not None},
        "at_threshold": _row(point),
        # Chosen on this very test: an upper bound, to see what the threshold costs.
        "at_own_best_threshold": _row(best),
        "sweep": [_row(p) for p in sweep],
    }


def _row(point: Point) -> dict[str, float | int]:
    return {**point.__dict__, "escape_rate": point.escape_rate}
