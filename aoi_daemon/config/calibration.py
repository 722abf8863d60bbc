"""What a bundle's manifest says of how its INT8 model was made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from aoi_daemon.config.section import Section, Sha256


class FloatLayers(Section):
    """Layers of the INT8 model that stay in float because INT8 costs too much there."""

    layers: Annotated[tuple[str, ...], Strict(False)] = Field(min_length=1, description="Their names in the graph.")
    why: str = Field(description="What was lost with them, and without.")


class Calibration(Section):
    """What the INT8 ranges were taken from, and what is not quantised."""

    method: Literal["max", "percentile-99.999", "percentile", "entropy"] = Field(
        description="How; the one that lost least. `percentile`: of 99.99 %."
    )
    frames: int = Field(ge=1, description="How many frames.")
    set_sha256: Sha256 = Field(description="Hash of their names and bytes.")
    kept_float: Annotated[tuple[FloatLayers, ...], Strict(False)] = Field(
        (), description="Beside the first and the last convolutions of each path, which always are."
    )
    loss: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Boxes lost and extra over FP32's, on the boards that method and layers were chosen on."
    )
