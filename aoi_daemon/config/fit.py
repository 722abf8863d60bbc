"""How a frame becomes what the model takes: a recipe's key `fit`. Whether it comes out says infer/fit/geometry.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from aoi_daemon.config.section import Reload, Section

KINDS: Final = ("exact", "pad", "resize", "crop", "tiles")
DEFAULT_OVERLAP_PX: Final = 64
_TAKES: Final = {
    "exact": (),
    "pad": ("pad_value",),
    "resize": ("width_px", "height_px", "pad_value", "smooth"),
    "crop": ("width_px", "height_px", "x_px", "y_px"),
    "tiles": ("width_px", "height_px", "overlap_px", "pad_value"),
}
"""By kind the keys that do something with it."""


class Fit(Section):
    """`fit = "tiles"`, or a table `[fit]` to say more. Boxes come back in pixels of the frame, whatever the fit."""

    reload: ClassVar[Reload] = Reload.INSPECTION

    kind: Literal["exact", "pad", "resize", "crop", "tiles"] = Field(
        "exact",
        description="`exact`: the model takes frames as they are. `pad`: filled up on the right and below, to the "
        "model's size or stride. `resize`: made to fit the model's size and centred there (Ultralytics' letterbox). "
        "`crop`: one rectangle is looked at, the rest of the frame is not. `tiles`: looked at piece by piece, the "
        "pieces overlap; what two of them see is one defect.",
    )
    width_px: int | None = Field(
        None, ge=16, le=16_384,
        description="For resize, crop and tiles: width of what the model sees; absent: its own, where it has one.",
    )  # fmt: skip
    height_px: int | None = Field(None, ge=16, le=16_384, description="As width_px.")
    x_px: int | None = Field(
        None, ge=0, le=16_384, description="For crop: its left column in the frame; absent: centred."
    )
    y_px: int | None = Field(None, ge=0, le=16_384, description="For crop: its top row in the frame; absent: centred.")
    overlap_px: int | None = Field(
        None, ge=0, le=8192,
        description="For tiles: what neighbours share at least, at most half a tile; a defect no larger than that "
        f"lies in one of them complete. Absent: {DEFAULT_OVERLAP_PX}.",
    )  # fmt: skip
    pad_value: int = Field(
        114, ge=0, le=255, description="For pad, resize and tiles: gray value of what is not the frame's."
    )
    smooth: bool = Field(
        False,
        description="For resize: whether a frame is made smaller by Pillow's filter, which leaves no pixel out: so "
        "torchvision, timm, anomalib and Keras show pictures to their models. Else linear, as Ultralytics' detectors "
        "have it, which is quicker.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_its_kind(cls, said: Any) -> Any:
        return {"kind": said} if isinstance(said, str) else said

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Fit:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        # By their values: a recipe that goes to another process as JSON has all keys set.
        for key, field in type(self).model_fields.items():
            if key == "kind" or key in _TAKES[self.kind] or getattr(self, key) == field.default:
                continue
            kinds = " and ".join(kind for kind in KINDS if key in _TAKES[kind])
            yield f"{key}: is for {kinds}, and kind is {self.kind!r}; take it out"
        for one, other in (("width_px", "height_px"), ("x_px", "y_px")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                yield f"{one}, {other}: give both or neither"


EXACT: Final = Fit()
