"""Where and how large: one proposal function for each class of defect.

A proposal is a list of strokes of removed or added copper; `defects` renders and judges it. An empty one
says that the board has no place for this class. Sizes follow DeepPCB's damage, whose longer side is (5th to
95th percentile) 13 to 69 px for open, 15 to 67 short, 11 to 41 mousebite, spur and copper, 10 to 36 pin-hole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards import strokes
from aoi_daemon.kit.boards.canvas import Points
from aoi_daemon.kit.boards.options import DefectClass
from aoi_daemon.kit.boards.parts import Rng, log_uniform
from aoi_daemon.kit.boards.sites import REACH_PX, Edges, Sites
from aoi_daemon.kit.boards.strokes import Line

Proposal = list[Line]


def _pick(rng: Rng, weights: NDArray[np.float64]) -> int | None:
    total = float(weights.sum())
    return int(rng.choice(len(weights), p=weights / total)) if total > 0 else None


def _stroke_through(
    rng: Rng, edges: Edges, i: int, *, way: float, length_px: float, slant: float
) -> tuple[Points, Points]:
    """Ends of a stroke over `length_px` from edge point `i`, leaned over, with some overshoot.

    `way` is 1 along the edge's normal, into the substrate, and -1 against it.
    """
    normal = np.array([edges.normal_x[i], edges.normal_y[i]]) * way
    side = np.array([-normal[1], normal[0]]) * (rng.normal(0.0, slant) * length_px / 2)
    start_px, end_px = rng.uniform(1.5, 6.0, 2)
    base = np.array([edges.x[i], edges.y[i]])
    return base - normal * start_px - side, base + normal * (length_px + end_px) + side


def _open(rng: Rng, sites: Sites) -> Proposal:
    """A cut through copper from substrate to substrate."""
    edges = sites.edges
    i = _pick(rng, (edges.thickness_px < REACH_PX - 8) / np.maximum(edges.thickness_px, 8.0) ** 1.1)
    if i is None:
        return []
    start, end = _stroke_through(rng, edges, i, way=-1.0, length_px=float(edges.thickness_px[i]), slant=0.45)
    return strokes.crossing(rng, start, end, log_uniform(rng, 3.5, 12.0))


def _short(rng: Rng, sites: Sites) -> Proposal:
    """A bridge over substrate between two nets."""
    edges = sites.edges
    two_nets = (edges.net_across > 0) & (edges.net_across != edges.net) & (edges.net > 0)
    i = _pick(rng, two_nets / np.maximum(edges.gap_px, 8.0) ** 0.8)
    if i is None:
        return []
    start, end = _stroke_through(rng, edges, i, way=1.0, length_px=float(edges.gap_px[i]), slant=0.25)
    return strokes.crossing(rng, start, end, log_uniform(rng, 3.2, 10.0))


def _at_edge(rng: Rng, sites: Sites, room_px: NDArray[np.int64], inwards: float) -> Proposal:
    """A scribble whose outline crosses an edge, `inwards` -1 into the copper, 1 into the substrate."""
    edges = sites.edges
    i = _pick(rng, (room_px >= 7).astype(np.float64))
    if i is None:
        return []
    reach_px = log_uniform(rng, 4.0, 20.0)
    # What remains of a trace, or of a gap, is at least a quarter of it.
    depth_px = min(reach_px * rng.uniform(0.7, 1.7), 0.75 * float(room_px[i]))
    reach_px = min(reach_px, depth_px * 1.6 + 1.0)
    off_px = (depth_px - reach_px) * inwards
    x = float(edges.x[i]) + float(edges.normal_x[i]) * off_px
    y = float(edges.y[i]) + float(edges.normal_y[i]) * off_px
    return strokes.scribble(rng, x, y, reach_px, min(strokes.stroke_width(rng), 1.6 * reach_px))


def _mousebite(rng: Rng, sites: Sites) -> Proposal:
    return _at_edge(rng, sites, sites.edges.thickness_px, -1.0)


def _spur(rng: Rng, sites: Sites) -> Proposal:
    return _at_edge(rng, sites, sites.edges.gap_px, 1.0)


def _island(rng: Rng, sites: Sites, depth_px: NDArray[np.float32], gap_px: float) -> Proposal:
    """A scribble all around which `gap_px` of the same material remain."""
    reach_px = log_uniform(rng, 5.0, 21.0)
    places = sites.deep_points(rng, depth_px, reach_px + gap_px)
    if not len(places):
        # A hole in a trace, a speck between two.
        reach_px = 3.4
        places = sites.deep_points(rng, depth_px, reach_px + gap_px)
    if not len(places):
        return []
    x, y = (float(v) for v in places[int(rng.integers(len(places)))])
    return strokes.scribble(rng, x, y, reach_px, min(strokes.stroke_width(rng), 1.6 * reach_px))


def _copper(rng: Rng, sites: Sites) -> Proposal:
    return _island(rng, sites, sites.outside_px, 3.0)


def _pin_hole(rng: Rng, sites: Sites) -> Proposal:
    return _island(rng, sites, sites.inside_px, 2.0)


PROPOSE: Final[Mapping[DefectClass, Callable[[Rng, Sites], Proposal]]] = {
    DefectClass.OPEN: _open,
    DefectClass.SHORT: _short,
    DefectClass.MOUSEBITE: _mousebite,
    DefectClass.SPUR: _spur,
    DefectClass.COPPER: _copper,
    DefectClass.PIN_HOLE: _pin_hole,
}
