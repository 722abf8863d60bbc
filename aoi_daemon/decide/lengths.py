"""Boxes in px of a frame as lengths in mm, by what was measured of the camera. Pure, and not on the path.

The model, of a point seen at `d` from the middle of the frame, in half diagonals: d = u (1 + k1 u^2 + k2 u^4), where it
would be seen at `u` without distortion.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aoi_daemon.config.lens import Lens

_STEPS: Final = 12
"""Of Newton's method, which doubles its digits with each."""


def middle_px(lens: Lens) -> NDArray[np.float64]:
    """The middle of the frame, x y, px: a pixel's centre has whole numbers."""
    return np.array(((lens.width_px - 1) / 2, (lens.height_px - 1) / 2))


def half_diagonal_px(lens: Lens) -> float:
    """From the middle of the frame to its corner."""
    return float(np.hypot(lens.width_px, lens.height_px) / 2)


def straightened(lens: Lens, points: ArrayLike) -> NDArray[np.float64]:
    """Points (n, 2) in px of the frame, where they would lie in it without distortion."""
    radius = half_diagonal_px(lens)
    seen = (np.asarray(points, np.float64) - middle_px(lens)) / radius
    distance = np.hypot(seen[..., 0], seen[..., 1])
    true = distance.copy()
    for _ in range(_STEPS):
        beside = true * (1 + lens.k1 * true**2 + lens.k2 * true**4) - distance
        true = true - beside / (1 + 3 * lens.k1 * true**2 + 5 * lens.k2 * true**4)
    grown = np.divide(true, distance, out=np.ones_like(true), where=distance > 0)
    return np.asarray(seen * grown[..., None] * radius + middle_px(lens))


def size_mm(lens: Lens, box: tuple[float, float, float, float]) -> tuple[float, float]:
    """Width and height in mm of a box x1 y1 x2 y2 in px of the frame, between the middles of its sides."""
    x1, y1, x2, y2 = box
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    left, right, top, bottom = straightened(lens, ((x1, y), (x2, y), (x, y1), (x, y2)))
    return (
        float(np.hypot(*(right - left)) / lens.px_per_mm),
        float(np.hypot(*(bottom - top)) / lens.px_per_mm),
    )
