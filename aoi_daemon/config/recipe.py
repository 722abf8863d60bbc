"""A recipe: how one product is judged. And the manifest of the bundle it is judged with."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from aoi_daemon.config.boxes import Boxes
from aoi_daemon.config.calibration import Calibration
from aoi_daemon.config.fit import EXACT, Fit
from aoi_daemon.config.limits import ClassLimit, Fraction, Optics, Region, Template
from aoi_daemon.config.precision import Precision
from aoi_daemon.config.recipe_checks import beside_views, do_not_fit, not_once, too_many
from aoi_daemon.config.registration import Registration
from aoi_daemon.config.section import FilePath, Name, Reload, Section, Sha256
from aoi_daemon.config.tasks import MapReading, ModelOutput
from aoi_daemon.config.view import View

MAX_VIEWS: Final = 64
_ALL_MAY_HAVE: Final = ("bundle", "width_px", "height_px")
"""What a recipe needs, unless each of its views has it."""


def _somebody_for_a_reason(text: str | None) -> str | None:
    """Refuse what does not say both who answers for it, and why."""
    if text is None:
        return None
    who, _, why = text.partition(",")
    if not (who.strip() and why.strip() and text.isprintable()):
        raise ValueError(f"{text!r} is not `NAME, reason` in one line: who answers for parts that nothing proves, and why")
    return text


class StopRules(Section):
    """When RUN_PERMIT drops and the line is asked to stop."""

    reload: ClassVar[Reload] = Reload.BETWEEN_PARTS

    same_place: int = Field(
        3, ge=0, le=1000, description="More than so many of one class at one place in a row; 0: off."
    )
    same_place_radius: float = Field(20.0, gt=0, description="How near is one place (unit: `unit`).")
    reject_percent: float = Field(
        3.0, ge=0, le=100, description="More than this share of bad parts (DEFECT, REGISTRATION); 0: off."
    )
    window: int = Field(
        100,
        ge=10,
        le=10_000,
        description="...in the last so many parts that were judged; after a reset the missing ones count as good.",
    )


class Recipe(Section):
    """`recipes/NAME.toml`: one product; golden parts that prove it are in `recipes/NAME.golden/`. `id`, `name` and `accept_unproven` are swapped between two parts."""

    reload: ClassVar[Reload] = Reload.INSPECTION
    swapped: ClassVar[frozenset[str]] = frozenset(("id", "name", "stop", "accept_unproven"))
    """Keys that change no verdict: they are swapped between two parts, and nothing is proven anew."""

    id: int = Field(ge=1, le=65_535, description="The number the PLC knows the product by.")
    name: Name = Field(description="Shown on the page.")
    bundle: FilePath = Field(description="Folder of the model bundle.")
    width_px: int = Field(ge=16, le=16_384, description="Width of a frame.")
    height_px: int = Field(ge=16, le=16_384, description="Height of a frame.")
    channels: Literal[1, 3] = Field(1, description="1 mono, 3 BGR.")
    fit: Fit = Field(EXACT, description="How a frame becomes what the model takes: by its kind, or a table.")
    unit: Literal["px", "mm"] = Field("px", description="Unit of all lengths in this file.")
    px_per_mm: float = Field(48.0, gt=0, le=100_000, description="Scale of the optics.")
    overlap: Fraction = Field(0.5, description="Boxes of one class that overlap more are one defect (IoU).")
    templates: Annotated[tuple[Template, ...], Strict(False)] = Field(
        (), description="Golden templates by field of view, at most 1024; replayed pairs bring their own."
    )
    limits: Annotated[tuple[ClassLimit, ...], Strict(False)] = Field(
        default=(ClassLimit(name="*"),),
        description="By class. A class that none names, where there is no `*`, has the default limit.",
    )
    regions: Annotated[tuple[Region, ...], Strict(False)] = Field(
        (), description="Where to look, at most 2048 with 16384 corners together; none: everywhere."
    )
    stop: StopRules = Field(StopRules(), description="Stop rules.")
    optics: Optics | None = Field(None, description="Limits of the picture; absent: every picture is judged.")
    registration: Registration | None = Field(
        None, description="Aligns each frame to its template; absent: frames are judged as they come."
    )
    maps: MapReading | None = Field(None, description="For bundles of task segment or anomaly.")
    views: Annotated[tuple[View, ...], Strict(False)] = Field(
        (), max_length=MAX_VIEWS,
        description="Pictures of each part; none: one of the one camera. A part passes when every view passes in time.",
    )  # fmt: skip
    accept_unproven: Annotated[
        str | None, Field(max_length=200), AfterValidator(_somebody_for_a_reason)
    ] = Field(
        None,
        description="`NAME, reason`: who answers for it that the line is READY without a good and a bad golden part of this product, and why. Golden parts that do not hold are not excused by it. It is in the audit, on the page, in `status` and in each record.",
    )

    @property
    def least_score(self) -> float:
        """A detection that scores less counts for no class, named or not."""
        return min(limit.score for limit in (*self.limits, ClassLimit(name="*")))

    @property
    def px_per_unit(self) -> float:
        """Pixels in one `unit` of this recipe."""
        return self.px_per_mm if self.unit == "mm" else 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a frame: (height_px, width_px, channels)."""
        return self.height_px, self.width_px, self.channels

    @model_validator(mode="before")
    @classmethod
    def _each_view_has_its_own(cls, data: Any) -> Any:
        """What every view has, the recipe need not have: the first view's stands for it."""
        views = data.get("views") if isinstance(data, dict) else None
        if not views or not all(isinstance(view, dict) for view in views):
            return data
        first = {key: views[0][key] for key in _ALL_MAY_HAVE if all(view.get(key) is not None for view in views)}
        return {**first, **data}

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        # In turn: of lists that are too long only that is said.
        for problems in (too_many, not_once, beside_views, do_not_fit):
            if found := list(problems(self)):
                raise ValueError("; ".join(found))
        return self


class GoldenPart(Section):
    """A part of known verdict that a bundle proves itself with."""

    image: str = Field(description="Image file, in the bundle.")
    sha256: Sha256 = Field(description="The image file's hash.")
    template: str | None = Field(None, description="Its template, in the bundle.")
    template_sha256: Sha256 | None = Field(None, description="The template file's hash.")
    passed: bool = Field(description="The verdict it must get.")
    boxes: Boxes = Field((), description="Of a bad part: where it is bad; each must be met by a detection that counts.")

    @model_validator(mode="after")
    def _template_with_its_hash(self) -> GoldenPart:
        if (self.template is None) != (self.template_sha256 is None):
            raise ValueError("template and template_sha256 go together")
        if self.passed and self.boxes:
            raise ValueError("boxes: a part that must pass has none")
        return self


class Model(Section):
    """One precision of the bundle's model."""

    file: str = Field(description="The ONNX file, in the bundle.")
    sha256: Sha256 = Field(description="Its hash.")
    sparsity: Literal["2:4"] | None = Field(
        None, description="`2:4`: two in four weights are zero, as sparse Tensor Cores take them; absent: dense."
    )


class FrameSize(Section):
    """The size of a frame."""

    width_px: int = Field(ge=1, le=16_384)
    height_px: int = Field(ge=1, le=16_384)


class Figures(Section):
    """What one precision reached on the qualification set, with `golden_limits`."""

    map33: Fraction = Field(description="Mean average precision at IoU 0.33, DeepPCB's rule.")
    map50: Fraction = Field(description="Mean average precision at IoU 0.5, COCO's rule.")
    map50_95: Fraction = Field(description="Mean average precision over IoU 0.5 to 0.95, COCO's rule.")
    f_score: Fraction = Field(description="2PR / (P + R) at IoU 0.33.")
    bad_boards: int = Field(ge=0)
    escapes: int = Field(ge=0, description="Bad boards that passed.")
    good_boards: int = Field(ge=0)
    false_calls: int = Field(ge=0, description="Good boards that were rejected.")
    flips: int = Field(ge=0, description="Boards whose verdict is not FP32's.")
    kappa: float | None = Field(None, description="Cohen's, verdicts against the truth.")


class Qualification(Section):
    """What the bundle's models were measured against, and what they reached."""

    boards: int = Field(ge=1)
    set_sha256: Sha256 = Field(description="Hash of the boards' names and bytes.")
    sizes: Annotated[tuple[FrameSize, ...], Strict(False)] = Field(description="Frame sizes that occurred.")
    models: dict[Precision, Figures] = Field(description="By precision.")
    refused: dict[Literal["bf16", "fp16", "int8"], str] = Field({}, description="Precisions left out, and why.")
    report_sha256: Sha256 = Field(description="Hash of report.json beside the manifest.")


class Provenance(Section):
    """How the bundle was made."""

    command: str = Field(description="The command, its folders and files without their path.")
    made_at: str = Field(description="UTC, ISO 8601.")
    source_sha256: Sha256 = Field(description="Hash of the exported ONNX file.")
    versions: dict[str, str] = Field(description="Of the programs that made it.")
    boxes: str = Field("", description="Where the boxes of golden parts are from.")


class Manifest(ModelOutput):
    """`manifest.json` of a bundle: the model and what proves it."""

    version: Literal[1, 2] = Field(2, description="1: its golden parts are without boxes.")
    name: Name
    channels: Literal[1, 3] = 1
    stride_px: int = Field(1, ge=1, le=1024, description="Frame sizes must be multiples of this.")
    has_template: bool = Field(description="Whether the model has the input `template`.")
    models: dict[Precision, Model] = Field(
        min_length=1, description="By precision; `bf16` is run from the file of fp32, by a back end whose processor has it."
    )
    golden: Annotated[tuple[GoldenPart, ...], Strict(False)] = ()
    golden_limits: Annotated[tuple[ClassLimit, ...], Strict(False)] = Field(
        default=(ClassLimit(name="*"),), description="Limits that the golden verdicts hold by."
    )
    calibration: Calibration | None = Field(None, description="Absent: the bundle has no INT8.")
    qualification: Qualification | None = Field(None, description="Absent: nothing but the golden parts proves it.")
    provenance: Provenance | None = Field(None, description="Absent: made by hand.")

    @property
    def has_boxes(self) -> bool:
        """Whether its bad golden parts say where they are bad."""
        bad = [part for part in self.golden if not part.passed]
        return bool(bad) and all(part.boxes for part in bad)

    @model_validator(mode="after")
    def _fits_together(self) -> Manifest:
        if len(set(self.classes)) < len(self.classes) or "*" in self.classes:
            raise ValueError(f"classes: {list(self.classes)} are not all different names, or one is `*`")
        unknown = {limit.name for limit in self.golden_limits} - {"*", *self.classes}
        if unknown:
            raise ValueError(f"golden_limits.name: {sorted(unknown)} are none of classes {list(self.classes)}")
        bf16, fp32 = self.models.get("bf16"), self.models.get("fp32")
        if bf16 is not None and bf16 != fp32:
            there = "there is no fp32" if fp32 is None else f"fp32 is {fp32.file}, bf16 {bf16.file}"
            raise ValueError(f"models.bf16: names fp32's file and its hash, which the back end runs in bf16; {there}")
        if any((part.template is None) is self.has_template for part in self.golden):
            raise ValueError(f"golden.template: has_template is {str(self.has_template).lower()} for all of them")
        return self
