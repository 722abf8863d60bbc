"""What a model's outputs are, and how maps are read: the part of a manifest that decoding needs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, Strict, model_validator

from aoi_daemon.config.section import Reload, Section

MAX_CLASSES: Final = 1000
"""Classes that a bundle may have."""


class MapReading(Section):
    """How the maps of a segmentation or anomaly model become defects; absent: as the bundle says."""

    reload: ClassVar[Reload] = Reload.INSPECTION

    threshold: float = Field(0.5, gt=0, le=1, description="Places that score less do not count.")
    min_area: float = Field(0.0, ge=0, description="Smaller areas do not count (unit: `unit`, squared).")
    score: Literal["max", "mean"] = Field("max", description="What an area scores: its greatest or its mean value.")


class ModelOutput(Section):
    """The task of a bundle's models, and what its outputs mean."""

    task: Literal["top100", "yolo", "classify", "segment", "anomaly"] = Field(
        "top100", description="What the outputs are (infer/executor.py)."
    )
    classes: Annotated[tuple[str, ...], Strict(False)] = Field(min_length=1, max_length=MAX_CLASSES)
    good_classes: Annotated[tuple[str, ...], Strict(False)] = Field(
        (), description="Those of them that are no defect: `good`, `background`. For yolo, classify and segment."
    )
    activation: Literal["none", "softmax", "sigmoid"] = Field(
        "none",
        description="For classify. none: the scores are probabilities. softmax, sigmoid: they are logits, "
        "of which one is true, or each by itself.",
    )
    full_score: float = Field(1.0, gt=0, description="For anomaly: the value of the map that scores 1.")
    best_only: bool = Field(
        False,
        description="For segment: the maps show the model's best candidates alone. Where what it left out may count "
        "too, a map reaches the threshold at every place, and the part is rejected whatever the recipe tolerates.",
    )
    maps: MapReading = Field(
        MapReading(), description="For segment and anomaly: how golden parts are read, areas in px."
    )

    @model_validator(mode="after")
    def _fits_its_task(self) -> ModelOutput:
        if self.good_classes and self.task not in ("yolo", "classify", "segment"):
            raise ValueError(f"good_classes: a model of task {self.task} has none")
        unknown = set(self.good_classes) - set(self.classes)
        if unknown or len(set(self.good_classes)) == len(self.classes):
            raise ValueError(
                f"good_classes: {list(self.good_classes)} are not some, but not all of {list(self.classes)}"
            )
        if self.task == "classify" and self.activation != "sigmoid" and not self.good_classes:
            raise ValueError(
                "good_classes: where one class is always true, one must be no defect, or no part would pass"
            )
        if self.task != "classify" and self.activation != "none":
            raise ValueError(f"activation: {self.activation} is for classify; for {self.task} it belongs in the graph")
        if self.best_only and self.task != "segment":
            raise ValueError(f"best_only: is for segment, not for {self.task}")
        if self.task == "anomaly" and len(self.classes) != 1:
            raise ValueError(f"classes: an anomaly map has one, not {len(self.classes)}")
        return self
