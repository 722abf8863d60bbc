"""Task yolo: raw heads of YOLOv8 and its kin, `heads` float32 (1, 4 + classes, N).

A column is one candidate: centre x and y, width and height in px of the frame, then a probability for each
class. There are thousands, some ten for each thing that is seen. Each class of a candidate is a candidate of its
own, not the likeliest alone: a recipe may tolerate that one and reject for another. All are handed on with their
duplicates: which of them count, and which are one defect, says the judgement.

Memory: some arrays of the heads' size for a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.executor import Detections, FrameShape, check_outputs, check_px, outputs_of

_ROUNDING: Final = 1e-3
"""So far beyond 0 and 1 a probability may be for arithmetic's sake (FP16, INT8)."""


class YoloHeads:
    """Reads `heads`."""

    def __init__(self, manifest: Manifest, *, least_score: float) -> None:
        """Candidates below `least_score`, 0..1, need not be handed on: they count for no class."""
        self._expected = outputs_of(manifest)
        self._least_score = np.float32(least_score)
        counting = [name not in manifest.good_classes for name in manifest.classes]
        self._ignored = np.flatnonzero(np.logical_not(counting))

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`; the highest score first, overlapping as they come."""
        check_outputs(outputs, self._expected)
        heads = outputs[0][0]
        places, scores = heads[:4], heads[4:]
        # A NaN is below any threshold, and its candidate would vanish; minimum and maximum hand it on.
        lowest, highest = float(scores.min(initial=0.0)), float(scores.max(initial=0.0))
        if not np.isfinite((lowest, highest, places.min(initial=0.0), places.max(initial=0.0))).all():
            raise InferenceError("the model gave heads that are not finite")
        # Of all, not of those that score enough: where a sigmoid is missing, background is far below 0.
        if not -_ROUNDING <= lowest <= highest <= 1 + _ROUNDING:
            raise InferenceError(
                f"the model gave probabilities {lowest:g} to {highest:g}; expected 0 to 1 "
                "(is a sigmoid missing, or are some of these rows no classes?)"
            )
        kept = np.flatnonzero(scores >= self._least_score)
        values = scores.reshape(-1)[kept]
        if self._ignored.size:
            counting = ~np.isin(kept // scores.shape[1], self._ignored)
            kept, values = kept[counting], values[counting]
        order = np.argsort(-values, kind="stable")
        kept, values = kept[order], np.clip(values[order], 0.0, 1.0)
        classes, columns = np.divmod(kept, scores.shape[1])
        x, y, width, height = heads[:4, columns]
        half_width, half_height = width / 2, height / 2
        boxes = np.stack((x - half_width, y - half_height, x + half_width, y + half_height), axis=1)
        check_px(boxes, shape)
        return Detections(boxes, values, classes.astype(np.int32))
