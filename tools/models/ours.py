"""Our side: the export adapted, in the product's executor and judgement, asked what its program was asked.

Needs this checkout's environment (the extra `engine`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.fit import Fit
from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.config.tasks import MapReading
from aoi_daemon.decide.judge import Criteria, Verdict, judge
from aoi_daemon.engine.exports.adapt import adapt
from aoi_daemon.engine.exports.recognise import recognise
from aoi_daemon.engine.precision.graph import save_model
from aoi_daemon.engine.precision.wrap import Pixels
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import MANIFEST, Bundle, load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE, Detections, FrameShape
from aoi_daemon.infer.open import open_fitted
from aoi_daemon.pictures import read_picture
from tools.models.answers import Told
from tools.models.matching import PICTURE_BOUND, Boxes

_SECTION: Final = InspectionSection(backend="onnx", precision="fp32", threads=1)

_LEAST: Final = 0.001
"""Of a threshold."""

Image = NDArray[np.uint8]
FitKind = Literal["exact", "resize"]


@dataclass
class _Kept:
    """A decoder that keeps the outputs as they are, and says that nothing was found."""

    outputs: list[NDArray[Any]] = field(default_factory=list)

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`."""
        self.outputs = [output.copy() for output in outputs]
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


def make_bundle(export: Path, told: Told, folder: Path) -> tuple[Bundle, tuple[str, ...]]:
    """The bundle of `export`, in `folder`, and what a person should know of it.

    Raises:
        ModelError: it is not taken.
    """
    classes = tuple(told.classes)
    described = recognise(export, classes=classes)
    pixels = (
        None
        if told.pixels is None
        else Pixels(told.pixels["scale"], tuple(told.pixels["mean"]), tuple(told.pixels["deviation"]))
    )
    # Of a detector nothing is good but what it leaves out.
    good = () if described.kind == "detect" else tuple(told.good)
    adapted = adapt(
        described, export, channels=3, classes=classes, pixels=pixels if described.pixels is None else None,
        frame=(told.size_px, told.size_px), good_classes=good,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    save_model(adapted.model, folder / "fp32.onnx")
    digest = sha256((folder / "fp32.onnx").read_bytes()).hexdigest()
    manifest = {
        **json.loads(adapted.output.model_dump_json()), "version": 2, "name": "compared", "channels": 3,
        "stride_px": adapted.stride_px, "has_template": False,
        "models": {"fp32": {"file": "fp32.onnx", "sha256": digest}},
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return load_bundle(folder), (*described.notes, *adapted.notes)


def recipe_of(bundle: Bundle, told: Told, width_px: int, height_px: int, fit: FitKind) -> Recipe:
    """Every class counts from the row's threshold on, and boxes are suppressed as the row says."""
    is_map = bundle.manifest.task in ("segment", "anomaly")
    maps = MapReading(threshold=told.threshold) if is_map else None
    return Recipe(
        id=1, name="compared", bundle=Path("bundle"), width_px=width_px, height_px=height_px, channels=3, maps=maps,
        overlap=1.0 if told.overlap is None else told.overlap, limits=(ClassLimit(name="*", score=told.threshold),),
        fit=Fit(kind=fit, smooth=told.smooth and fit == "resize"),
    )  # fmt: skip


def outputs_of(bundle: Bundle, frames: Image) -> list[NDArray[np.float64]]:
    """The model's first output, for each frame (n, H, W, 3) BGR, without its batch axis."""
    keeper, found = _Kept(), []
    with open_fitted(bundle, _SECTION, frames[0].shape, Fit()) as executor:
        executor.decoder = keeper
        for frame in frames:
            executor.infer(frame, None, NO_DEADLINE)
            found.append(keeper.outputs[0][0].astype(np.float64))
    return found


def boxes_of(bundle: Bundle, told: Told, frames: Image) -> Boxes:
    """What the judgement rejects each frame for: every detection that counts, labels as the program's."""
    rows: list[tuple[float, ...]] = []
    for number, verdict in enumerate(_verdicts(bundle, told, list(frames), "exact")):
        for defect in verdict.defects:
            label = told.classes.index(bundle.manifest.classes[defect.label])
            rows.append((number, label, *defect[1:]))
    table = np.array(rows, np.float64).reshape(-1, 7)
    return Boxes(table[:, 0].astype(np.int64), table[:, 3:7], table[:, 2], table[:, 1].astype(np.int64))


def labels_of(bundle: Bundle, told: Told, frames: Image) -> NDArray[np.float64]:
    """(n, classes) probabilities, in the order of the program's classes."""
    scores = np.stack(outputs_of(bundle, frames))
    activation = bundle.manifest.activation
    if activation == "softmax":
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores = powers / powers.sum(axis=1, keepdims=True)
    elif activation == "sigmoid":
        scores = 1 / (1 + np.exp(-scores))
    return scores[:, [bundle.manifest.classes.index(name) for name in told.classes]]


def maps_of(bundle: Bundle, told: Told, frames: Image) -> NDArray[np.float64]:
    """(n, classes, h, w), in the order of the program's classes; of an anomaly model 1 is its full score."""
    maps = np.stack(outputs_of(bundle, frames))
    if bundle.manifest.task == "anomaly":
        return maps / bundle.manifest.full_score
    return maps[:, [bundle.manifest.classes.index(name) for name in told.classes]]


def worst_of(bundle: Bundle, told: Told, files: Sequence[Path]) -> list[float]:
    """The worst defect's score of each picture's file; a picture of another size is resized.

    0 where it has none, or one that scores less than the threshold by more than `PICTURE_BOUND`: a verdict that
    rounding decides is then told from one that is wrong.
    """
    found = []
    told = replace(told, threshold=max(told.threshold - PICTURE_BOUND, _LEAST))
    for file in files:
        image = read_picture(file, 3)
        fit: FitKind = "exact" if image.shape[:2] == (told.size_px, told.size_px) else "resize"
        [verdict] = _verdicts(bundle, told, [image], fit)
        found.append(max((defect.score for defect in verdict.defects), default=0.0))
    return found


def _verdicts(bundle: Bundle, told: Told, images: Sequence[Image], fit: FitKind) -> list[Verdict]:
    height, width, _ = images[0].shape
    recipe = recipe_of(bundle, told, width, height, fit)
    criteria = Criteria.compile(recipe, bundle.manifest.classes)
    executor = _opened(bundle, recipe)
    return [judge(executor.infer(each, None, NO_DEADLINE), criteria, 0, slack_ns=1, at_most=None) for each in images]


_OPEN: dict[tuple[str, Fit, FrameShape, float], Any] = {}


def _opened(bundle: Bundle, recipe: Recipe) -> Any:
    """An executor for each size, kept: opening takes longer than a picture."""
    key = (bundle.hash, recipe.fit, recipe.shape, recipe.least_score)
    if key not in _OPEN:
        close_all(keep=bundle.hash)
        opened = open_fitted(bundle, _SECTION, recipe.shape, recipe.fit, least_score=recipe.least_score)
        opened.decoder = decoder_for(bundle.manifest, recipe)
        _OPEN[key] = opened
    return _OPEN[key]


def close_all(keep: str = "") -> None:
    """Give back every executor, but those of the bundle whose hash is `keep`."""
    for key in [key for key in _OPEN if key[0] != keep]:
        _OPEN.pop(key).close()


__all__ = ["ModelError", "boxes_of", "close_all", "labels_of", "make_bundle", "maps_of", "worst_of"]
