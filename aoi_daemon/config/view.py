"""One view of a product: one picture of each part, and how it is judged."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, Strict, model_validator

from aoi_daemon.config.fit import Fit
from aoi_daemon.config.limits import ClassLimit, Fraction, Optics, Region
from aoi_daemon.config.registration import Registration
from aoi_daemon.config.section import FilePath, Name, Reload, Section
from aoi_daemon.config.tasks import MapReading


class View(Section):
    """One picture of each part: a camera and, where it takes several, its field of view. What is absent is as in the recipe."""

    reload: ClassVar[Reload] = Reload.INSPECTION
    inherited: ClassVar[tuple[str, ...]] = (
        "bundle", "width_px", "height_px", "channels", "fit", "px_per_mm", "overlap", "limits", "optics", "registration",
        "maps",
    )  # fmt: skip
    """Keys that a recipe has too: those of the recipe hold where the view has none."""

    name: Name = Field(description="Shown on the page, and in each record; golden parts and `qualify` name it.")
    camera: Name = Field(description="Name of the camera.")
    fov: int | None = Field(
        None, ge=0, le=65_535,
        description="Field of view; absent: that of a camera which has one alone. A camera that takes several needs it.",
    )  # fmt: skip
    bundle: FilePath | None = Field(None, description="Folder of the model bundle; absent: the recipe's.")
    width_px: int | None = Field(None, ge=16, le=16_384, description="Width of a frame; absent: the recipe's.")
    height_px: int | None = Field(None, ge=16, le=16_384, description="Height of a frame; absent: the recipe's.")
    channels: Literal[1, 3] | None = Field(None, description="1 mono, 3 BGR; absent: the recipe's.")
    fit: Fit | None = Field(
        None, description="How a frame becomes what the model takes: by its kind, or a table; absent: as in the recipe."
    )
    px_per_mm: float | None = Field(
        None, gt=0, le=100_000, description="Scale of the optics; absent: the recipe's."
    )
    overlap: Fraction | None = Field(
        None, description="Boxes of one class that overlap more are one defect (IoU); absent: the recipe's."
    )
    template: FilePath | None = Field(None, description="Image of the golden template; absent: none.")
    template_bits: int | None = Field(
        None, ge=9, le=16, description="How many bits of each sample count where that image has 16; absent: it has 8 or fewer."
    )
    limits: Annotated[tuple[ClassLimit, ...], Strict(False)] | None = Field(
        None, description="By class; absent: the recipe's."
    )
    regions: Annotated[tuple[Region, ...], Strict(False)] = Field(
        (), description="Where to look, without `fov`; none: everywhere."
    )
    optics: Optics | None = Field(None, description="Limits of the picture; absent: the recipe's.")
    registration: Registration | None = Field(
        None, description="Aligns each frame to the template, fiducials without `fov`; absent: the recipe's."
    )
    maps: MapReading | None = Field(None, description="For bundles of task segment or anomaly; absent: the recipe's.")

    @model_validator(mode="after")
    def _is_of_one_fov(self) -> View:
        marks = () if self.registration is None else self.registration.fiducials
        given = [f"regions[{number}]" for number, region in enumerate(self.regions) if region.fov is not None]
        given += [f"registration.fiducials[{number}]" for number, mark in enumerate(marks) if mark.fov is not None]
        if given:
            raise ValueError(f"{', '.join(given)}: a view has one field of view, its own; leave out fov")
        if self.template_bits is not None and self.template is None:
            raise ValueError("template_bits: there is no template")
        return self
