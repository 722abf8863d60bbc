"""What a board is made of: paths, buses, pads, footprints, as shapes for the canvas.

All lengths are pixels of the final image. Every function draws from the random generator handed in and
from nothing else.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from aoi_daemon.kit.boards.canvas import Area, Disc, Points, Shape, Stroke

Rng = np.random.Generator

# Turns of a trace at its corners, in eighths of a circle; layout tools prefer the 45 degree ones.
TURNS: Final = np.array([-1, 1, -1, 1, -2, 2])


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Draw between low and high with every octave equally likely."""
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def octilinear_path(
    rng: Rng, start: tuple[float, float], *, heading: int, angle_rad: float, step_px: float, corners: int
) -> Points:
    """Walk from `start` in eighth-circle headings turned by `angle_rad`. Returns [corners + 2, 2] px."""
    headings = heading + np.concatenate([[0], np.cumsum(rng.choice(TURNS, corners))])
    lengths = step_px * rng.uniform(0.35, 1.6, corners + 1)
    angles = headings * (math.pi / 4) + angle_rad
    steps = np.stack([np.cos(angles), np.sin(angles)], 1) * lengths[:, None]
    return np.vstack([[start], np.array(start) + np.cumsum(steps, 0)])


def offset_path(path: Points, offset_px: float) -> Points:
    """Shift a polyline sideways with mitred corners, as the lanes of a bus run. [N, 2] to [N, 2] px."""
    along = np.diff(path, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1])[:, None], 1e-9)
    normal = np.stack([-along[:, 1], along[:, 0]], 1)
    before = np.vstack([normal[:1], normal])
    after = np.vstack([normal, normal[-1:]])
    # n0 + n1 over 1 + n0.n1 is the mitre: its projection on both normals is 1.
    mitre = (before + after) / np.maximum(1.0 + np.sum(before * after, 1), 0.3)[:, None]
    return np.asarray(path + mitre * offset_px)


def rounded(path: Points) -> Points:
    """Cut the corners twice (Chaikin's scheme), for boards whose traces run in arcs."""
    for _ in range(2):
        if len(path) < 3:
            return path
        near = path[:-1] * 0.75 + path[1:] * 0.25
        far = path[:-1] * 0.25 + path[1:] * 0.75
        middle = np.stack([near, far], 1).reshape(-1, 2)[1:-1]
        path = np.vstack([path[:1], middle, path[-1:]])
    return path


def rectangle(x_px: float, y_px: float, width_px: float, height_px: float, angle_rad: float) -> Points:
    """Corners of a rectangle around its centre, [4, 2] px."""
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width_px / 2, height_px / 2)
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return np.asarray(half @ np.array([[cos, sin], [-sin, cos]]) + (x_px, y_px))


def chamfered(rng: Rng, x_px: float, y_px: float, width_px: float, height_px: float) -> Points:
    """An outline of a copper area: a rectangle with some corners cut at 45 degrees, [4 to 8, 2] px."""
    corners = rectangle(x_px, y_px, width_px, height_px, 0.0)
    cut_px = rng.uniform(0.0, 0.45) * min(width_px, height_px)
    points = []
    for i in range(4):
        if rng.random() < 0.5:
            points.append(corners[i])
            continue
        for other in (corners[i - 1], corners[(i + 1) % 4]):
            way = other - corners[i]
            points.append(corners[i] + way * (cut_px / max(float(np.hypot(*way)), 1e-9)))
    return np.array(points)


def pad(rng: Rng, x_px: float, y_px: float, size_px: float, angle_rad: float) -> list[Shape]:
    """One land: round, rectangular or oblong, `size_px` across its short side."""
    kind = rng.random()
    if kind < 0.4:
        return [Disc(x_px, y_px, size_px / 2, size_px / 2)]
    aspect = rng.uniform(1.0, 2.2) if rng.random() < 0.6 else 1.0
    across = angle_rad + (math.pi / 2 if rng.random() < 0.5 else 0.0)
    if kind < 0.8:
        round_px = size_px * 0.12 if rng.random() < 0.4 else 0.0
        inner = size_px - 2 * round_px
        return [Area(rectangle(x_px, y_px, inner + size_px * (aspect - 1), inner, across), round_px)]
    reach = size_px * (aspect - 1) / 2
    way = np.array([math.cos(across), math.sin(across)]) * reach
    centre = np.array([x_px, y_px])
    return [Stroke(np.stack([centre - way, centre + way + 1e-3]), size_px)]


def footprint(
    rng: Rng, x_px: float, y_px: float, pitch_px: float, angle_rad: float
) -> list[tuple[float, float, Shape]]:
    """Lands of a component, in one or two rows or a small grid: centre x, y and shape of each."""
    rows = int(rng.choice([1, 2, 2, 2, 4]))
    columns = int(rng.integers(2, 11))
    width_px = pitch_px * rng.uniform(0.4, 0.62)
    length_px = width_px * rng.uniform(0.9, 2.8)
    row_px = max(length_px * rng.uniform(1.3, 3.5), pitch_px)
    is_round = rng.random() < 0.25
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    lands: list[tuple[float, float, Shape]] = []
    for row in range(rows):
        for column in range(columns):
            along = (column - (columns - 1) / 2) * pitch_px
            across = (row - (rows - 1) / 2) * row_px
            x, y = x_px + along * cos - across * sin, y_px + along * sin + across * cos
            land: Shape = Disc(x, y, width_px * 0.6, width_px * 0.6)
            if not is_round:
                land = Area(rectangle(x, y, width_px, length_px, angle_rad))
            lands.append((x, y, land))
    return lands


def meander(rng: Rng, x_px: float, y_px: float, reach_px: float, pitch_px: float) -> Points:
    """A square-wave path: a delay line as copper, or the gap of an interdigital capacitor. [N, 2] px."""
    teeth = int(rng.integers(2, 7))
    points = []
    for tooth in range(teeth):
        top = tooth % 2 == 0
        x = x_px + tooth * pitch_px
        points.append((x, y_px if top else y_px + reach_px))
        points.append((x, y_px + reach_px if top else y_px))
    path = np.array(points)
    return path[:, ::-1] + (x_px - y_px, y_px - x_px) if rng.random() < 0.5 else path
