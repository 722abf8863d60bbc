"""Tasks segment and anomaly: a value for each place, `maps` float32 (1, classes or 1, h, w).

Connected places at or above the threshold are one area; each area that is large enough becomes a row: the box
around it, its greatest or mean value as the score. A map may be smaller than the frame; its boxes are scaled up.

Memory: a mask and a number for each place of a map, taken again when its size changes; some arrays
of the places above the threshold.
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
from aoi_daemon.infer.executor import Detections, FrameShape, check_outputs, outputs_of

_ROUNDING: Final = 1e-3
"""So far beyond 0 and 1 a probability may be for arithmetic's sake (FP16, INT8)."""

_Map = NDArray[np.float32]
_NOTHING: Final = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


class Maps:
    """Reads `maps`."""

    def __init__(self, manifest: Manifest, reading: MapReading, *, min_area_px: float) -> None:
        """Read maps as `reading` says.

        Args:
            manifest: its task says whether the values are probabilities; good classes are not looked at.
            reading: threshold and score.
            min_area_px: smaller areas are left out, in square pixels of the frame.
        """
        self._expected = outputs_of(manifest)
        self._is_probability = manifest.task == "segment"
        self._full = 1.0 if self._is_probability else manifest.full_score
        # As the maps are: NumPy 1 compares one value with a Python number in double precision, and many in single.
        self._threshold = np.float32(reading.threshold * self._full)
        self._by_mean = reading.score == "mean"
        self._min_area_px = min_area_px
        self._classes = [label for label, name in enumerate(manifest.classes) if name not in manifest.good_classes]
        self._mask = np.empty((0, 0), np.uint8)
        self._numbers = np.empty((0, 0), np.int32)

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`; the highest score first."""
        check_outputs(outputs, self._expected)
        maps = outputs[0][0]
        _check_size(maps, shape)
        # A NaN is below any threshold, and its place would pass; minimum and maximum hand it on.
        tops = maps.reshape(maps.shape[0], -1).max(axis=1)
        lowest, highest = float(maps.min()), float(tops.max())
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise InferenceError("the model gave maps that are not finite")
        if self._is_probability and not -_ROUNDING <= lowest <= highest <= 1 + _ROUNDING:
            raise InferenceError(
                f"the model gave maps of {lowest:g} to {highest:g}; expected probabilities, 0 to 1 "
                "(is a softmax or sigmoid missing?)"
            )
        areas = [self._areas(maps[label], label, shape) for label in self._classes if tops[label] >= self._threshold]
        if not areas:
            return _NOTHING
        boxes, scores, labels = (np.concatenate(columns) for columns in zip(*areas, strict=True))
        order = np.argsort(-scores, kind="stable")
        return Detections(boxes[order], scores[order], labels[order])

    def _areas(self, values: _Map, label: int, shape: FrameShape) -> Detections:
        """The areas of one map, which has some: all of them, how many there are."""
        if values.shape != self._mask.shape:
            self._mask = np.empty(values.shape, np.uint8)
            self._numbers = np.empty(values.shape, np.int32)
        mask = self._mask
        np.greater_equal(values, self._threshold, out=mask.view(np.bool_))
        above = np.flatnonzero(mask.view(np.bool_))
        y, x = np.divmod(above, values.shape[1])
        # Only around what is above: the rest is most of a map, and of the time. From an even place on, because OpenCV
        # numbers areas by blocks of 2 x 2 places.
        top, start = int(y[0]) & ~1, int(x.min()) & ~1
        around = slice(top, int(y[-1]) + 1), slice(start, int(x.max()) + 1)
        _, numbers = cv2.connectedComponents(mask[around], self._numbers[around], connectivity=8, ltype=cv2.CV_32S)
        # Area by area, and within one line by line. OpenCV's own figures of areas cost ten times as much.
        of = numbers[y - top, x - start]
        order = np.argsort(of, kind="stable")
        above, y, x = above[order], y[order], x[order]
        places = np.bincount(of)[1:]  # number 0 is what lies below the threshold
        ends = np.cumsum(places)
        starts = ends - places
        right, down = shape[1] / values.shape[1], shape[0] / values.shape[0]
        left, beyond = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts) + 1
        boxes = np.stack((left * right, y[starts] * down, beyond * right, (y[ends - 1] + 1) * down), axis=1)
        inside = values.reshape(-1)[above]
        if self._by_mean:
            found = np.add.reduceat(inside, starts, dtype=np.float64) / places
        else:
            found = np.maximum.reduceat(inside, starts)
        large = places * right * down >= self._min_area_px
        scores = np.minimum(found[large] / self._full, 1.0).astype(np.float32)
        return Detections(boxes[large].astype(np.float32), scores, np.full(len(scores), label, np.int32))


def _check_size(maps: NDArray[np.float32], shape: FrameShape) -> None:
    """Raise InferenceError unless maps (classes, h, w) can be of a frame of `shape`."""
    (height, width), (rows, columns) = maps.shape[1:], shape[:2]
    if not (0 < height <= rows and 0 < width <= columns):
        raise InferenceError(f"the model gave maps of {width} x {height} for a frame of {columns} x {rows} px")
    if rows != columns and height != width and height * rows == width * columns:
        raise InferenceError(
            f"the model gave maps of {width} x {height} for a frame of {columns} x {rows} px: "
            "width and height are swapped"
        )
