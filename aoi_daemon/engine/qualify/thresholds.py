"""Choose, class by class, the score from which a detection counts.

Process: offline. Pure numpy.

The judgement is lexical: first as few escapes as any threshold allows, then as few false calls. An
escape is counted by defect, as if each were alone on its board: a board of seven defects is rejected
by one of them, and would hide that six go unseen. A false call is a detection that touches no label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.qualify.metrics import DEEPPCB_IOU, Labelled, Scored, iou_matrix, match

LEAST_SCORE: Final = 0.1
"""No threshold is below. A defect that scores less counts as missed: one such label, right or wrong, would
otherwise set the threshold for all, down among what every board is full of."""


class Recommendation(NamedTuple):
    """One class's threshold, and what it costs on the set that it was chosen on."""

    threshold: float
    labels: int
    missed: int
    """Labels of the class that no detection of it reaches."""
    false_calls: int
    """Detections of the class, at the threshold or above, that touch no label at all."""


def recommend(
    found: Sequence[Scored], truths: Sequence[Labelled], class_count: int, least: float = LEAST_SCORE
) -> list[Recommendation]:
    """A threshold for each class; 0.5 where neither a label nor a false call says anything.

    Between the lowest score of a true defect and the highest of what is none the middle is taken:
    it leaves the most room on both sides.
    """
    true_scores: list[list[float]] = [[] for _ in range(class_count)]
    false_scores: list[list[float]] = [[] for _ in range(class_count)]
    for seen, truth in zip(found, truths, strict=True):
        taken = match(seen, truth, DEEPPCB_IOU)
        touching = iou_matrix(seen.boxes, truth.boxes).any(axis=1) if len(truth.boxes) else np.zeros(len(taken), bool)
        for label, kind in enumerate(truth.classes):
            hit = np.flatnonzero(taken == label)
            true_scores[kind].append(float(seen.scores[hit[0]]) if len(hit) else 0.0)
        for row in np.flatnonzero(~touching):
            false_scores[seen.classes[row]].append(float(seen.scores[row]))
    return [between(np.array(true_scores[kind]), np.array(false_scores[kind]), least) for kind in range(class_count)]


def between(true: NDArray[np.float64], false: NDArray[np.float64], least: float) -> Recommendation:
    """A threshold between the scores of true defects (n,), 0 for one that was not found, and of what is none (m,)."""
    reachable = true[true >= least]
    if len(reachable):
        top = float(reachable.min())
        below = false[false < top]
        bottom = max(least, float(below.max()) if len(below) else 0.0)
        threshold = (top + bottom) / 2
    else:
        # No defect to lose: just above what would be called falsely.
        threshold = max(0.5, (1.0 + float(false.max(initial=0.0))) / 2)
    # Four digits are written to the manifest; rounded down, so that the lowest true defect still counts.
    threshold = float(np.floor(threshold * 1e4) / 1e4)
    return Recommendation(threshold, len(true), int((true < threshold).sum()), int((false >= threshold).sum()))
