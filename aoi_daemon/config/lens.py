"""What was measured of a camera's optics: scale and distortion. Boxes are told in mm by it, pixels stay as they are."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field, Strict, model_validator

from aoi_daemon.config.section import Reload, Section

_CORNER: Final = 1.01
"""Beyond the corner of the frame, in half diagonals: boxes stick out a little."""
_STEP: Final = 0.01
_LEAST_SLOPE: Final = 0.2
LEAST_MARKS: Final = 4
"""So many corners must be seen to tell whether the target has moved."""
MOST_MARKS: Final = 16
MOST_SQUARES: Final = 2000
"""Of a target: its markers have numbers below 1000, one for every other square."""


class Mark(Section):
    """A corner of the target that was in view when the camera was measured."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    id: int = Field(ge=0, le=100_000, description="Its number on the target.")
    x_px: float = Field(ge=0, le=16_384, description="Where it was seen.")
    y_px: float = Field(ge=0, le=16_384, description="Where it was seen.")


class Watch(Section):
    """A target that stays in view: the recorder looks for it, and the alarm TARGET_MOVED says when it has moved."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    columns: int = Field(ge=4, le=MOST_SQUARES // 4, description="Squares of the target, across.")
    rows: int = Field(ge=4, le=MOST_SQUARES // 4, description="Squares of the target, down.")
    most_px: float = Field(2.0, gt=0, le=1000, description="So far any of its corners may have moved.")
    every_s: float = Field(
        60.0, ge=0, le=86_400,
        description="It is looked for at the start, and then so often; 0: at the start, and when `aoi-daemon calibrate "
        "check` asks for it. While the alarm is on, each second.",
    )  # fmt: skip
    fov: int | None = Field(
        None, ge=0, le=65_535,
        description="Of a camera with several fields of view: in whose frames it lies. Absent: in any.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _has_numbers(self) -> Watch:
        if self.columns * self.rows > MOST_SQUARES:
            raise ValueError(f"columns x rows = {self.columns * self.rows}: at most {MOST_SQUARES} squares")
        return self


class Lens(Section):
    """As `aoi-daemon calibrate measure` prints it: sizes in mm are told by it. No pixel is changed, and no verdict."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    width_px: int = Field(ge=16, le=16_384, description="Width of the frames that it was measured on.")
    height_px: int = Field(ge=16, le=16_384, description="Height of the frames that it was measured on.")
    px_per_mm: float = Field(gt=0, le=100_000, description="Scale in the middle of the frame.")
    k1: float = Field(
        0.0, ge=-1, le=1,
        description="Radial distortion: what lies at r from the middle, in half diagonals of the frame, is seen at "
        "r (1 + k1 r^2 + k2 r^4).",
    )  # fmt: skip
    k2: float = Field(0.0, ge=-1, le=1, description="As k1.")
    marks: Annotated[tuple[Mark, ...], Strict(False)] = Field(
        (), max_length=MOST_MARKS,
        description="Where corners of the target were: by them `calibrate check` tells whether it has moved.",
    )  # fmt: skip
    watch: Watch | None = Field(
        None, description="Absent: whether the target has moved is told when `calibrate check` is run, and no alarm."
    )

    @model_validator(mode="after")
    def _can_be_watched(self) -> Lens:
        if self.watch is None:
            return self
        corners = (self.watch.columns - 1) * (self.watch.rows - 1)
        if len(self.marks) < LEAST_MARKS:
            raise ValueError(
                f"watch: needs at least {LEAST_MARKS} marks; `aoi-daemon calibrate watch` prints them with it"
            )
        if stray := [mark.id for mark in self.marks if mark.id >= corners]:
            raise ValueError(
                f"watch: a target of {self.watch.columns} x {self.watch.rows} squares has corners 0 to {corners - 1}, "
                f"and marks has {stray[0]}; `aoi-daemon calibrate watch` prints both"
            )
        return self

    @model_validator(mode="after")
    def _can_be_taken_back(self) -> Lens:
        """Out to what is seen in the corner, what lies farther out must be seen farther out."""
        at = 0.0
        while at * (1 + self.k1 * at**2 + self.k2 * at**4) < _CORNER:
            at += _STEP
            if 1 + 3 * self.k1 * at**2 + 5 * self.k2 * at**4 < _LEAST_SLOPE:
                raise ValueError(
                    f"k1 = {self.k1:g}, k2 = {self.k2:g}: no lens distorts so, two places would be seen in one; "
                    "measure it again (aoi-daemon calibrate measure)"
                )
        return self
