"""Task yolo: raw heads of YOLOv8 and its kin, `heads` float32 (1, 4 + classes, N).

A column is one candidate: centre x and y, width and height in px of the frame, then a probability for each
class. There are thousands, some ten for each thing that is seen. Each class of a candidate is a candidate of its
own, not the likeliest alone: a recipe may tolerate that one and reject for another. All are handed on with their
duplicates: which of them count, and which are one defect, says the judgement.

Which candidates are looked at, say their greatest probabilities: the GPU's, where the engine puts them out
(infer/decode/peaks.py), else found here.

Memory: arrays of a value for each candidate, and of all values of those that score enough, for a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.peaks import near
from aoi_daemon.infer.executor import Detections, FrameShape, check_outputs, check_px, outputs_of

_ROUNDING: Final = 1e-3
"""So far beyond 0 and 1 a probability may be for arithmetic's sake (FP16, INT8)."""
_NOTHING: Final = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


class YoloHeads:
    """Reads `heads`."""

    def __init__(self, manifest: Manifest, *, least_score: float) -> None:
        """Candidates below `least_score`, 0..1, need not be handed on: they count for no class."""
        self._expected = outputs_of(manifest)
        self._least_score = np.float32(least_score)
        self._near = np.float32(near(least_score))
        self._counting = np.array([name not in manifest.good_classes for name in manifest.classes])
        self._ignores = not self._counting.all()

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`; the highest score first, overlapping as they come."""
        check_outputs(outputs[:1], self._expected)
        heads = outputs[0][0]
        peaks = outputs[1][0] if len(outputs) > 1 else None
        tops = peaks[0] if peaks is not None and _are_sound(peaks, heads) else _checked_tops(heads)
        columns = np.flatnonzero(tops >= self._near)
        if not columns.size:
            return _NOTHING
        seen = heads.take(columns, axis=1)
        scores = seen[4:].reshape(-1)
        kept = np.flatnonzero(scores >= self._least_score)
        classes, places = np.divmod(kept, len(columns))
        if self._ignores:
            counting = self._counting[classes]
            kept, classes, places = kept[counting], classes[counting], places[counting]
        values = scores[kept]
        order = np.argsort(-values, kind="stable")
        chosen = seen[:4, places[order]]
        centres, halves = chosen[:2], chosen[2:]
        halves /= 2
        boxes = np.empty((len(order), 4), np.float32)
        # What is no longer a float32 is infinite then, and the judgement refuses it: a warning says nothing more.
        with np.errstate(over="ignore"):
            np.subtract(centres, halves, out=boxes[:, :2].T)
            np.add(centres, halves, out=boxes[:, 2:].T)
        check_px(boxes, shape)
        values = np.minimum(np.maximum(values[order], 0.0), 1.0)
        return Detections(boxes, values, classes[order].astype(np.int32))


def _are_sound(peaks: NDArray[np.float32], heads: NDArray[np.float32]) -> bool:
    """Whether the GPU's peaks prove that `_checked_tops` would let the heads pass; where not, it says why not."""
    if peaks.shape != (3, heads.shape[1]):
        return False
    tops, lowest, means = peaks
    # Half of what is allowed: half precision may have brought a value that is beyond it to the limit.
    in_range = lowest.min() >= -_ROUNDING / 2 and tops.max() <= 1 + _ROUNDING / 2
    return bool(in_range and np.isfinite(means).all())


def _checked_tops(heads: NDArray[np.float32]) -> NDArray[np.float32]:
    """The greatest probability of each candidate. Raises InferenceError where heads are not what a model may say."""
    places, scores = heads[:4], heads[4:]
    # A NaN is below any threshold, and its candidate would vanish; minimum and maximum hand it on.
    tops: NDArray[np.float32] = scores.max(axis=0)
    lowest, highest = float(scores.min(initial=0.0)), float(tops.max(initial=0.0))
    if not np.isfinite((lowest, highest, places.min(initial=0.0), places.max(initial=0.0))).all():
        raise InferenceError("the model gave heads that are not finite")
    # Of all, not of those that score enough: where a sigmoid is missing, background is far below 0.
    if not -_ROUNDING <= lowest <= highest <= 1 + _ROUNDING:
        raise InferenceError(
            f"the model gave probabilities {lowest:g} to {highest:g}; expected 0 to 1 "
            "(is a sigmoid missing, or are some of these rows no classes?)"
        )
    return tops
