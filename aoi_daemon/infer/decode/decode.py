"""From a model's outputs to detections, by the task of its manifest.

The judgement reads the rows themselves and trusts none of them; overlap
suppression belongs to it: decide/overlap.py says why. Whoever measures or
records a model (qualification, near misses, a shadow model) takes `decode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest, Recipe
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.classes import ClassScores
from aoi_daemon.infer.decode.maps import Maps
from aoi_daemon.infer.decode.yolo import YoloHeads
from aoi_daemon.infer.executor import Decoder, Detections, FrameShape, check_outputs, check_px, outputs_of

_LEAST_SCORE: Final = 0.001
"""Where no recipe says what counts: background is left out, and no curve of precision and recall misses the rest."""


class Rows:
    """Task top100: the model has done it all."""

    def __init__(self, manifest: Manifest, *, least_score: float) -> None:
        """Rows below `least_score`, 0..1, only fill up."""
        self._expected = outputs_of(manifest)
        self._least_score = np.float32(least_score)

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`; views of the outputs, of which little is looked at."""
        check_outputs(outputs, self._expected)
        boxes, scores, classes = outputs
        check_px(boxes[0].compress(scores[0] >= self._least_score, axis=0), shape)
        return Detections(boxes[0], scores[0], classes[0])


def decoder_for(manifest: Manifest, recipe: Recipe | None = None) -> Decoder:
    """How the outputs of the manifest's model are read.

    Args:
        manifest: the bundle's.
        recipe: what the product asks for; None: what the manifest does, as golden parts are judged.

    Raises:
        ValueError: with this task some setting of the recipe would make every part pass, or does nothing;
            names it.
    """
    maps = manifest.maps
    least_score = _LEAST_SCORE if recipe is None else recipe.least_score
    if recipe is not None and recipe.maps is not None:
        if manifest.task not in ("segment", "anomaly"):
            raise ValueError(f"maps: bundle {manifest.name} has none, its task is {manifest.task}")
        maps = recipe.maps
    if manifest.task == "yolo":
        return YoloHeads(manifest, least_score=least_score)
    if manifest.task == "classify":
        if recipe is not None:
            _check_whole_frame(recipe)
        return ClassScores(manifest)
    if manifest.task in ("segment", "anomaly"):
        return Maps(manifest, maps, min_area_px=maps.min_area * (1.0 if recipe is None else recipe.px_per_unit**2))
    return Rows(manifest, least_score=least_score)


def decode(raw: Detections, *, floor: float, class_count: int) -> Detections:
    """The rows of at least score `floor`, in their order, copied.

    Raises:
        InferenceError: some row, whatever its score, is not what a model may say: a number that is
            not finite, a score outside 0..1, a class that the bundle does not have.
    """
    boxes, scores, classes = raw
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise InferenceError("the model gave boxes or scores that are not finite")
    if scores.size and not 0 <= scores.min() <= scores.max() <= 1:
        raise InferenceError(f"the model gave scores {scores.min():g} to {scores.max():g}; expected 0 to 1")
    if classes.size and not 0 <= classes.min() <= classes.max() < class_count:
        raise InferenceError(
            f"the model gave classes {classes.min()} to {classes.max()}, the bundle has 0 to {class_count - 1}"
        )
    kept = scores >= floor
    return Detections(boxes[kept], scores[kept], classes[kept])


def _check_whole_frame(recipe: Recipe) -> None:
    """A classification is of the whole frame: its box is the frame, and so has one centre and one size."""
    if recipe.regions:
        raise ValueError("regions: the bundle's task is classify, which looks at the whole frame; take them out")
    for limit in recipe.limits:
        if limit.min_width or limit.min_height:
            raise ValueError(f"limits.min_width, limits.min_height of {limit.name}: a classification has no size")
