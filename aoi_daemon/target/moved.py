"""How far the target has moved since its corners were kept as a lens's `marks`. Pure.

Corners are compared where they would lie without distortion. A camera that is knocked, and a target that is pushed,
move them there by a shift, a turn and a scale; what these three do not explain is noise of corners, or another target.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.lens import LEAST_MARKS, MOST_MARKS, Lens, Mark
from aoi_daemon.decide.lengths import straightened
from aoi_daemon.target.board import Target
from aoi_daemon.target.find import CalibrationError, Found, find_target

_LEAST_AROUND_PX: Final = 64
_BESIDE_PX: Final = 0.5
"""A corner farther beside shift, turn and scale of all is left out while there are others: half covered, say."""
_MOST_BESIDE_PX: Final = 2.0
"""So far may lie what is left: it is another target, or bent."""


class Moved(NamedTuple):
    """How far the corners have moved, in px of the frame without its distortion.

    Attributes:
        x_px: the middle of those that are seen, to the right.
        y_px: the same, down.
        farthest_px: the one that has moved farthest, in any direction.
        seen: of the marks, so many it is told by.
    """

    x_px: float
    y_px: float
    farthest_px: float
    seen: int

    @property
    def text(self) -> str:
        """In words, for alarm and command."""
        shift = f"{self.x_px:+.2f}, {self.y_px:+.2f} px right and down of its place"
        return f"the target lies {shift}, {self.farthest_px:.2f} at most"


def find_near(name: str, image: NDArray[np.uint8], lens: Lens, target: Target) -> Found:
    """Find the target where its marks lie, and as far around them as it is large: a look costs less than in all of it.

    Args:
        name: of the picture, for errors.
        image: (H, W), (H, W, 1) or (H, W, 3) uint8.
        lens: with `marks`.
        target: what was printed.

    Raises:
        CalibrationError: it is not there, or too little of it, or blurred; or the picture is of another size.
    """
    size = image.shape[1], image.shape[0]
    _check_size(name, size, lens)
    marks = np.array([(mark.x_px, mark.y_px) for mark in lens.marks])
    low, high = marks.min(axis=0), marks.max(axis=0)
    around = max(_LEAST_AROUND_PX, float((high - low).max()))
    left, top = np.maximum(low - around, 0).astype(int)
    right, bottom = np.minimum(high + around, size).astype(int)
    found = find_target(name, image[top:bottom, left:right], target, least=LEAST_MARKS)
    return found._replace(seen_px=found.seen_px + np.array((left, top)), size=size)


def moved(lens: Lens, found: Found) -> Moved:
    """How far the target of `found` lies from where it lay.

    Args:
        lens: with `marks`.
        found: in a picture of the same camera.

    Raises:
        CalibrationError: the picture is of another size, too few marks are in it, or they do not lie to each other as
            they did.
    """
    _check_size(found.name, found.size, lens)
    at = dict(zip(found.ids.tolist(), found.seen_px, strict=True))
    marks = [mark for mark in lens.marks if mark.id in at]
    if len(marks) < LEAST_MARKS:
        raise CalibrationError(
            f"{found.name}: {len(marks)} of the {len(lens.marks)} corners that were kept are seen, at least "
            f"{LEAST_MARKS}; put the target where it lay"
        )
    before = _complex(straightened(lens, [(mark.x_px, mark.y_px) for mark in marks]))
    after = _complex(straightened(lens, [at[mark.id] for mark in marks]))
    fitted = _fitted(before, after)
    while (beside := float(np.abs(after - fitted).max())) > _BESIDE_PX and len(after) > LEAST_MARKS:
        worst = int(np.abs(after - fitted).argmax())
        before, after = np.delete(before, worst), np.delete(after, worst)
        fitted = _fitted(before, after)
    if beside > _MOST_BESIDE_PX:
        raise CalibrationError(
            f"{found.name}: corners lie {beside:.1f} px from where they lay to each other, at most "
            f"{_MOST_BESIDE_PX:g}: the target is bent, or another one"
        )
    step = after.mean() - before.mean()
    return Moved(float(step.real), float(step.imag), float(np.abs(fitted - before).max()), len(after))


def marks_of(found: Found) -> tuple[Mark, ...]:
    """Corners as far apart as there are, at most MOST_MARKS, to tell later whether the target has moved."""
    chosen = [int(found.seen_px.sum(axis=1).argmin())]
    while len(chosen) < min(MOST_MARKS, len(found.ids)):
        apart = np.linalg.norm(found.seen_px[:, None] - found.seen_px[chosen][None], axis=2).min(axis=1)
        chosen.append(int(apart.argmax()))
    return tuple(
        Mark(id=int(found.ids[i]), x_px=round(float(found.seen_px[i, 0]), 2), y_px=round(float(found.seen_px[i, 1]), 2))
        for i in chosen
    )


def _check_size(name: str, size: tuple[int, int], lens: Lens) -> None:
    if size != (lens.width_px, lens.height_px):
        raise CalibrationError(
            f"{name}: is {size[0]} x {size[1]} px, the camera was measured at {lens.width_px} x {lens.height_px}"
        )


def _fitted(before: NDArray[np.complex128], after: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """`before` by the shift, turn and scale that lead nearest to `after`: a line, in the complex plane."""
    from_middle = before - before.mean()
    turn = np.vdot(from_middle, after) / np.vdot(from_middle, from_middle)
    return np.asarray(after.mean() + turn * from_middle)


def _complex(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    return np.asarray(points[:, 0] + 1j * points[:, 1])
