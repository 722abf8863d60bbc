"""Tasks segment and anomaly: a value for each place, `maps` float32 (1, classes or 1, h, w).

Connected places at or above the threshold are one area; each area that is large enough becomes a row: the box
around it, its greatest or mean value as the score. A map may be smaller than the frame; its boxes are scaled up.

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

_SPARSE: Final = 2
"""How many times as many rows as reach the threshold may be looked at before only those are copied out."""
_PAIR: Final = np.arange(2)

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
        self._classes = [label for label, name in enumerate(manifest.classes) if name not in manifest.good_classes]
        self._mask = np.empty((0, 0), np.uint8)
        self._numbers = np.empty((0, 0), np.int32)

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`; the highest score first."""
        check_outputs(outputs[:1], self._expected)
        maps = outputs[0][0]
        _check_size(maps, shape)
        peaks = outputs[1][0] if len(outputs) > 1 else None
        if peaks is not None and self._are_sound(peaks, maps):
            height, width = maps.shape[1:]
            rows, columns = peaks[:, :height], peaks[:, -width:]
        else:
            rows, columns = self._checked_rows(maps), None
        areas = []
        for label in self._classes:
            reaching = rows[label] >= self._near
            if reaching.any():
                areas += self._areas(maps[label], reaching, None if columns is None else columns[label], label, shape)
        if not areas:
            return _NOTHING
        boxes, scores, labels = areas[0] if len(areas) == 1 else map(np.concatenate, zip(*areas, strict=True))
        order = np.argsort(-scores, kind="stable")
        return Detections(boxes[order], scores[order], labels[order])

    def _are_sound(self, peaks: _Map, maps: _Map) -> bool:
        """Whether the GPU's peaks prove that `_checked_rows` would let the maps pass; where not, it says why not."""
        height, width = maps.shape[1:]
        if peaks.shape != (len(maps), 3 * height + width) or not np.isfinite(peaks).all():
            return False
        # Half of what is allowed: half precision may have brought a value that is beyond it to the limit.
        return not self._is_probability or bool(
            peaks[:, height : 2 * height].min() >= -_ROUNDING / 2 and peaks[:, :height].max() <= 1 + _ROUNDING / 2
        )

    def _checked_rows(self, maps: _Map) -> _Map:
        """The greatest value of each row, (classes, h). Raises InferenceError: maps are not what a model may say."""
        # A NaN is below any threshold, and its place would pass; minimum and maximum hand it on.
        rows: _Map = maps.max(axis=2)
        lowest, highest = float(maps.min()), float(rows.max())
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise InferenceError("the model gave maps that are not finite")
        if self._is_probability and not -_ROUNDING <= lowest <= highest <= 1 + _ROUNDING:
            raise InferenceError(
                f"the model gave maps of {lowest:g} to {highest:g}; expected probabilities, 0 to 1 "
                "(is a softmax or sigmoid missing?)"
            )
        return rows

    def _areas(
        self, values: _Map, reaching: NDArray[np.bool_], columns: _Map | None, label: int, shape: FrameShape
    ) -> list[Detections]:
        """The areas of one map, all of them, how many there are; an empty list: none.

        Args:
            values: (h, w).
            reaching: which rows may have a place above the threshold, (h,), one at least.
            columns: the greatest value of each, (w,); None: not known.
            label: of the class.
            shape: the frame's.
        """
        if values.shape != self._mask.shape:
            self._mask = np.empty(values.shape, np.uint8)
            self._numbers = np.empty(values.shape, np.int32)
        rows, part = _rows_around(values, reaching)
        if columns is None:
            columns = part.max(axis=0)
        across = np.flatnonzero(columns >= self._near)
        if not across.size:
            return []
        # From an even place on, because OpenCV numbers areas by blocks of 2 x 2 places.
        start = int(across[0]) & ~1
        part = part[:, start : int(across[-1]) + 1]
        there = slice(part.shape[0]), slice(part.shape[1])
        mask = self._mask[there]
        np.greater_equal(part, self._threshold, out=mask.view(np.bool_))
        y, x = np.divmod(np.flatnonzero(mask), part.shape[1])
        if not y.size:
            return []
        _, numbers = cv2.connectedComponents(mask, self._numbers[there], connectivity=8, ltype=cv2.CV_32S)
        # Area by area, and within one line by line. OpenCV's own figures of areas cost ten times as much.
        of = numbers[y, x]
        order = np.argsort(of, kind="stable")
        y, x = y[order], x[order]
        places = np.bincount(of)[1:]  # number 0 is what lies below the threshold
        ends = np.cumsum(places)
        starts = ends - places
        right, down = shape[1] / values.shape[1], shape[0] / values.shape[0]
        boxes = np.empty((len(places), 4), np.float32)
        boxes[:, 0] = (np.minimum.reduceat(x, starts) + start) * right
        boxes[:, 1] = rows[y[starts]] * down
        boxes[:, 2] = (np.maximum.reduceat(x, starts) + (start + 1)) * right
        boxes[:, 3] = (rows[y[ends - 1]] + 1) * down
        inside = part[y, x]
        if self._by_mean:
            found = np.add.reduceat(inside, starts, dtype=np.float64) / places
        else:
            found = np.maximum.reduceat(inside, starts)
        scores = np.minimum(found / self._full, 1.0).astype(np.float32)
        if self._min_area_px > 0:
            large = places * right * down >= self._min_area_px
            boxes, scores = boxes[large], scores[large]
        return [Detections(boxes, scores, np.full(len(scores), label, np.int32))]


def _rows_around(values: _Map, reaching: NDArray[np.bool_]) -> tuple[NDArray[np.int64], _Map]:
    """The numbers of the rows that are `reaching`, and those rows; what lies apart in the map does in them.

    In pairs from an even row on, as OpenCV numbers areas, and with the pair behind each of several that touch.
    """
    height = len(reaching)
    even = height & ~1
    pairs: NDArray[np.bool_] = reaching[:even:2] | reaching[1:even:2]
    if height & 1:
        pairs = np.append(pairs, reaching[-1])
    found = np.flatnonzero(pairs)
    first, beyond = int(found[0]), int(found[-1]) + 1
    if beyond - first < _SPARSE * len(found):
        return np.arange(2 * first, min(2 * beyond, height)), values[2 * first : 2 * beyond]
    pairs[1:] |= pairs[:-1]
    rows = (2 * np.flatnonzero(pairs)[:, None] + _PAIR).reshape(-1)
    if rows[-1] >= height:
        rows = rows[:-1]
    return rows, values[rows]


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
