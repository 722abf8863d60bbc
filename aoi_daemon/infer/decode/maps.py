"""Tasks segment and anomaly: a value for each place, `maps` float32 (1, classes or 1, h, w).

Connected places at or above the threshold are one area; each area that is large enough becomes a row: the box
around it, its greatest or mean value as the score. A map may be smaller than the frame; its boxes are scaled up.

Where a manifest says `best_only`, a map that reaches the threshold everywhere says that candidates were left out that
may count, too. It has a row more then: a box of no size in the middle, for which the judgement rejects the part
whatever the recipe says of sizes, places and counts.

Which rows and columns are looked at, say their greatest values: the GPU's, where the engine puts them out
(infer/decode/peaks.py), else found here.

Memory: a mask and a number for each place of a map, taken again when its size changes; some arrays
of the places above the threshold, and of the rows that reach it.
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
from aoi_daemon.infer.decode.peaks import near
from aoi_daemon.infer.executor import Detections, FrameShape, check_outputs, outputs_of

_ROUNDING: Final = 1e-3
"""So far beyond 0 and 1 a probability may be for arithmetic's sake (FP16, INT8)."""

_SPARSE: Final = 4
"""How many times as many places as lie in rows and columns that reach the threshold may be looked at, before only those
are copied out: one by one costs four times a place in a line."""

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
        self._near = np.float32(near(reading.threshold * self._full))
        self._by_mean = reading.score == "mean"
        self._min_area_px = min_area_px
        self._best_only = manifest.best_only
        self._classes = [label for label, name in enumerate(manifest.classes) if name not in manifest.good_classes]
        self._mask = np.empty(0, np.uint8)
        self._numbers = np.empty(0, np.int32)

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`; the highest score first."""
        check_outputs(outputs[:1], self._expected)
        maps = outputs[0][0]
        _check_size(maps, shape)
        height, width = maps.shape[1:]
        peaks = outputs[1][0] if len(outputs) > 1 else None
        if peaks is not None and self._are_sound(peaks, maps):
            areas = [self._areas(maps[label], peaks[label, : height + width], label, shape) for label in self._classes]
        else:
            tops = self._checked_tops(maps)
            areas = [
                self._areas(maps[label], np.concatenate((maps[label].max(1), maps[label].max(0))), label, shape)
                for label in self._classes
                if tops[label] >= self._threshold
            ]
        found = [columns for columns in areas if columns is not None]
        if not found:
            return _NOTHING
        if len(found) == 1:
            return found[0]
        boxes, scores, labels = (np.concatenate(columns) for columns in zip(*found, strict=True))
        order = np.argsort(-scores, kind="stable")
        return Detections(boxes[order], scores[order], labels[order])

    def _are_sound(self, peaks: _Map, maps: _Map) -> bool:
        """Whether the GPU's peaks prove that `_checked_tops` would let the maps pass; where not, it says why not."""
        height, width = maps.shape[1:]
        if peaks.shape != (len(maps), 3 * height + width):
            return False
        if not self._is_probability:
            return bool(np.isfinite(peaks).all())
        # Of the means, too: NaN is in no range. Half of what is allowed: half precision may have brought a value that
        # is beyond it to the limit.
        return bool(peaks.min() >= -_ROUNDING / 2 and peaks.max() <= 1 + _ROUNDING / 2)

    def _checked_tops(self, maps: _Map) -> _Map:
        """The greatest value of each map, (classes,). Raises InferenceError: maps are not what a model may say."""
        # A NaN is below any threshold, and its place would pass; minimum and maximum hand it on.
        tops: _Map = maps.reshape(maps.shape[0], -1).max(axis=1)
        lowest, highest = float(maps.min()), float(tops.max())
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise InferenceError("the model gave maps that are not finite")
        if self._is_probability and not -_ROUNDING <= lowest <= highest <= 1 + _ROUNDING:
            raise InferenceError(
                f"the model gave maps of {lowest:g} to {highest:g}; expected probabilities, 0 to 1 "
                "(is a softmax or sigmoid missing?)"
            )
        return tops

    def _areas(self, values: _Map, lines: _Map, label: int, shape: FrameShape) -> Detections | None:
        """The areas of one map, all of them, how many there are, the highest score first; None: it has none.

        Args:
            values: (h, w).
            lines: the greatest value of each row, then of each column, (h + w,).
            label: of the class.
            shape: the frame's.
        """
        height, width = values.shape
        reaching = lines >= self._near
        if not reaching.any():
            return None
        # The line behind each of several that touch, too: what lies apart in the map does in the part.
        reaching[1:] |= reaching[:-1]
        numbers = np.flatnonzero(reaching)
        rows = int(numbers.searchsorted(height))
        down, over = numbers[:rows], numbers[rows:] - height
        if not (down.size and over.size):
            return None
        part, down, over = _part(values, down, over)
        if values.size != self._mask.size:
            self._mask = np.empty(values.size, np.uint8)
            self._numbers = np.empty(values.size, np.int32)
        mask, areas = self._mask[: part.size].reshape(part.shape), self._numbers[: part.size].reshape(part.shape)
        truths = mask.view(np.bool_)
        np.greater_equal(part, self._threshold, out=truths)
        above = np.flatnonzero(truths)
        if not above.size:
            return None
        cv2.connectedComponents(mask, areas, connectivity=8, ltype=cv2.CV_32S)
        # Area by area, and within one line by line. OpenCV's own figures of areas cost ten times as much.
        of = areas.reshape(-1)[above]
        above = above[np.argsort(of, kind="stable")]
        places = np.bincount(of)[1:]  # number 0 is what lies below the threshold
        ends = np.cumsum(places)
        starts = ends - places
        y, x = np.divmod(above, part.shape[1])
        scale_x, scale_y = shape[1] / width, shape[0] / height
        boxes = np.empty((len(places), 4), np.float32)
        boxes[:, 0] = over[np.minimum.reduceat(x, starts)] * scale_x
        boxes[:, 1] = down[y[starts]] * scale_y
        boxes[:, 2] = (over[np.maximum.reduceat(x, starts)] + 1) * scale_x
        boxes[:, 3] = (down[y[ends - 1]] + 1) * scale_y
        inside = part.reshape(-1)[above] if part.flags.c_contiguous else part[y, x]
        if self._by_mean:
            found = np.add.reduceat(inside, starts, dtype=np.float64) / places
        else:
            found = np.maximum.reduceat(inside, starts)
        scores = np.minimum(found / self._full, 1.0).astype(np.float32)
        # Equal ones by their first places: OpenCV's numbers go by blocks of 2 x 2, which begin elsewhere in the part.
        order = np.lexsort((above[starts], -scores))
        if self._best_only and above.size == values.size:
            centre = np.array((shape[1], shape[0], shape[1], shape[0]), np.float32) / 2
            boxes, scores = np.vstack((boxes, centre)), np.append(scores, values.min())
            return Detections(boxes, scores, np.full(len(scores), label, np.int32))
        if self._min_area_px > 0:
            order = order[(places * scale_x * scale_y >= self._min_area_px)[order]]
        return Detections(boxes[order], scores[order], np.full(len(order), label, np.int32))


def _part(
    values: _Map, down: NDArray[np.int64], over: NDArray[np.int64]
) -> tuple[_Map, NDArray[np.int64], NDArray[np.int64]]:
    """Rows `down` and columns `over` of a map, and which they are: where they lie close, with those in between."""
    top, left = int(down[0]), int(over[0])
    height, width = int(down[-1]) + 1 - top, int(over[-1]) + 1 - left
    if height * width < _SPARSE * len(down) * len(over):
        part = values[top : top + height, left : left + width]
        return part, np.arange(top, top + height), np.arange(left, left + width)
    return values.reshape(-1).take((down * values.shape[1])[:, None] + over, mode="clip"), down, over


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
