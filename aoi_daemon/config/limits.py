"""What is looked at on one view, and what is allowed there: limits, regions, templates, optics."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, Strict

from aoi_daemon.config.section import FilePath, Reload, Section

Fraction = Annotated[float, Field(ge=0, le=1)]


class ClassLimit(Section):
    """What is allowed of one class of defect."""

    reload: ClassVar[Reload] = Reload.INSPECTION

    name: str = Field(min_length=1, max_length=64, description="A class of the bundle, or `*` for all not named.")
    score: Fraction = Field(0.5, description="Detections below this score do not count.")
    min_width: float = Field(0.0, ge=0, description="Narrower detections do not count (unit: `unit`).")
    min_height: float = Field(0.0, ge=0, description="Lower detections do not count (unit: `unit`).")
    max_count: int = Field(
        0, ge=0, le=10_000, description="So many are still good; what is tolerated so is not reported."
    )


class Region(Section):
    """A part of the field of view, polygon of at least three corners, or two corners of a rectangle."""

    reload: ClassVar[Reload] = Reload.INSPECTION

    kind: Literal["inspect", "ignore"] = Field(
        description="`inspect`: only detections whose centre lies in some inspect region count. `ignore`: those whose centre lies here do not."
    )  # fmt: skip
    fov: int | None = Field(None, ge=0, description="Field of view it belongs to; absent: all.")
    corners: Annotated[tuple[Annotated[tuple[float, float], Strict(False)], ...], Strict(False)] = Field(
        min_length=2, max_length=64, description="[[x, y], ...] in `unit`."
    )


class Template(Section):
    """The golden template of one field of view."""

    reload: ClassVar[Reload] = Reload.INSPECTION

    fov: int = Field(ge=0, le=65_535, description="Field of view.")
    image: FilePath = Field(description="The template's image, of the recipe's size.")
    bits: int | None = Field(
        None, ge=9, le=16, description="How many bits of each sample count where the file has 16; absent: it has 8 or fewer."
    )


class Optics(Section):
    """When a picture is too dark, too bright or too flat to be judged: REJECT for OPTICS, and an alarm."""

    reload: ClassVar[Reload] = Reload.INSPECTION

    min_brightness: float = Field(0.0, ge=0, le=255, description="Least mean gray value.")
    max_brightness: float = Field(255.0, ge=0, le=255, description="Greatest mean gray value.")
    min_contrast: float = Field(0.0, ge=0, le=128, description="Least standard deviation of the gray values.")
