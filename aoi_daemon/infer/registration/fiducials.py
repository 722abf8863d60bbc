"""Where a board lies beside its template, from marks that the recipe names.

Process: inspection. Memory: all of it is taken when it is made. Blocks: never.

Each mark, a piece of the template, is looked for around its place, by normalised
correlation. One mark gives a shift. Two or more give a turn too, and prove each
other: they must lie to each other as in the template.
"""

from __future__ import annotations

import cmath
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.registration import Fiducial, Rectangle, Registration, reach
from aoi_daemon.infer.executor import FrameShape
from aoi_daemon.infer.registration.pose import Pose, parabola

_LEAST_DEVIATION: Final = 4.0
"""Gray levels; OpenCV's normalised correlation calls any place equal to a flat mark."""
_NEAR: Final = 8
"""An eighth of a mark's side (3 px at least) around its place is its place still."""
_AMBIGUOUS: Final = 0.9
"""Of the best correlation: a mark that matches so well elsewhere, too, shows no place: an edge, a row of pads."""
_AGREEMENT_PX: Final = 1.5
"""Marks may be found so far from where the others say: lens and heat, but no other mark."""

_Image = NDArray[np.uint8]


class Place(NamedTuple):
    """Where a mark is in the template and was found in the frame, from the frame's centre, x + iy px."""

    expected: complex
    found: complex


class _Mark:
    """One mark and what looking for it needs."""

    def __init__(self, rectangle: Rectangle, shape: FrameShape, reach_px: int) -> None:
        height_px, width_px, channels = shape
        x1, y1, x2, y2 = rectangle
        self.name = f"the fiducial at x {x1} to {x2}, y {y1} to {y2} px"
        self.centre = complex((x1 + x2 - width_px) / 2, (y1 + y2 - height_px) / 2)
        self._piece = (slice(y1, y2), slice(x1, x2))
        self._area = (slice(y1 - reach_px, y2 + reach_px), slice(x1 - reach_px, x2 + reach_px))
        self._reach_px = reach_px
        self._pattern = np.empty((y2 - y1, x2 - x1), np.uint8)
        self._gray = np.empty((y2 - y1 + 2 * reach_px, x2 - x1 + 2 * reach_px), np.uint8) if channels > 1 else None
        self._surface = np.empty((2 * reach_px + 1, 2 * reach_px + 1), np.float32)
        self._near_px = max(3, min(y2 - y1, x2 - x1) // _NEAR)

    def learn(self, template: _Image) -> bool:
        """Cut the mark out of `template`; False where nothing is to be seen there."""
        piece = template[self._piece]
        if self._gray is None:
            self._pattern[:] = piece[..., 0]
        else:
            cv2.cvtColor(piece, cv2.COLOR_BGR2GRAY, dst=self._pattern)
        return bool(cv2.meanStdDev(self._pattern)[1][0, 0] >= _LEAST_DEVIATION)

    def find(self, image: _Image) -> tuple[complex, float, str]:
        """The mark's shift from its place, px, its correlation, -1 to 1, and why it is not to be believed, or ""."""
        area = image[self._area]
        gray = area[..., 0] if self._gray is None else cv2.cvtColor(area, cv2.COLOR_BGR2GRAY, dst=self._gray)
        surface = cv2.matchTemplate(gray, self._pattern, cv2.TM_CCOEFF_NORMED, result=self._surface)
        _, match, _, (x, y) = cv2.minMaxLoc(surface)
        last, near = 2 * self._reach_px, self._near_px
        # At the rim it may go on rising beyond it. A flat area has correlation 0 all over, and its peak there too.
        if not (0 < x < last and 0 < y < last):
            return 0j, match, f"{self.name} is not within the limit"
        right = parabola(surface[y, x - 1], match, surface[y, x + 1])
        down = parabola(surface[y - 1, x], match, surface[y + 1, x])
        surface[max(0, y - near) : y + near + 1, max(0, x - near) : x + near + 1] = -1.0
        elsewhere = cv2.minMaxLoc(surface)[1]
        fault = f"{self.name} matches elsewhere, too" if elsewhere > _AMBIGUOUS * match else ""
        return complex(x - self._reach_px + right, y - self._reach_px + down), match, fault


class FiducialSearch:
    """Finds frames of `shape` by the marks of a recipe, or by the same places of a template that comes along."""

    def __init__(
        self, shape: FrameShape, settings: Registration, px_per_unit: float, templates: Mapping[int, _Image]
    ) -> None:
        """Take all memory, and cut the marks out of `templates`, (H, W, C) uint8 by field of view."""
        reach_px = reach(settings.max_offset * px_per_unit)

        def marks(fiducials: Sequence[Fiducial]) -> list[_Mark]:
            return [_Mark(fiducial.rectangle(px_per_unit), shape, reach_px) for fiducial in fiducials]

        self._min_match = settings.min_match
        self._by_fov = {fov: marks(settings.of_fov(fov)) for fov in templates}
        self._faults: dict[int, str] = {}
        for fov, template in templates.items():
            fault = _learn(self._by_fov[fov], template)
            if fault:
                self._faults[fov] = fault
        self._brought = list(zip(settings.fiducials, marks(settings.fiducials), strict=True))

    def faults(self) -> dict[int, str]:
        """The templates that nothing can be aligned by, by field of view, and why."""
        return self._faults

    def find(self, image: _Image, template: _Image | None, fov: int) -> Pose:
        """Where the board of `image` lies beside `template` (None: the recipe's of `fov`); both (H, W, C) uint8."""
        if template is None:
            marks, fault = self._by_fov.get(fov, []), self._faults.get(fov, "")
        else:
            marks = [mark for fiducial, mark in self._brought if fiducial.fov is None or fiducial.fov == fov]
            fault = _learn(marks, template)
        if fault or not marks:
            return Pose(fault=fault or f"fov {fov} has no fiducial")
        places, worst = [], 1.0
        for mark in marks:
            shift, match, fault = mark.find(image)
            worst = min(worst, match)
            if match < self._min_match:
                fault = f"{mark.name} matches {match:.2f}, at least {self._min_match:g}"
            if fault:
                return Pose(match=match, fault=fault)
            places.append(Place(mark.centre, mark.centre + shift))
        return fit(places, worst)


def fit(places: Sequence[Place], match: float) -> Pose:
    """The turn and shift that bring every place nearest to where it was found (least squares)."""
    count = len(places)
    expected = sum(place.expected for place in places) / count
    found = sum(place.found for place in places) / count
    # Rotations are complex numbers of length 1: this sum has the angle that fits best.
    turn = sum((place.expected - expected).conjugate() * (place.found - found) for place in places)
    turn = turn / abs(turn) if abs(turn) else 1 + 0j
    shift = found - turn * expected
    off_px = max(abs(turn * place.expected + shift - place.found) for place in places)
    fault = "" if off_px <= _AGREEMENT_PX else f"the fiducials lie {off_px:.1f} px off from what the others say"
    return Pose(shift.real, shift.imag, cmath.phase(turn), match, fault)


def _learn(marks: Sequence[_Mark], template: _Image) -> str:
    """Cut all marks out of `template`; what is wrong with the first that shows nothing, else ""."""
    flat = [mark.name for mark in marks if not mark.learn(template)]
    return f"{flat[0]} is flat in the template" if flat else ""
