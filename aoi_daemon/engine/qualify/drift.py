"""How far one precision's boxes lie from FP32's: which are lost, which are extra, how far scores and places move.

Process: offline. Pure. Mean average precision does not see it: it ranks detections, and a precision whose scores are
all lower by the same amount ranks as before and loses every box that had just reached its threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.qualify.metrics import Scored, iou_matrix

SAME_IOU: Final = 0.5
"""Boxes of one class that overlap by more are the same defect, as in a recipe's `overlap`."""


@dataclass(frozen=True)
class Drift:
    """What became of the boxes that count in FP32.

    Attributes:
        boxes: that reach their class's threshold in FP32.
        lost: of them, without a box of the same class and place that reaches it here.
        extra: boxes that reach it here, and have none in FP32.
        flips: boards whose verdict is another.
        least_iou: of the worst placed of those that are there in both; 1 where there is none.
        score_rms: root mean square of how far scores moved, 0..1, over FP32's boxes; the boxes of the same class and
            place are looked at whatever they score, and one that is not there has moved by all of its score.
    """

    boxes: int
    lost: int
    extra: int
    flips: int
    least_iou: float
    score_rms: float

    @property
    def wrong(self) -> int:
        """Boxes lost and extra."""
        return self.lost + self.extra

    @property
    def share(self) -> float:
        """Boxes lost and extra, over those of FP32; 0 where it has none and none is extra."""
        return self.wrong / max(1, self.boxes)

    @property
    def rank(self) -> tuple[int, int, float]:
        """Lower is better: verdicts first, then boxes, then scores."""
        return self.flips, self.wrong, self.score_rms

    def __str__(self) -> str:
        return f"{self.lost} of {self.boxes} boxes lost, {self.extra} extra, {self.flips} flips"


def drift(found: Sequence[Scored], reference: Sequence[Scored], thresholds: NDArray[Any], flips: int) -> Drift:
    """Compare what was found on the same boards.

    Args:
        found: by board.
        reference: FP32's, by board.
        thresholds: (classes,) the score from which a box of each class counts.
        flips: how many verdicts differ.
    """
    boxes = lost = extra = 0
    least, squares = 1.0, 0.0
    for there, here in zip(reference, found, strict=True):
        was = there.scores >= thresholds[there.classes]
        now = here.scores >= thresholds[here.classes]
        overlaps = iou_matrix(there.boxes, here.boxes) * (there.classes[:, None] == here.classes[None, :])
        same = overlaps > SAME_IOU
        held = (same[:, now]).any(axis=1)
        boxes += int(was.sum())
        lost += int((was & ~held).sum())
        extra += int((now & ~same[was].any(axis=0)).sum())
        if (was & held).any():
            least = min(least, float(overlaps[:, now].max(axis=1)[was & held].min()))
        best = np.where(same, here.scores[None, :], 0.0).max(axis=1, initial=0.0)
        squares += float(((there.scores - best)[was] ** 2).sum())
    return Drift(boxes, lost, extra, flips, least, float(np.sqrt(squares / max(1, boxes))))
