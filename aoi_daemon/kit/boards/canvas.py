"""A sheet of copper to draw on, which keeps the clearance between nets.

The copper mask is drawn at twice the final resolution and averaged down, so that edges have coverage
values between 0 and 255 and can be shifted by parts of a pixel. The sheet is larger than the image by
`BORDER_PX` on each side: a shifted or turned board has no empty rim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

BORDER_PX: Final = 24
COPPER_SCALE: Final = 2.0
# The clearance check needs no more than this, and it is the part that is done hundreds of times.
KEEPOUT_SCALE: Final = 0.5
# OpenCV's fixed-point coordinates: eighths of a pixel.
SHIFT_BITS: Final = 3

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Stroke:
    """A polyline with round ends. points: [N, 2] in px."""

    points: Points
    width_px: float


@dataclass(frozen=True)
class Disc:
    """A filled ellipse with its axes along x and y, turned by `angle_deg`."""

    x_px: float
    y_px: float
    radius_x_px: float
    radius_y_px: float
    angle_deg: float = 0.0


@dataclass(frozen=True)
class Area:
    """A filled polygon, its corners rounded by `round_px`. points: [N, 2] in px."""

    points: Points
    round_px: float = 0.0


Shape = Stroke | Disc | Area


class Canvas:
    """The copper of one board side. Coordinates are pixels of the final image and may lie outside it."""

    def __init__(self, width_px: int, height_px: int) -> None:
        self.width_px = width_px
        self.height_px = height_px
        self.copper = self._sheet(COPPER_SCALE)
        self._pour = self._sheet(COPPER_SCALE)
        self._void = self._sheet(COPPER_SCALE)
        self._taken = self._sheet(KEEPOUT_SCALE)
        self._trial = self._sheet(KEEPOUT_SCALE)

    @property
    def units(self) -> float:
        """The board's area in DeepPCB images of 640 by 640 px."""
        return self.width_px * self.height_px / 640.0**2

    def somewhere(self, rng: np.random.Generator, beyond_px: float = 0.0) -> tuple[float, float]:
        """Draw a point on the board, or up to `beyond_px` beside it."""
        x = rng.uniform(-beyond_px, self.width_px + beyond_px)
        return float(x), float(rng.uniform(-beyond_px, self.height_px + beyond_px))

    def place(self, shapes: Sequence[Shape], clearance_px: float) -> bool:
        """Draw the shapes as one net if they keep `clearance_px` from everything placed before."""
        self._trial[:] = 0
        for shape in shapes:
            _draw(self._trial, shape, KEEPOUT_SCALE, 255, clearance_px)
        if cv2.countNonZero(cv2.bitwise_and(self._trial, self._taken)):
            return False
        for shape in shapes:
            _draw(self._taken, shape, KEEPOUT_SCALE, 255, 0.0)
            _draw(self._void, shape, COPPER_SCALE, 255, clearance_px)
            _draw(self.copper, shape, COPPER_SCALE, 255, 0.0)
        return True

    def erase(self, shape: Shape) -> None:
        """Cut a drill hole or a slot into whatever is there, pours included."""
        _draw(self.copper, shape, COPPER_SCALE, 0, 0.0)
        _draw(self._void, shape, COPPER_SCALE, 255, 0.0)

    def add(self, shape: Shape) -> None:
        """Draw copper whatever is there: a trace inside a slot that was cut before."""
        _draw(self.copper, shape, COPPER_SCALE, 255, 0.0)

    def pour(self, area: Shape) -> None:
        """Ask for copper everywhere in `area` that keeps clear of the nets placed so far and later."""
        _draw(self._pour, area, COPPER_SCALE, 255, 0.0)

    def text(self, words: str, x_px: float, y_px: float, height_px: float, width_px: float) -> None:
        """Write in copper. `width_px` is that of the strokes; text keeps no clearance of its own."""
        origin = (int((x_px + BORDER_PX) * COPPER_SCALE), int((y_px + BORDER_PX) * COPPER_SCALE))
        thickness = max(1, round(width_px * COPPER_SCALE))
        # Hershey's capitals are 21 units high.
        scale = height_px * COPPER_SCALE / 21.0
        cv2.putText(self.copper, words, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness)

    def coverage(self) -> NDArray[np.uint8]:
        """Return the copper with its pours, uint8 (height_px + 2 BORDER_PX, width_px + 2 BORDER_PX)."""
        cv2.bitwise_not(self._void, self._void)
        cv2.bitwise_and(self._pour, self._void, self._pour)
        cv2.bitwise_not(self._void, self._void)
        both = cv2.bitwise_or(self.copper, self._pour)
        size = (self.width_px + 2 * BORDER_PX, self.height_px + 2 * BORDER_PX)
        return np.asarray(cv2.resize(both, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _sheet(self, scale: float) -> NDArray[np.uint8]:
        rows = int((self.height_px + 2 * BORDER_PX) * scale)
        return np.zeros((rows, int((self.width_px + 2 * BORDER_PX) * scale)), np.uint8)


def _fixed(points: Points, scale: float) -> NDArray[np.int32]:
    """Turn image pixels into OpenCV's fixed-point sheet coordinates, int32 [N, 1, 2]."""
    # Half a pixel: ours are corners of pixels, OpenCV's are centres.
    sheet = (points + BORDER_PX) * scale - 0.5
    return np.asarray(np.rint(sheet * (1 << SHIFT_BITS)), np.int32).reshape(-1, 1, 2)


def _draw(sheet: NDArray[np.uint8], shape: Shape, scale: float, value: int, grow_px: float) -> None:
    if isinstance(shape, Stroke):
        thickness = max(1, round((shape.width_px + 2 * grow_px) * scale))
        cv2.polylines(sheet, [_fixed(shape.points, scale)], False, value, thickness, cv2.LINE_8, SHIFT_BITS)
    elif isinstance(shape, Disc):
        centre = _fixed(np.array([[shape.x_px, shape.y_px]]), scale)[0, 0]
        unit = scale * (1 << SHIFT_BITS)
        axes = (round((shape.radius_x_px + grow_px) * unit), round((shape.radius_y_px + grow_px) * unit))
        if axes[0] == axes[1]:
            cv2.circle(sheet, (int(centre[0]), int(centre[1])), axes[0], value, -1, cv2.LINE_8, SHIFT_BITS)
        else:
            cv2.ellipse(
                sheet, (int(centre[0]), int(centre[1])), axes, shape.angle_deg, 0, 360, value, -1,
                cv2.LINE_8, SHIFT_BITS,
            )  # fmt: skip
    else:
        points = _fixed(shape.points, scale)
        cv2.fillPoly(sheet, [points], value, cv2.LINE_8, SHIFT_BITS)
        thickness = round(2 * (grow_px + shape.round_px) * scale)
        if thickness > 0:
            cv2.polylines(sheet, [points], True, value, thickness, cv2.LINE_8, SHIFT_BITS)
