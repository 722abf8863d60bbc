"""Where a board lies beside its template: what both ways of finding it answer. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Pose(NamedTuple):
    """The template's point p, from the frame's centre, is at turn(p) + (dx_px, dy_px) of the frame.

    Attributes:
        dx_px, dy_px: to the right, and down.
        turn_rad: from x towards y, clockwise as the picture is seen.
        match: correlation of what was compared, -1 to 1.
        fault: why the pose must not be believed; "" where it may.
    """

    dx_px: float = 0.0
    dy_px: float = 0.0
    turn_rad: float = 0.0
    match: float = 0.0
    fault: str = ""


def parabola(before: float, middle: float, after: float) -> float:
    """Where a parabola through three neighbours has its peak, -0.5 to 0.5 from the middle one, the highest."""
    bend = float(before) - 2 * float(middle) + float(after)
    return (float(before) - float(after)) / (2 * bend) if bend < 0 else 0.0
