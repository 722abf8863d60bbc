"""From a model's 100 rows to the detections that are worth looking at.

For whoever measures or records a model (qualification, near misses, a shadow
model); the judgement reads the rows themselves and trusts none of them. Overlap
suppression belongs to the judgement: decide/overlap.py says why.
"""

from __future__ import annotations

import numpy as np

from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.executor import Detections


def decode(raw: Detections, *, floor: float, class_count: int) -> Detections:
    """The rows of at least score `floor`, in their order, copied.

    Raises:
        InferenceError: some row, whatever its score, is not what a model may say: a number that is
            not finite, a score outside 0..1, a class that the bundle does not have.
    """
    boxes, scores, classes = raw
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise InferenceError("the model gave boxes or scores that are not finite")
    if scores.size and not 0 <= scores.min() <= scores.max() <= 1:
        raise InferenceError(f"the model gave scores {scores.min():g} to {scores.max():g}; expected 0 to 1")
    if classes.size and not 0 <= classes.min() <= classes.max() < class_count:
        raise InferenceError(
            f"the model gave classes {classes.min()} to {classes.max()}, the bundle has 0 to {class_count - 1}"
        )
    kept = scores >= floor
    return Detections(boxes[kept], scores[kept], classes[kept])
