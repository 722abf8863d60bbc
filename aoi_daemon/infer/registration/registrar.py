"""Move each frame onto its golden template before it is judged.

Process: inspection. Memory: one frame, taken when it is made, to which aligned
frames are written; valid until the next call. Blocks: never.

What is judged then lies as the template does: boxes, and the recipe's regions,
are in pixels of the template. A frame that lies right already is judged in place.
A board whose place is not found, or lies beyond the limit, has no image to judge:
it is rejected, whatever a model would have said.
"""

from __future__ import annotations

import cmath
import math
import time
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.registration.fiducials import FiducialSearch
from aoi_daemon.infer.registration.phase import PhaseCorrelation
from aoi_daemon.infer.registration.pose import Pose

LEAST_MOVE_PX: Final = 0.25
"""A frame none of whose corners lies further off is left as it is: interpolation blurs more than it mends."""
_GREATEST: Final = 2**31 - 1

_Image = NDArray[np.uint8]


class Alignment(NamedTuple):
    """What became of one frame.

    Attributes:
        image: (H, W, C) uint8, the frame as it lies on its template; None: reject the part.
        offset_x, offset_y: where the board lay beside its template, right and down, in 0.01 mm; 0: not known.
        pose: the same in pixels, and how sure it is.
        fault: why there is no image; "" where there is.
        took_ns: time it took.
    """

    image: _Image | None
    offset_x: int
    offset_y: int
    pose: Pose
    fault: str
    took_ns: int


class _Finder(Protocol):
    def faults(self) -> dict[int, str]: ...

    def find(self, image: _Image, template: _Image | None, fov: int) -> Pose: ...


class Registrar:
    """Aligns the frames of one recipe. All calls come from one thread."""

    def __init__(self, recipe: Recipe, templates: Mapping[int, _Image]) -> None:
        """Learn the recipe's templates and take all memory.

        Args:
            recipe: has a section `registration`.
            templates: the recipe's, (H, W, C) uint8 by field of view.

        Raises:
            ModelError: a template shows nothing that a frame could be aligned by.
        """
        settings = recipe.registration
        if settings is None:
            raise ValueError(f"recipe {recipe.name} has no registration")
        self._limit_px = settings.max_offset * recipe.px_per_unit
        self._min_match = settings.min_match
        self._per_px = 100.0 / recipe.px_per_mm
        self._finder: _Finder = (
            PhaseCorrelation(recipe.shape, self._limit_px, templates)
            if settings.method == "phase"
            else FiducialSearch(recipe.shape, settings, recipe.px_per_unit, templates)
        )
        for fov, fault in self._finder.faults().items():
            raise ModelError(
                f"the template of fov {fov} cannot be aligned to: {fault}; take registration.method = "
                f"'fiducials' with other marks, or no registration"
            )
        self.aligned = np.zeros(recipe.shape, np.uint8)
        """Where aligned frames are written; a GPU back end may page-lock it."""
        self._target = self.aligned[..., 0] if recipe.channels == 1 else self.aligned
        self._centre = complex((recipe.width_px - 1) / 2, (recipe.height_px - 1) / 2)
        self._matrix = np.eye(2, 3)

    def align(self, image: _Image, template: _Image | None, fov: int) -> Alignment:
        """Bring one frame onto its template.

        Args:
            image: (H, W, C) uint8, only read.
            template: as `image`, where one came with the frame; None: the recipe's of `fov`.
            fov: the field of view.
        """
        start_ns = time.monotonic_ns()
        pose = self._finder.find(image, template, fov)
        fault = pose.fault
        if not fault and pose.match < self._min_match:
            fault = f"the frame matches its template {pose.match:.2f}, at least {self._min_match:g}"
        if fault:
            return Alignment(None, 0, 0, pose, fault, time.monotonic_ns() - start_ns)
        offset_px = math.hypot(pose.dx_px, pose.dy_px)
        if offset_px > self._limit_px:
            fault = f"the board lies {offset_px:.1f} px beside its template, at most {self._limit_px:g}"
        moved = None if fault else self._move(image, pose, offset_px)
        offset_x, offset_y = self._hundredths(pose.dx_px), self._hundredths(pose.dy_px)
        return Alignment(moved, offset_x, offset_y, pose, fault, time.monotonic_ns() - start_ns)

    def warm_up(self, runs: int) -> None:
        """Touch all memory, and let OpenCV choose and load what it works with."""
        noise = np.random.default_rng(0)
        height_px, width_px, channels = self.aligned.shape
        beside = noise.integers(0, 256, (height_px + 2, width_px + 2, channels), np.uint8)
        image, template = beside[2:, 2:].copy(), beside[1:-1, 1:-1].copy()
        for _ in range(runs):
            self.align(image, template, 0)
            self._move(image, Pose(dx_px=1.0), 1.0)

    def _move(self, image: _Image, pose: Pose, offset_px: float) -> _Image:
        if offset_px + abs(pose.turn_rad) * abs(self._centre) <= LEAST_MOVE_PX:
            return image
        turn = cmath.rect(1.0, pose.turn_rad)
        shift = self._centre - turn * self._centre + complex(pose.dx_px, pose.dy_px)
        self._matrix[:] = (turn.real, -turn.imag, shift.real), (turn.imag, turn.real, shift.imag)
        height_px, width_px = self.aligned.shape[:2]
        # Nearest and cubic interpolation gave the same mAP, escapes and false calls on 120 boards at five shifts.
        cv2.warpAffine(
            image, self._matrix, (width_px, height_px), dst=self._target,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return self.aligned

    def _hundredths(self, offset_px: float) -> int:
        return max(-_GREATEST, min(_GREATEST, round(offset_px * self._per_px)))
