"""Nets on a board: buses, traces with their lands, components, vias, marks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aoi_daemon.kit.boards import parts
from aoi_daemon.kit.boards.canvas import Area, Canvas, Disc, Points, Shape, Stroke
from aoi_daemon.kit.boards.parts import Rng, log_uniform

MARKS = "ABCDEFGHJKLMNPRSTUVX0123456789-"


@dataclass(frozen=True)
class Rules:
    """Design rules of one board."""

    trace_px: float
    gap_px: float
    angle_rad: float
    curved: bool

    def width(self, rng: Rng) -> float:
        """Draw a trace's width: the board's own, sometimes a wider one."""
        return self.trace_px * (1.0 if rng.random() < 0.65 else log_uniform(rng, 1.0, 3.5))


def draw_nets(rng: Rng, canvas: Canvas, rules: Rules, busy: float) -> None:
    """Place nets: the long ones first, then what fits between them. `busy` is 0 to about 2."""
    # Coarse rules fill a board with fewer nets.
    crowd = busy * canvas.units * min(2.2, 14.0 / (rules.trace_px + rules.gap_px) + 0.5)
    for _ in range(int(rng.poisson(2.0 * crowd))):
        _bus(rng, canvas, rules)
    for _ in range(int(rng.poisson(3.0 * crowd))):
        _component(rng, canvas, rules)
    for _ in range(int(28 * crowd)):
        _trace(rng, canvas, rules)
    for _ in range(int(rng.poisson(26 * crowd * rng.random()))):
        _via(rng, canvas, rules)
    if rng.random() < 0.25:
        _fiducial(rng, canvas, rules)
    if rng.random() < 0.2:
        _mark(rng, canvas, rules)


def _bus(rng: Rng, canvas: Canvas, rules: Rules) -> None:
    """Parallel traces that turn together."""
    width_px = rules.width(rng) if rng.random() < 0.3 else rules.trace_px
    pitch_px = width_px + rules.gap_px * rng.uniform(0.8, 1.3)
    path = parts.octilinear_path(
        rng,
        canvas.somewhere(rng, 40.0),
        heading=int(rng.integers(8)),
        angle_rad=rules.angle_rad,
        step_px=log_uniform(rng, 90.0, 420.0),
        corners=int(rng.integers(1, 5)),
    )
    for lane in range(int(rng.integers(2, 13))):
        lane_path = parts.offset_path(path, lane * pitch_px)
        ends = _terminals(rng, rules, lane_path, width_px) if rng.random() < 0.25 else []
        canvas.place([Stroke(lane_path, width_px), *ends], rules.gap_px * 0.75)


def _trace(rng: Rng, canvas: Canvas, rules: Rules) -> None:
    width_px = rules.width(rng)
    step_px = log_uniform(rng, 3.0, 22.0) * rules.trace_px + 15.0
    path = parts.octilinear_path(
        rng,
        canvas.somewhere(rng, 20.0),
        heading=int(rng.integers(8)),
        angle_rad=rules.angle_rad,
        step_px=step_px,
        corners=int(rng.integers(0, 5)),
    )
    ends = _terminals(rng, rules, path, width_px)
    line = parts.rounded(path) if rules.curved else path
    shapes: list[Shape] = [Stroke(line, width_px), *ends]
    if len(path) > 3 and rng.random() < 0.25:
        # A neck: the trace goes on thinner past a corner.
        shapes = [Stroke(path[:3], width_px * rng.uniform(1.3, 2.2)), Stroke(path[2:], width_px), *ends]
    if canvas.place(shapes, rules.gap_px) and rng.random() < 0.35:
        _drill(rng, canvas, ends)


def _terminals(rng: Rng, rules: Rules, path: Points, width_px: float) -> list[Shape]:
    """Lands at the ends of a trace."""
    shapes: list[Shape] = []
    for end in (path[0], path[-1]):
        if rng.random() < 0.7:
            size_px = width_px * log_uniform(rng, 1.5, 3.6) + 3.0
            shapes += parts.pad(rng, float(end[0]), float(end[1]), size_px, rules.angle_rad)
    return shapes


def _drill(rng: Rng, canvas: Canvas, ends: list[Shape]) -> None:
    for end in ends:
        if isinstance(end, Disc) and end.radius_x_px > 6.5:
            hole_px = end.radius_x_px * rng.uniform(0.28, 0.62)
            canvas.erase(Disc(end.x_px, end.y_px, hole_px, hole_px))


def _via(rng: Rng, canvas: Canvas, rules: Rules) -> None:
    x, y = canvas.somewhere(rng, 10.0)
    radius_px = log_uniform(rng, 3.6, 8.0) if rng.random() < 0.6 else log_uniform(rng, 7.0, 34.0)
    # Scans stretch: DeepPCB's round vias are up to a fifth taller than wide.
    stretch = rng.uniform(0.95, 1.2)
    if canvas.place([Disc(x, y, radius_px, radius_px * stretch)], max(4.5, rules.gap_px * 0.6)):
        hole_px = radius_px * rng.uniform(0.3, 0.72)
        if hole_px > 3.4 and radius_px - hole_px > 3.4 and rng.random() < 0.6:
            off_px = rng.uniform(-0.12, 0.12) * radius_px
            canvas.erase(Disc(x + off_px, y, hole_px, hole_px * stretch))


def _component(rng: Rng, canvas: Canvas, rules: Rules) -> None:
    """A footprint, with traces that leave some of its lands."""
    x, y = canvas.somewhere(rng)
    pitch_px = max(11.0, (rules.trace_px + rules.gap_px) * rng.uniform(0.8, 2.4))
    quarters = int(rng.integers(2))
    angle_rad = rules.angle_rad + (math.pi / 2) * quarters
    escapes = rng.uniform(0.0, 0.7)
    for land_x, land_y, land in parts.footprint(rng, x, y, pitch_px, angle_rad):
        if rng.random() < escapes:
            path = parts.octilinear_path(
                rng,
                (land_x, land_y),
                heading=2 * quarters + 2 + 4 * int(rng.integers(2)),
                angle_rad=rules.angle_rad,
                step_px=pitch_px * rng.uniform(1.5, 4.0),
                corners=int(rng.integers(0, 3)),
            )
            escape = Stroke(path, min(rules.trace_px, pitch_px * 0.4))
            if canvas.place([land, escape], pitch_px * 0.3):
                continue
        canvas.place([land], pitch_px * 0.3)


def _fiducial(rng: Rng, canvas: Canvas, rules: Rules) -> None:
    x, y = canvas.somewhere(rng)
    radius_px = log_uniform(rng, 12.0, 30.0)
    if rng.random() < 0.5:
        canvas.place([Disc(x, y, radius_px, radius_px)], radius_px)
        return
    arms: list[Shape] = [
        Stroke(np.array([[x - radius_px, y], [x + radius_px, y]]), max(5.0, radius_px * 0.25)),
        Stroke(np.array([[x, y - radius_px], [x, y + radius_px]]), max(5.0, radius_px * 0.25)),
    ]
    canvas.place(arms, rules.gap_px)


def _mark(rng: Rng, canvas: Canvas, rules: Rules) -> None:
    """Etched text, on free substrate alone."""
    words = "".join(rng.choice(list(MARKS), int(rng.integers(2, 6))))
    x, y = canvas.somewhere(rng)
    stroke_px = rng.uniform(4.0, 7.0)
    height_px = stroke_px * rng.uniform(7.0, 10.0)
    # 0.75: a Hershey glyph's mean advance against its height, with some slack.
    half_px = height_px * 0.85 * len(words) / 2
    field = Area(parts.rectangle(x + half_px, y - height_px / 2, 2 * half_px + 8, height_px + 12, 0.0))
    if not canvas.place([field], rules.gap_px):
        return
    canvas.erase(field)
    canvas.text(words, x, y, height_px, stroke_px)
