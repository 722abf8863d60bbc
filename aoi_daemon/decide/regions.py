"""Where on a frame a detection counts: inspect and ignore regions, compiled once.

Pure. All lengths are pixels of the frame, x to the right, y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.limits import Region

_GRID: Final = 64
"""Points a side that are tried when it is asked whether anything is left to look at."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """Rectangles and polygons, laid out so that all are asked at once.

    Attributes:
        rectangles: (r, 4) float64, x1 y1 x2 y2.
        edges: (4, e) float64: upper end x and y, lower end y, and the slope dx/dy
            of every polygon's edges. Upper end first, so that two polygons compute
            their common edge alike and no point falls between them.
        starts: (p,) the first edge of each polygon.
    """

    rectangles: NDArray[np.float64]
    edges: NDArray[np.float64]
    starts: NDArray[np.intp]

    @classmethod
    def compile(cls, corner_lists: Sequence[NDArray[np.float64]]) -> Shapes | None:
        """From corners (2, 2) of a rectangle or (n, 2) of a polygon each; None when there are none."""
        if not corner_lists:
            return None
        rectangles = [np.concatenate((c.min(0), c.max(0))) for c in corner_lists if len(c) == 2]
        polygons = [_edges(c) for c in corner_lists if len(c) > 2]
        starts = np.cumsum([0, *(edges.shape[1] for edges in polygons)])[:-1]
        return cls(
            np.array(rectangles, np.float64).reshape(-1, 4),
            np.concatenate(polygons, axis=1) if polygons else np.empty((4, 0)),
            starts.astype(np.intp),
        )

    def hold(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each point (n,) lies in any of the shapes.

        A rectangle's border belongs to it. A polygon is filled by the even-odd
        rule; of its border the left and upper sides belong to it.
        """
        x, y = x[:, None], y[:, None]
        x1, y1, x2, y2 = self.rectangles.T
        inside: NDArray[np.bool_] = ((x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)).any(axis=1)
        if len(self.starts):
            top_x, top_y, bottom_y, slope = self.edges
            crossed = (y >= top_y) & (y < bottom_y) & (x < top_x + slope * (y - top_y))
            inside |= np.bitwise_xor.reduceat(crossed, self.starts, axis=1).any(axis=1)
        return inside


@dataclass(frozen=True, eq=False)
class View:
    """The regions of one field of view. `inspect` None: everywhere; `ignore` None: nowhere."""

    inspect: Shapes | None
    ignore: Shapes | None
    width_px: int
    height_px: int

    def counts(self, boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether each box's centre lies where it counts; `boxes` is (n, 4), the answer (n,)."""
        # A centre beyond the frame's border is taken to the nearest pixel: an inspect region
        # that covers the frame must not lose a box that sticks out of it.
        x = np.clip((boxes[:, 0].astype(np.float64) + boxes[:, 2]) / 2, 0.5, self.width_px - 0.5)
        y = np.clip((boxes[:, 1].astype(np.float64) + boxes[:, 3]) / 2, 0.5, self.height_px - 0.5)
        return self._at(x, y)

    def _at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        where = np.ones(len(x), np.bool_) if self.inspect is None else self.inspect.hold(x, y)
        if self.ignore is not None:
            where &= ~self.ignore.hold(x, y)
        return where

    @property
    def ignores_all(self) -> bool:
        """Whether the ignore regions alone leave nothing of the frame."""
        if self.ignore is None:
            return False
        steps = (np.arange(_GRID) + 0.5) / _GRID
        x, y = np.meshgrid(steps * self.width_px, steps * self.height_px)
        return bool(self.ignore.hold(x.ravel(), y.ravel()).all())


def compile_views(
    regions: Sequence[Region], px_per_unit: float, width_px: int, height_px: int
) -> dict[int | None, View]:
    """The regions by field of view; None holds those of every field that none names.

    Raises:
        ValueError: a region that would make every part pass, by its place in the recipe.
    """
    corners = [np.array(region.corners, np.float64).reshape(-1, 2) * px_per_unit for region in regions]
    for number, (region, points) in enumerate(zip(regions, corners, strict=True)):
        _check(f"regions[{number}]", region, points, width_px, height_px)
    views: dict[int | None, View] = {}
    for fov in {region.fov for region in regions}:
        by_kind: dict[str, list[NDArray[np.float64]]] = {"inspect": [], "ignore": []}
        for region, points in zip(regions, corners, strict=True):
            if region.fov is None or region.fov == fov:
                by_kind[region.kind].append(points)
        inspect, ignore = Shapes.compile(by_kind["inspect"]), Shapes.compile(by_kind["ignore"])
        view = View(inspect, ignore, width_px, height_px)
        if view.ignores_all:
            raise ValueError(f"regions: the ignore regions cover all of fov {'*' if fov is None else fov}")
        views[fov] = view
    return views


def _edges(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """A polygon's edges as `Shapes.edges` holds them."""
    ends = np.stack((corners, np.roll(corners, -1, axis=0)), axis=1)  # (n, end, xy)
    ends = np.take_along_axis(ends, ends[:, :, 1].argsort(axis=1)[:, :, None], axis=1)
    (top_x, top_y), (bottom_x, bottom_y) = ends[:, 0].T, ends[:, 1].T
    # A level edge is never crossed (y >= top and y < bottom holds nowhere), whatever its slope.
    drop = np.where(bottom_y > top_y, bottom_y - top_y, 1.0)
    return np.stack((top_x, top_y, bottom_y, (bottom_x - top_x) / drop))


def _check(name: str, region: Region, corners: NDArray[np.float64], width_px: int, height_px: int) -> None:
    if not np.isfinite(corners).all():
        raise ValueError(f"{name}.corners: {list(region.corners)} are not all numbers")
    (x1, y1), (x2, y2) = corners.min(0), corners.max(0)
    following = np.roll(corners, -1, axis=0)
    twice_area = abs(np.sum(corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]))
    if x1 == x2 or y1 == y2 or (len(corners) > 2 and twice_area == 0):
        raise ValueError(f"{name}.corners: {list(region.corners)} hold no area")
    if region.kind == "inspect" and (x1 >= width_px or y1 >= height_px or x2 <= 0 or y2 <= 0):
        raise ValueError(
            f"{name}: this inspect region spans x {x1:g} to {x2:g} and y {y1:g} to {y2:g} px; "
            f"no part of it is in the frame of {width_px} x {height_px} px"
        )
