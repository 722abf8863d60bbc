"""Large copper areas with slots, holes and windows: what DeepPCB's power boards show."""

from __future__ import annotations

from typing import Final

from aoi_daemon.kit.boards import parts
from aoi_daemon.kit.boards.canvas import Area, Canvas, Disc, Shape, Stroke
from aoi_daemon.kit.boards.nets import Rules
from aoi_daemon.kit.boards.parts import Rng, log_uniform

# Sizes below are in parts of this, DeepPCB's image side, whatever the board's size.
UNIT_PX: Final = 640.0


def draw_areas(rng: Rng, canvas: Canvas, rules: Rules) -> None:
    """Place areas apart from each other, or cover all and cut; then slots, meanders and holes."""
    slots = int(rng.poisson(2.5 * canvas.units))
    if rng.random() < 0.35:
        _cover(rng, canvas)
        slots = int(rng.integers(3, 12) * canvas.units)
    else:
        _pieces(rng, canvas)
    for _ in range(slots):
        _slot(rng, canvas, rules)
    if rng.random() < 0.25:
        pitch_px, reach_px = log_uniform(rng, 24.0, 90.0), log_uniform(rng, 40.0, 160.0)
        x, y = canvas.somewhere(rng)
        canvas.erase(Stroke(parts.meander(rng, x, y, reach_px, pitch_px), rng.uniform(6.5, 14.0)))
    for _ in range(int(rng.poisson(5.0 * canvas.units * rng.random()))):
        x, y = canvas.somewhere(rng)
        radius_px = log_uniform(rng, 7.0, 24.0) if rng.random() < 0.7 else log_uniform(rng, 24.0, 110.0)
        canvas.erase(Disc(x, y, radius_px, radius_px))


def draw_pour(rng: Rng, canvas: Canvas) -> None:
    """Ground copper around the nets, over a part of the board or all of it."""
    width_px = canvas.width_px * rng.uniform(0.35, 2.2)
    height_px = canvas.height_px * rng.uniform(0.35, 2.2)
    x, y = canvas.somewhere(rng)
    canvas.pour(Area(parts.chamfered(rng, x, y, width_px, height_px)))


def _cover(rng: Rng, canvas: Canvas) -> None:
    """Copper all over, with windows."""
    x, y = canvas.width_px / 2, canvas.height_px / 2
    canvas.place([Area(parts.rectangle(x, y, 4 * x, 4 * y, 0.0))], 0.0)
    for _ in range(int(rng.integers(0, 6) * canvas.units)):
        x, y = canvas.somewhere(rng, 60.0)
        width_px, height_px = UNIT_PX * log_uniform(rng, 0.06, 0.75), UNIT_PX * log_uniform(rng, 0.06, 0.75)
        canvas.erase(Area(parts.chamfered(rng, x, y, width_px, height_px)))


def _pieces(rng: Rng, canvas: Canvas) -> None:
    apart_px = log_uniform(rng, 6.5, 40.0)
    for _ in range(int(rng.integers(4, 45) * canvas.units)):
        x, y = canvas.somewhere(rng, 60.0)
        width_px, height_px = UNIT_PX * log_uniform(rng, 0.06, 1.3), UNIT_PX * log_uniform(rng, 0.06, 1.3)
        shape: Shape = Disc(x, y, width_px / 2, height_px / 2, float(rng.uniform(0, 180)))
        if rng.random() < 0.8:
            outline = parts.chamfered(rng, x, y, width_px, height_px)
            shape = Area(outline, float(rng.choice([0.0, 0.0, 6.0, 18.0])))
        canvas.place([shape], apart_px)


def _slot(rng: Rng, canvas: Canvas, rules: Rules) -> None:
    path = parts.octilinear_path(
        rng,
        canvas.somewhere(rng, 40.0),
        heading=int(rng.integers(8)),
        angle_rad=rules.angle_rad,
        step_px=UNIT_PX * rng.uniform(0.15, 0.9),
        corners=int(rng.integers(0, 4)),
    )
    slot_px = log_uniform(rng, 6.5, 40.0)
    canvas.erase(Stroke(parts.rounded(path) if rules.curved else path, slot_px))
    if slot_px > 22.0 and rng.random() < 0.6:
        # A trace that runs inside the slot.
        canvas.add(Stroke(path, slot_px - 2 * rng.uniform(6.0, slot_px * 0.36)))
