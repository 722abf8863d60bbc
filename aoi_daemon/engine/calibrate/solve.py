"""From corners of the target to scale and distortion.

Process: offline. The middle of the frame is taken as the middle of the distortion, and the focal length is fixed: of a
flat target that lies square to the camera neither can be told, and lengths on that plane do not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.lens import Lens
from aoi_daemon.decide.lengths import half_diagonal_px, middle_px, straightened
from aoi_daemon.target.find import CalibrationError, Found
from aoi_daemon.target.moved import marks_of

MOST_RESIDUAL_PX: Final = 0.7
MOST_TILT_PERCENT: Final = 1.0
"""So much the scale may differ between two ends of the target."""
LEAST_COVERAGE: Final = 0.35
"""Of the frame: beyond the target, distortion is a guess."""


class Solved(NamedTuple):
    """What was measured, and how well: how far corners lie beside the model (RMS), how much the scale differs."""

    lens: Lens
    residual_px: float
    tilt_percent: float
    corners: int


def solve(found: Sequence[Found]) -> Solved:
    """Measure by pictures of one camera; the first is the one whose target lies where parts lie.

    Raises:
        CalibrationError: the pictures are of several sizes, or the target is tilted, bent, or too small in the frame.
    """
    first = found[0]
    for other in found[1:]:
        if other.size != first.size:
            raise CalibrationError(
                f"{other.name}: is {other.size[0]} x {other.size[1]} px, {first.name} is {first.size[0]} x "
                f"{first.size[1]}; take pictures of one camera as it is on the line"
            )
    if first.coverage < LEAST_COVERAGE:
        raise CalibrationError(
            f"{first.name}: the target spans {first.coverage:.0%} of the frame, at least {LEAST_COVERAGE:.0%}; print a "
            "larger one, or one of more squares: distortion is greatest at the corners"
        )
    width, height = first.size
    plain = Lens(width_px=width, height_px=height, px_per_mm=1.0)
    focal, (x, y) = half_diagonal_px(plain), middle_px(plain)  # so that OpenCV's radius is ours: in half diagonals
    matrix = np.array(((focal, 0, x), (0, focal, y), (0, 0, 1)))
    flags = (
        cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_FOCAL_LENGTH | cv2.CALIB_FIX_PRINCIPAL_POINT
        | cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_K3
    )  # fmt: skip
    solid = [np.column_stack((each.target_mm, np.zeros(len(each.ids)))).astype(np.float32) for each in found]
    seen = [each.seen_px.astype(np.float32).reshape(-1, 1, 2) for each in found]
    residual, _, factors, _, _ = cv2.calibrateCamera(solid, seen, (width, height), matrix, np.zeros(5), flags=flags)
    k1, k2 = (float(value) for value in np.asarray(factors).reshape(-1)[:2])
    if residual > MOST_RESIDUAL_PX:
        raise CalibrationError(
            f"{first.name}: corners lie {residual:.2f} px (RMS) beside the model, at most {MOST_RESIDUAL_PX:g}; glue "
            "the target onto something flat, hold it still, and check that all pictures are of this camera"
        )
    try:
        lens = plain.model_validate({**plain.model_dump(), "k1": k1, "k2": k2})
    except ValueError as error:
        raise CalibrationError(
            f"{first.name}: k1 = {k1:.3f}, k2 = {k2:.3f} came out, which no lens does; fill the view with the target"
        ) from error
    scale, tilt = _scale(lens, first)
    if tilt > MOST_TILT_PERCENT:
        raise CalibrationError(
            f"{first.name}: is tilted: the scale differs by {tilt:.1f} % over the target, at most "
            f"{MOST_TILT_PERCENT:g} %; lay it flat where parts lie, and set the camera square to it"
        )
    lens = Lens(width_px=width, height_px=height, px_per_mm=scale, k1=k1, k2=k2, marks=marks_of(first))
    return Solved(lens, float(residual), tilt, sum(len(each.ids) for each in found))


def _scale(lens: Lens, found: Found) -> tuple[float, float]:
    """Px per mm in the middle of the frame, and by how many percent it differs over the target."""
    plane = np.asarray(cv2.findHomography(found.target_mm, straightened(lens, found.seen_px))[0], np.float64)
    hull = cv2.convexHull(found.target_mm.astype(np.float32))[:, 0].astype(np.float64)
    middle = cv2.perspectiveTransform(middle_px(lens).reshape(1, 1, 2), np.linalg.inv(plane))[0]
    scales = [_scale_at(plane, place) for place in np.concatenate((middle, hull)).astype(np.float64)]
    return scales[0], float((max(scales[1:]) / min(scales[1:]) - 1) * 100)


def _scale_at(plane: NDArray[np.float64], place: NDArray[np.float64]) -> float:
    """Px per mm at a place of the target: the root of how much larger an area is seen."""
    x, y, step = *place, 0.5
    around = np.array((((x - step, y), (x + step, y), (x, y - step), (x, y + step)),), np.float64)
    left, right, top, bottom = cv2.perspectiveTransform(around, plane)[0]
    across, down = right - left, bottom - top
    return float(np.sqrt(abs(across[0] * down[1] - across[1] * down[0])) / (2 * step))
