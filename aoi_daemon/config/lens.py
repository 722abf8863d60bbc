"""What was measured of a camera's optics: scale and distortion. Boxes are told in mm by it, pixels stay as they are."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field, Strict, model_validator

from aoi_daemon.config.section import Reload, Section

_CORNER: Final = 1.01
"""Beyond the corner of the frame, in half diagonals: boxes stick out a little."""
_STEP: Final = 0.01
_LEAST_SLOPE: Final = 0.2


class Mark(Section):
    """A corner of the target that was in view when the camera was measured."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    id: int = Field(ge=0, le=100_000, description="Its number on the target.")
    x_px: float = Field(ge=0, le=16_384, description="Where it was seen.")
    y_px: float = Field(ge=0, le=16_384, description="Where it was seen.")


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
        (), max_length=16,
        description="Where corners of the target were: by them `calibrate check` tells whether it has moved.",
    )  # fmt: skip

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
