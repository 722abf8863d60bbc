"""Shapes of damage, as opacity patches.

DeepPCB's defects were put in by hand with a drawing tool: short scribbles, hooks and bars with ragged
rims, some of them sprayed. These shapes follow them and add blots and discs as etching makes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards.canvas import Points
from aoi_daemon.kit.boards.parts import Rng, log_uniform

SCALE: Final = 4
SHIFT_BITS: Final = 3


@dataclass(frozen=True)
class Patch:
    """Damage to lay on a board.

    Attributes:
        x, y: the patch's first pixel in the image.
        opacity: uint8 (rows, columns), 255 where the damage is complete.
    """

    x: int
    y: int
    opacity: NDArray[np.uint8]


@dataclass(frozen=True)
class Line:
    """A polyline with round ends. points: [N, 2] px."""

    points: Points
    width_px: float


def scribble(rng: Rng, x_px: float, y_px: float, reach_px: float, width_px: float) -> list[Line]:
    """A blot, a disc, a hook or a tangle that stays within `reach_px` of (x_px, y_px)."""
    centre = np.array([x_px, y_px])
    inner_px = max(reach_px - width_px / 2, 0.3)
    kind = rng.random()
    if kind < 0.2:
        return [Line(np.stack([centre, centre + 0.05]), 2 * reach_px * rng.uniform(0.7, 1.0))]
    corners = int(rng.integers(2, 6))
    angles = rng.uniform(0, 2 * math.pi, corners)
    if kind < 0.6:
        # A hook or a bar: along one axis and back across it.
        axis = rng.uniform(0, math.pi)
        angles = axis + np.where(np.arange(corners) % 2, math.pi, 0.0) + rng.normal(0.0, 0.5, corners)
    radii = inner_px * np.sqrt(rng.uniform(0.2, 1.0, corners))
    points = centre + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
    if rng.random() < 0.35:
        points[int(rng.integers(corners))] = centre
    if rng.random() < 0.3 and corners > 3:
        # Two strokes side by side instead of one.
        return [Line(points[:2], width_px), Line(points[2:], width_px * rng.uniform(0.6, 1.0))]
    return [Line(points, width_px)]


def crossing(rng: Rng, start: Points, end: Points, width_px: float) -> list[Line]:
    """A cut or a bridge from `start` to `end`, [2] px each, straight, bent or of several strokes."""
    way = end - start
    length_px = max(float(np.hypot(*way)), 1e-6)
    across = np.array([-way[1], way[0]]) / length_px
    middle = (start + end) / 2 + across * rng.normal(0.0, 0.12) * length_px
    bent = np.stack([start, middle, end]) if rng.random() < 0.5 else np.stack([start, end])
    lines = [Line(bent, width_px)]
    if rng.random() < 0.25:
        # A second stroke beside the first.
        off = across * rng.uniform(-1.2, 1.2) * width_px
        tilt = across * rng.normal(0.0, 0.5) * width_px
        lines.append(Line(np.stack([start + off - tilt, end + off + tilt]), width_px * rng.uniform(0.4, 1.0)))
    return lines


def patch_of(rng: Rng, lines: list[Line]) -> Patch:
    """Rasterise lines, with smooth rims, ragged ones, or sprayed with gaps."""
    points = np.concatenate([line.points for line in lines])
    reach = max(line.width_px for line in lines) / 2 + 3.0
    x, y = (int(v) for v in np.floor(points.min(0) - reach))
    right, bottom = (int(v) for v in np.ceil(points.max(0) + reach))
    columns, rows = right - x, bottom - y
    sheet = np.zeros((rows * SCALE, columns * SCALE), np.uint8)
    for line in lines:
        local = (line.points - (x, y)) * SCALE - 0.5
        fixed = np.rint(local * (1 << SHIFT_BITS)).astype(np.int32).reshape(-1, 1, 2)
        thickness = max(1, round(line.width_px * SCALE))
        cv2.polylines(sheet, [fixed], False, 255, thickness, cv2.LINE_8, SHIFT_BITS)
    opacity = np.asarray(cv2.resize(sheet, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    finish = rng.random()
    if finish > 0.35:
        inner = np.asarray(cv2.blur(opacity, (3, 3)), np.float32) / np.float32(255)
        # Ragged: the rim is eaten, the core stays. Sprayed: gaps in the core, too.
        density = rng.uniform(1.0, 2.2) if finish < 0.75 else rng.uniform(0.5, 1.0)
        opacity[rng.random((rows, columns), np.float32) >= inner * np.float32(density)] = 0
    return Patch(x, y, opacity)


def stroke_width(rng: Rng) -> float:
    """Draw the width of the tool that does the damage, px: mostly 3 to 9."""
    return log_uniform(rng, 3.0, 9.0) if rng.random() < 0.85 else log_uniform(rng, 8.0, 16.0)
