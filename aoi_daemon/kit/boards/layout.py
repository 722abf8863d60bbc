"""Compose a board side: fine routing, power routing, or areas.

DeepPCB's 1,000 templates, measured: copper covers 1.5 % to 78 % (1st and 99th percentile, median 33 %);
traces are 6 to 31 px wide (5th and 75th percentile, median 11), areas go to the whole width; gaps are
7 to 49 px, median 23. The three kinds of boards together reproduce that spread.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards.areas import draw_areas, draw_pour
from aoi_daemon.kit.boards.canvas import Canvas
from aoi_daemon.kit.boards.nets import Rules, draw_nets
from aoi_daemon.kit.boards.parts import Rng, log_uniform


def draw_layout(rng: Rng, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Draw one board side.

    Returns:
        Coverage by copper, uint8 (height_px + 2 BORDER_PX, width_px + 2 BORDER_PX).
    """
    canvas = Canvas(width_px, height_px)
    kind = rng.random()
    is_fine, has_areas = kind < 0.42, kind > 0.57
    trace_px = log_uniform(rng, 4.5, 13.0) if is_fine else log_uniform(rng, 9.0, 34.0)
    gap_px = float(np.clip(trace_px * log_uniform(rng, 0.8, 2.6), 6.0, 46.0))
    angle_rad = rng.uniform(0.0, math.pi / 4) if rng.random() < 0.12 else 0.0
    rules = Rules(trace_px, gap_px, angle_rad, curved=rng.random() < 0.2)
    busy = rng.uniform(0.4, 2.2)
    if has_areas:
        draw_areas(rng, canvas, rules)
        busy = rng.uniform(0.0, 0.7) if rng.random() < 0.5 else 0.0
    elif rng.random() < 0.3:
        draw_pour(rng, canvas)
    draw_nets(rng, canvas, rules, busy)
    return canvas.coverage()
