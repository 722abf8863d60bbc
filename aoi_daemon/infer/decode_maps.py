"""Tasks segment and anomaly: a value for each place, `maps` float32 (1, classes or 1, h, w).

Connected places at or above the threshold are one area; each area that is large enough becomes a row: the box
around it, its greatest or mean value as the score. A map may be smaller than the frame; its boxes are scaled up.

Memory: a mask of a map's size, taken again when that changes; small arrays for each area.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.config.tasks import MapReading
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.executor import Detections, FrameShape

MAX_AREAS: Final = 500
"""Of one map; where it falls apart into more, the largest boxes are looked at."""
_ROUNDING: Final = 1e-3
"""So far beyond 0 and 1 a probability may be for arithmetic's sake (FP16, INT8)."""

_Map = NDArray[np.float32]
_Row = tuple[float, float, float, float, float, int]


class Maps:
    """Reads `maps`."""

    def __init__(self, manifest: Manifest, reading: MapReading, *, min_area_px: float) -> None:
        """Read maps as `reading` says.

        Args:
            manifest: its task says whether the values are probabilities; good classes are not looked at.
            reading: threshold and score.
            min_area_px: smaller areas are left out, in square pixels of the frame.
        """
        self._is_probability = manifest.task == "segment"
        self._full = 1.0 if self._is_probability else manifest.full_score
        self._threshold = reading.threshold * self._full
        self._by_mean = reading.score == "mean"
        self._min_area_px = min_area_px
        self._classes = [label for label, name in enumerate(manifest.classes) if name not in manifest.good_classes]
        self._mask = np.empty((0, 0), np.uint8)

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`; the highest score first."""
        maps = outputs[0][0]
        # A NaN is below any threshold, and its place would pass; minimum and maximum hand it on.
        lowest, highest = float(maps.min()), float(maps.max())
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise InferenceError("the model gave maps that are not finite")
        if self._is_probability and not -_ROUNDING <= lowest <= highest <= 1 + _ROUNDING:
            raise InferenceError(
                f"the model gave maps of {lowest:g} to {highest:g}; expected probabilities, 0 to 1 "
                "(is a softmax or sigmoid missing?)"
            )
        rows = [row for label in self._classes for row in self._areas(maps[label], label, shape)]
        rows.sort(key=lambda row: -row[4])
        table = np.array(rows, np.float32).reshape(-1, 6)
        return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))

    def _areas(self, values: _Map, label: int, shape: FrameShape) -> list[_Row]:
        if values.shape != self._mask.shape:
            self._mask = np.empty(values.shape, np.uint8)
        mask = self._mask
        np.greater_equal(values, self._threshold, out=mask.view(np.bool_))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if len(contours) > MAX_AREAS:
            contours = sorted(contours, key=lambda contour: -_box_area(contour))[:MAX_AREAS]
        right, down = shape[1] / values.shape[1], shape[0] / values.shape[0]
        rows = []
        for contour in contours:
            x, y, width, height = cv2.boundingRect(contour)
            place = (slice(y, y + height), slice(x, x + width))
            inside = np.zeros((height, width), np.uint8)
            cv2.drawContours(inside, [contour], 0, 1, cv2.FILLED, offset=(-x, -y))
            # Other areas reach into the box, and this one may have holes.
            inside &= mask[place]
            if cv2.countNonZero(inside) * right * down < self._min_area_px:
                continue
            value = cv2.mean(values[place], inside)[0] if self._by_mean else cv2.minMaxLoc(values[place], inside)[1]
            score = min(max(value / self._full, 0.0), 1.0)
            rows.append((x * right, y * down, (x + width) * right, (y + height) * down, score, label))
        return rows


def _box_area(contour: NDArray[Any]) -> int:
    _, _, width, height = cv2.boundingRect(contour)
    return width * height
