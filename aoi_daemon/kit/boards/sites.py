"""Find where on a board a defect can be: edges with their normals, copper's thickness, gaps to neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards.parts import Rng

Mask = NDArray[np.uint8]

CANDIDATES: Final = 420
REACH_PX: Final = 96
# Sites keep this distance from the image's border, so that every defect lies inside.
RIM_PX: Final = 16


@dataclass(frozen=True)
class Edges:
    """Points on copper's edges, [N] each.

    Attributes:
        x, y: px.
        normal_x, normal_y: unit vector from copper to substrate.
        thickness_px: along the normal through the copper; REACH_PX or more when it does not end there.
        gap_px: along the normal across the substrate to the next copper, likewise.
        net, net_across: labels of this copper and of that across the gap (0: none within reach).
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    normal_x: NDArray[np.float64]
    normal_y: NDArray[np.float64]
    thickness_px: NDArray[np.int64]
    gap_px: NDArray[np.int64]
    net: NDArray[np.int32]
    net_across: NDArray[np.int32]


class Sites:
    """The geometry of one undamaged board, measured once.

    Attributes:
        nets: int32 (height_px, width_px), connected copper by label, 0 is substrate.
        inside_px, outside_px: float32, distance of each pixel to the nearest substrate and copper.
    """

    def __init__(self, rng: Rng, coverage: Mask) -> None:
        copper = np.asarray(coverage > 127, np.uint8)
        self.height_px, self.width_px = copper.shape
        self.nets = np.asarray(cv2.connectedComponents(copper, connectivity=8)[1], np.int32)
        self.inside_px = np.asarray(cv2.distanceTransform(copper, cv2.DIST_L2, 3), np.float32)
        self.outside_px = np.asarray(cv2.distanceTransform(1 - copper, cv2.DIST_L2, 3), np.float32)
        self.edges = self._find_edges(rng, coverage, copper)

    def deep_points(self, rng: Rng, depth_px: NDArray[np.float32], wanted_px: float) -> NDArray[np.int64]:
        """Draw places with `depth_px` (`inside_px` or `outside_px`) of at least `wanted_px`. [N, 2] x y."""
        tries = 500
        x = rng.integers(RIM_PX, self.width_px - RIM_PX, tries)
        y = rng.integers(RIM_PX, self.height_px - RIM_PX, tries)
        good = depth_px[y, x] >= wanted_px
        return np.stack([x[good], y[good]], 1)

    def _find_edges(self, rng: Rng, coverage: Mask, copper: Mask) -> Edges:
        inner = copper[RIM_PX:-RIM_PX, RIM_PX:-RIM_PX]
        rim = cv2.morphologyEx(inner, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        found = np.flatnonzero(np.asarray(rim, np.uint8) & inner)
        if len(found) > CANDIDATES:
            found = rng.choice(found, CANDIDATES, replace=False)
        y, x = np.divmod(found, inner.shape[1])
        x, y = x + RIM_PX, y + RIM_PX
        normal_x, normal_y, clear = _normals(coverage, x, y)
        x, y, normal_x, normal_y = x[clear], y[clear], normal_x[clear], normal_y[clear]
        start, way = np.stack([x, y], 1), np.stack([normal_x, normal_y], 1)
        thickness_px, _ = self._cast(start, -way, copper == 0)
        gap_px, across = self._cast(start, way, copper == 1)
        return Edges(x, y, normal_x, normal_y, thickness_px, gap_px, self.nets[y, x], across)

    def _cast(
        self, start: NDArray[np.int64], way: NDArray[np.float64], goal: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Go from `start` along the unit vectors `way`, [N, 2] x y, to the first pixel of `goal`.

        Returns:
            Steps in px, [N], REACH_PX where there is none, and the net there, [N].
        """
        # Two pixels off: the start lies on the edge itself, where rounding decides.
        steps = np.arange(2, REACH_PX)
        path = np.rint(start[:, None, :] + way[:, None, :] * steps[:, None]).astype(np.int64)
        size = np.array([self.width_px, self.height_px])
        outside = np.any((path < 0) | (path >= size), axis=2)
        across, down = np.moveaxis(path.clip(0, size - 1), 2, 0)
        hit = goal[down, across]
        first = np.argmax(hit | outside, axis=1)
        rows = np.arange(len(start))
        good = np.asarray(hit & ~outside)[rows, first]
        nets = self.nets[down[rows, first], across[rows, first]]
        return np.where(good, steps[first], REACH_PX), np.where(good, nets, 0).astype(np.int32)


def _normals(
    coverage: Mask, x: NDArray[np.int64], y: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Estimate edge normals from 9 by 9 pixels around each point; the third result marks usable ones."""
    span = np.arange(-4, 5)
    off_y, off_x = (a.ravel() for a in np.meshgrid(span, span, indexing="ij"))
    patch = coverage[y[:, None] + off_y, x[:, None] + off_x].astype(np.float64) / 255.0
    falloff = np.exp(-(off_x**2 + off_y**2) / 8.0)
    down_x, down_y = -(patch * falloff) @ off_x, -(patch * falloff) @ off_y
    size = np.hypot(down_x, down_y)
    # Below this the neighbourhood is a thin line or a corner with no one direction.
    clear = size > 6.0
    safe = np.maximum(size, 1e-9)
    return down_x / safe, down_y / safe, clear
