"""Task classify: the whole frame is one thing, `scores` float32 (1, classes).

Each class that is no good one (the manifest's `good_classes`) becomes a row whose box is the frame. Where exactly
one class is true, the likeliest defect is given all that is not in the good ones: what a model halves between
two defects is a defect, and would pass as two halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.executor import Detections, FrameShape, check_outputs, outputs_of

_ROUNDING: Final = 0.01
"""So far from 1 the sum of all probabilities may be (FP16, INT8)."""


class ClassScores:
    """Reads `scores`."""

    def __init__(self, manifest: Manifest) -> None:
        """Take what the answers need; `manifest.activation` says what the scores are."""
        self._expected = outputs_of(manifest)
        self._activation = manifest.activation
        is_good = np.isin(manifest.classes, manifest.good_classes)
        self._good = np.flatnonzero(is_good)
        self._defects = np.flatnonzero(~is_good).astype(np.int32)
        self._boxes = np.zeros((len(self._defects), 4), np.float32)

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`; one row for each defect class, in the manifest's order."""
        check_outputs(outputs, self._expected)
        raw = outputs[0][0].astype(np.float64)
        if not np.isfinite(raw).all():
            raise InferenceError("the model gave scores that are not finite")
        if self._activation == "sigmoid":
            # exp overflows to infinity below -700, and the score is 0 as it should be; tanh never does.
            probabilities = 0.5 + 0.5 * np.tanh(raw / 2)
        else:
            probabilities = _softmax(raw) if self._activation == "softmax" else _checked(raw)
        scores = probabilities[self._defects]
        if self._activation != "sigmoid":
            scores[scores.argmax()] = 1.0 - probabilities[self._good].sum()
        self._boxes[:, 2:] = shape[1], shape[0]
        return Detections(self._boxes, np.clip(scores, 0.0, 1.0).astype(np.float32), self._defects)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers: NDArray[np.float64] = np.exp(logits - logits.max())
    powers /= powers.sum()
    return powers


def _checked(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Raise InferenceError unless exactly one class can be true."""
    if probabilities.min() < -_ROUNDING or abs(probabilities.sum() - 1) > _ROUNDING:
        raise InferenceError(
            f"the model gave probabilities {probabilities.min():g} to {probabilities.max():g} that sum up to "
            f"{probabilities.sum():g}; expected 1 (are they logits? the manifest's `activation` says)"
        )
    return probabilities
