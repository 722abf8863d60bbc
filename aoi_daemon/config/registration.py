"""How a recipe has its frames aligned to their templates: the keys, and what fits together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Final, Literal, NamedTuple

from pydantic import Field, Strict

from aoi_daemon.config.section import Reload, Section

MIN_FRAME_PX: Final = 64
"""Frames with a shorter side hold too little to be aligned by."""
MIN_MARK_PX: Final = 8
MAX_MARK_PX: Final = 512
"""Sides of a fiducial: below, noise decides; above, the search takes longer than the takt."""
MAX_MARKS: Final = 8
"""Fiducials of one field of view."""
GREATEST_SHARE: Final = 0.25
"""Of the frame's shorter side: so far at most a board may lie beside its template."""


class Rectangle(NamedTuple):
    """Whole pixels of the template; x2 and y2 are one past the last."""

    x1: int
    y1: int
    x2: int
    y2: int


class Fiducial(Section):
    """A mark of the golden template that frames are aligned by: it is looked for around its place."""

    reload: ClassVar[Reload] = Reload.INSPECTION

    fov: int | None = Field(None, ge=0, description="Field of view it belongs to; absent: all.")
    corners: Annotated[tuple[Annotated[tuple[float, float], Strict(False)], ...], Strict(False)] = Field(
        min_length=2,
        max_length=2,
        description="Two corners of a rectangle around the mark in the template, [[x, y], [x, y]] in `unit`.",
    )

    def rectangle(self, px_per_unit: float) -> Rectangle:
        """The rectangle in pixels of the template."""
        (ax, ay), (bx, by) = ((round(x * px_per_unit), round(y * px_per_unit)) for x, y in self.corners)
        return Rectangle(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))


class Registration(Section):
    """Frames are moved onto their templates, where boxes and regions lie; one that cannot be is a REJECT."""

    reload: ClassVar[Reload] = Reload.INSPECTION

    method: Literal["phase", "fiducials"] = Field(
        "phase",
        description="`phase`: the whole frame, shifts alone. `fiducials`: marks of the template; "
        "two or more also turn the frame back.",
    )
    max_offset: float = Field(
        gt=0,
        description="A board that lies further beside its template is rejected (unit: `unit`). At most a quarter of "
        "the frame's shorter side; keep it below half the pitch of what repeats on the board.",
    )
    min_match: float = Field(
        0.7,
        ge=0.1,
        le=1,
        description="Least correlation of the aligned frame, or of each fiducial, with the template; "
        "below, it is taken for something else.",
    )
    fiducials: Annotated[tuple[Fiducial, ...], Strict(False)] = Field(
        (), max_length=64, description="Marks for method `fiducials`, at most 8 in a field of view, far apart."
    )

    def of_fov(self, fov: int) -> list[Fiducial]:
        """The fiducials of field of view `fov`, in the recipe's order."""
        return [mark for mark in self.fiducials if mark.fov is None or mark.fov == fov]

    def problems(self, width_px: int, height_px: int, px_per_unit: float, fovs: Iterable[int]) -> Iterator[str]:
        """What does not fit a recipe's frame and its templates' fields of view, each by its key."""
        shorter_px = min(width_px, height_px)
        if shorter_px < MIN_FRAME_PX:
            yield f"registration: frames are {width_px} x {height_px} px, at least {MIN_FRAME_PX} a side are needed"
        limit_px = self.max_offset * px_per_unit
        if limit_px > GREATEST_SHARE * shorter_px:
            yield (
                f"registration.max_offset = {self.max_offset:g}: is {limit_px:g} px, at most a quarter of the frame's "
                f"shorter side ({GREATEST_SHARE * shorter_px:g} px)"
            )
            return
        if (self.method == "fiducials") is not bool(self.fiducials):
            yield f"registration.fiducials: method {self.method!r} {'takes none' if self.fiducials else 'needs some'}"
        reach_px = reach(limit_px)
        for number, mark in enumerate(self.fiducials):
            key = f"registration.fiducials[{number}]"
            yield from _mark_problems(key, mark, px_per_unit, reach_px, (width_px, height_px))
        for fov in fovs if self.method == "fiducials" else ():
            count = len(self.of_fov(fov))
            if not 1 <= count <= MAX_MARKS:
                yield f"registration.fiducials: field of view {fov} has {count}, 1 to {MAX_MARKS} are needed"


def reach(limit_px: float) -> int:
    """How far around its place something is looked for, in px: a step further than it may lie."""
    return math.ceil(limit_px) + 1


def _mark_problems(
    key: str, mark: Fiducial, px_per_unit: float, reach_px: int, frame_px: tuple[int, int]
) -> Iterator[str]:
    x1, y1, x2, y2 = mark.rectangle(px_per_unit)
    if not all(MIN_MARK_PX <= side <= MAX_MARK_PX for side in (x2 - x1, y2 - y1)):
        yield f"{key}.corners: is {x2 - x1} x {y2 - y1} px, allowed are {MIN_MARK_PX} to {MAX_MARK_PX} a side"
    width_px, height_px = frame_px
    if x1 < reach_px or y1 < reach_px or x2 + reach_px > width_px or y2 + reach_px > height_px:
        yield (
            f"{key}.corners: spans x {x1} to {x2} and y {y1} to {y2} px; with max_offset around it ({reach_px} px) "
            f"it is not inside the frame of {width_px} x {height_px} px"
        )
