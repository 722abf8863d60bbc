"""Where a board lies beside its template, from the whole frame: a shift, by phase correlation.

Process: inspection. Memory: all of it is taken when it is made; a template that comes with its frame is
learnt into a place kept for it. Blocks: never. One core: 1 ms for 640 x 640, 0.5 ms more to learn a template.

1. Frame and template are made smaller by a whole factor, to at most WORK_PX.
2. The frame's spectrum is divided by the template's, and the peak of what comes back is where the board
   lies, to a pixel or so. The template's share is computed once for a recipe's templates. What the
   template does not show (its weak frequencies) and what is noise (the high ones) counts little.
3. One Gauss-Newton step on the aligned gray values gives the rest (Lucas, Kanade, 1981).

Measured on 1,000 generated boards, up to 8 px each way: off by 0.05 px in the median, 0.14 in the 95th
percentile, 0.33 in the 99th, 0.6 at most, where few rough edges are all there is; cv2.phaseCorrelate on
the same small pictures: 0.13, 0.39, 0.58 and 1.0.

Boards repeat themselves, so a peak is not believed for its height. It counts when there is none as high
beyond the limit, and the aligned frame correlates with the template. Some templates show no shift in one
direction (parallel traces alone); they are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.registration import reach
from aoi_daemon.infer.executor import FrameShape
from aoi_daemon.infer.registration.pose import Pose, parabola

WORK_PX: Final = 512
"""Longest side that is transformed; 640 and 1024 px become half of it, 2048 a quarter."""
_LEAST_FACTOR: Final = 2
"""Edges that are one pixel sharp lie between pixels nowhere; half the size they do."""
_TAPER: Final = 0.1
"""Of a side, at each end. A full Hanning window hides what lies at the border: of 1,000 DeepPCB boards it lost 4 %."""
_BLUR_PX: Final = 1.2
_NOISE: Final = 0.1
"""Of the mean power: frequencies of the template below it are not trusted."""
_LEAST_DEVIATION: Final = 1.0
"""Gray levels; a picture with less shows nothing."""
_LEAST_GRADIENT: Final = 2e-4
"""Mean squared slope in the direction that has least of it, of gray values of unit deviation.
Boards of parallel traces alone are below 1e-4; of 500 DeepPCB boards 1 % are below 3e-4."""
_GREATEST_STEP: Final = 1.0
"""In small pixels: the peak is right to one, or it is no peak."""

_GREATEST_RESIDUE: Final = 0.75
"""In deviations: a defect differs more than an edge that is a fraction of a pixel off, and must not pull the step."""

_Field = NDArray[np.float32]
_Image = NDArray[np.uint8]


class _Learnt:
    """A template made ready: all (rows, columns) float32 of the small size."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.image = np.empty(size, np.float32)  # of mean 0 and deviation 1
        self.filter = np.empty(size, np.float32)  # a spectrum as cv2.dft packs it
        self.slope_x = np.zeros(size, np.float32)
        self.slope_y = np.zeros(size, np.float32)
        self.variance = 0.0  # of the image without its rim
        self.inverse = (0.0, 0.0, 0.0)  # xx, xy, yy of the inverted normal matrix
        self.fault = ""


class PhaseCorrelation:
    """Finds frames of `shape` by the templates of a recipe, or by one that comes with the frame."""

    def __init__(self, shape: FrameShape, limit_px: float, templates: Mapping[int, _Image]) -> None:
        """Take all memory, and learn `templates`, (H, W, C) uint8 by field of view.

        Args:
            shape: of frames and templates.
            limit_px: how far a board may lie beside its template.
            templates: the recipe's.
        """
        height_px, width_px, channels = shape
        self._factor = factor = max(_LEAST_FACTOR, -(-max(height_px, width_px) // WORK_PX))
        rows, columns = _transformable(height_px // factor), _transformable(width_px // factor)
        top, left = (height_px - rows * factor) // 2, (width_px - columns * factor) // 2
        self._cut = (slice(top, top + rows * factor), slice(left, left + columns * factor))
        self._size = (rows, columns)
        self._gray = np.empty((rows * factor, columns * factor), np.uint8) if channels > 1 else None
        self._small = np.empty(self._size, np.uint8)
        self._frame, self._moved, self._work, self._surface = (np.empty(self._size, np.float32) for _ in range(4))
        self._window = np.outer(_taper(rows), _taper(columns))
        self._weights = _weights(rows, columns)
        self._matrix = np.eye(2, 3)
        reach_px = self._reach_px = reach(limit_px / factor)
        # The filter moves the peak of an unmoved frame to the middle.
        self._allowed = self._surface[_around(rows // 2, reach_px), _around(columns // 2, reach_px)]
        # What came in at the border is not compared.
        rim = self._rim = reach_px + 1
        self._inner = (slice(rim, rows - rim), slice(rim, columns - rim))
        self._learnt = {fov: self._learn(template, _Learnt(self._size)) for fov, template in templates.items()}
        self._brought = _Learnt(self._size)

    def faults(self) -> dict[int, str]:
        """The templates that nothing can be aligned by, by field of view, and why."""
        return {fov: learnt.fault for fov, learnt in self._learnt.items() if learnt.fault}

    def find(self, image: _Image, template: _Image | None, fov: int) -> Pose:
        """Where the board of `image` lies beside `template` (None: the recipe's of `fov`); both (H, W, C) uint8."""
        learnt = self._learnt.get(fov) if template is None else self._learn(template, self._brought)
        if learnt is None:
            return Pose(fault=f"there is no template of fov {fov}")
        if learnt.fault:
            return Pose(fault=learnt.fault)
        if not self._shrink(image, self._frame):
            return Pose(fault="the frame is flat")
        cv2.multiply(self._frame, self._window, dst=self._work)
        cv2.dft(self._work, dst=self._surface)
        cv2.mulSpectrums(self._surface, learnt.filter, 0, c=self._work, conjB=True)
        cv2.idft(self._work, dst=self._surface, flags=cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)
        _, peak, _, (column, row) = cv2.minMaxLoc(self._allowed)
        x, y = self._peak(row, column)
        # Blanked, so that the highest of the rest is found; what lies there has been read.
        self._allowed.fill(-np.inf)
        beyond = cv2.minMaxLoc(self._surface)[1]
        if not peak > max(beyond, 0.0):
            return Pose(fault="the board matches best beyond the limit")
        return self._refine(learnt, x, y)

    def _refine(self, learnt: _Learnt, x: float, y: float) -> Pose:
        """The rest of the shift, and how well the frame matches, from (x, y) in small pixels."""
        factor = self._factor
        self._matrix[:, 2] = x, y
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        rows, columns = self._size
        cv2.warpAffine(
            self._frame, self._matrix, (columns, rows), dst=self._moved, flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        cv2.subtract(self._moved, learnt.image, dst=self._work)
        seen, rest = _variance(self._moved[self._inner]), _variance(self._work[self._inner])
        # var(a - b) = var(a) + var(b) - 2 cov(a, b)
        covariance = (seen + learnt.variance - rest) / 2
        match = covariance / max((seen * learnt.variance) ** 0.5, 1e-6)
        np.clip(self._work, -_GREATEST_RESIDUE, _GREATEST_RESIDUE, out=self._work)
        along_x, along_y = float(np.vdot(learnt.slope_x, self._work)), float(np.vdot(learnt.slope_y, self._work))
        xx, xy, yy = learnt.inverse
        step_x, step_y = xx * along_x + xy * along_y, xy * along_x + yy * along_y
        fault = "" if max(abs(step_x), abs(step_y)) <= _GREATEST_STEP else "the estimates of the shift disagree"
        return Pose((x - step_x) * factor, (y - step_y) * factor, 0.0, match, fault)

    def _peak(self, row: int, column: int) -> tuple[float, float]:
        """The peak at (row, column) of the allowed part as a shift (x, y), between pixels by a parabola."""
        reach_px, (rows, columns) = self._reach_px, self._size
        row, column = row - reach_px + rows // 2, column - reach_px + columns // 2
        surface = self._surface
        middle = surface[row, column]
        x = column - columns // 2 + parabola(surface[row, column - 1], middle, surface[row, column + 1])
        y = row - rows // 2 + parabola(surface[row - 1, column], middle, surface[row + 1, column])
        return x, y

    def _learn(self, template: _Image, into: _Learnt) -> _Learnt:
        into.fault = ""
        if not self._shrink(template, into.image):
            into.fault = "the template is flat"
            return into
        cv2.multiply(into.image, self._window, dst=self._work)
        cv2.dft(self._work, dst=into.filter)
        real, power = self._surface, self._work
        cv2.mulSpectrums(into.filter, into.filter, 0, c=real, conjB=True)
        # A power is real: it stands where the real parts do, and is needed beside them as well.
        np.copyto(power, real)
        power[:, 2:-1:2] = real[:, 1:-1:2]
        power[2::2, 0], power[2::2, -1] = real[1:-1:2, 0], real[1:-1:2, -1]
        power += np.float32(_NOISE * cv2.mean(power)[0])
        np.divide(self._weights, power, out=power)
        into.filter *= power
        rim = self._rim
        for slope, dx, dy in ((into.slope_x, 1, 0), (into.slope_y, 0, 1)):
            cv2.Sobel(into.image, cv2.CV_32F, dx, dy, dst=slope, ksize=3, scale=1 / 8)
            slope[:rim], slope[-rim:], slope[:, :rim], slope[:, -rim:] = 0, 0, 0, 0
        into.variance = _variance(into.image[self._inner])
        self._invert(into)
        return into

    def _invert(self, learnt: _Learnt) -> None:
        slope_x, slope_y = learnt.slope_x, learnt.slope_y
        xx, xy, yy = (float(np.vdot(a, b)) for a, b in ((slope_x, slope_x), (slope_x, slope_y), (slope_y, slope_y)))
        # The smaller eigenvalue of [[xx, xy], [xy, yy]].
        least = (xx + yy) / 2 - (((xx - yy) / 2) ** 2 + xy * xy) ** 0.5
        if least < _LEAST_GRADIENT * slope_x.size:
            learnt.fault = "the template has edges in one direction alone"
            return
        determinant = xx * yy - xy * xy
        learnt.inverse = (yy / determinant, -xy / determinant, xx / determinant)

    def _shrink(self, image: _Image, into: _Field) -> bool:
        """Make `image` small, of mean 0 and deviation 1; False where it is flat."""
        rows, columns = self._cut
        if self._gray is None:
            gray = image[rows, columns, 0]
        else:
            gray = self._gray
            cv2.cvtColor(image[rows, columns], cv2.COLOR_BGR2GRAY, dst=gray)
        cv2.resize(gray, self._small.shape[::-1], dst=self._small, interpolation=cv2.INTER_AREA)
        mean, deviation = cv2.meanStdDev(self._small)
        if deviation[0, 0] < _LEAST_DEVIATION:
            return False
        np.copyto(into, self._small)
        into -= np.float32(mean[0, 0])
        into *= np.float32(1.0 / deviation[0, 0])
        return True


def _variance(field: _Field) -> float:
    return float(cv2.meanStdDev(field)[1][0, 0]) ** 2


def _around(middle: int, reach_px: int) -> slice:
    return slice(middle - reach_px, middle + reach_px + 1)


def _transformable(size: int) -> int:
    """The greatest even size, at most `size`, that is quick to transform."""
    size -= size % 2
    while cv2.getOptimalDFTSize(size) != size:
        size -= 2
    return size


def _taper(size: int) -> _Field:
    """(size,), 1 but for both ends, which rise from 0 as a cosine does (Tukey's window)."""
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(max(1, round(size * _TAPER))) + 0.5) / max(1, round(size * _TAPER)))
    taper = np.ones(size, np.float32)
    taper[: ramp.size], taper[-ramp.size :] = ramp, ramp[::-1]
    return taper


def _weights(rows: int, columns: int) -> _Field:
    """What each frequency counts, as cv2.dft packs a spectrum of even size: a Gaussian, moved to the middle.

    Packed: column 0 and the last one hold the real and imaginary parts of their frequency one
    below the other, all other columns side by side (OpenCV's CCS format).
    """
    across = np.broadcast_to((np.arange(columns) + 1) // 2, (rows, columns))
    down = np.repeat(np.arange(rows)[:, None], columns, axis=1)
    down[:, [0, -1]] = (np.arange(rows)[:, None] + 1) // 2
    x, y = across / columns, np.minimum(down, rows - down) / rows
    gaussian = np.exp(-2 * (np.pi * _BLUR_PX) ** 2 * (x * x + y * y))
    # (-1) to the power of both frequencies moves the origin by half of both sides.
    return np.where((across + down) % 2, -gaussian, gaussian).astype(np.float32)
