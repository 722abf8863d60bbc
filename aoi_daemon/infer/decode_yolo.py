"""Task yolo: raw heads of YOLOv8 and its kin, `heads` float32 (1, 4 + classes, N).

A column is one candidate: centre x and y, width and height in px of the frame, then a probability for each
class. There are thousands, some ten for each thing that is seen. Each class of a candidate is a candidate of its
own, not the likeliest alone: a recipe may tolerate that one and reject for another. The best are handed on with
all their duplicates; which of them are one defect says the judgement, after sizes and regions.

Memory: some arrays of the heads' size for a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.executor import Detections, FrameShape

MAX_CANDIDATES: Final = 500
"""The best that are handed on. To find duplicates among so many takes 3 ms, and four times that for twice as many."""
_ROUNDING: Final = 1e-3
"""So far beyond 0 and 1 a probability may be for arithmetic's sake (FP16, INT8)."""


class YoloHeads:
    """Reads `heads`."""

    def __init__(self, manifest: Manifest, *, least_score: float) -> None:
        """Candidates below `least_score`, 0..1, need not be handed on: they count for no class."""
        self._least_score = np.float32(least_score)
        counting = [name not in manifest.good_classes for name in manifest.classes]
        self._ignored = np.flatnonzero(np.logical_not(counting))

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`; at most MAX_CANDIDATES rows, the highest score first, overlapping as they come."""
        heads = outputs[0][0]
        scores = heads[4:]
        # A NaN is below any threshold, and its candidate would vanish; minimum and maximum hand it on.
        lowest, highest = float(heads.min(initial=0.0)), float(heads.max(initial=0.0))
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise InferenceError("the model gave heads that are not finite")
        kept = np.flatnonzero(scores >= self._least_score)
        values = scores.reshape(-1)[kept]
        if values.size and not -_ROUNDING <= values.min() <= values.max() <= 1 + _ROUNDING:
            raise InferenceError(
                f"the model gave probabilities {values.min():g} to {values.max():g}; "
                "expected 0 to 1 (is a sigmoid missing?)"
            )
        if self._ignored.size:
            counting = ~np.isin(kept // scores.shape[1], self._ignored)
            kept, values = kept[counting], values[counting]
        if kept.size > MAX_CANDIDATES:
            best = np.argpartition(values, kept.size - MAX_CANDIDATES)[-MAX_CANDIDATES:]
            kept, values = kept[best], values[best]
        order = np.argsort(-values, kind="stable")
        kept, values = kept[order], np.clip(values[order], 0.0, 1.0)
        classes, columns = np.divmod(kept, scores.shape[1])
        x, y, width, height = heads[:4, columns]
        half_width, half_height = width / 2, height / 2
        boxes = np.stack((x - half_width, y - half_height, x + half_width, y + half_height), axis=1)
        return Detections(boxes, values, classes.astype(np.int32))
