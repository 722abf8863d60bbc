"""The back end that judges parts, opened, and its proof: the golden parts' verdicts hold on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.decide.labelled import unmet
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.executor import Executor
from aoi_daemon.infer.open import open_fitted
from aoi_daemon.stage.stage import Stage, now_ns

_GOLDEN_OVERLAP: Final = 0.5
_GOLDEN_S: Final = 5.0
"""Time allowed to one golden part; it is not on the takt."""

Image = NDArray[np.uint8]


def make_executor(
    stage: Stage, bundle: Bundle, section: InspectionSection, recipes: Sequence[Recipe], frames: Sequence[Image], *,
    templates: Sequence[Image] = (),
) -> Executor:  # fmt: skip
    """The back end that `section` names.

    Args:
        stage: of inspection.
        bundle: whose model runs.
        section: its back end and precision are names.
        recipes: of the views that it judges, of one frame size and one fit.
        frames: the memory that it will read from.
        templates: the recipes'.
    """
    executor = open_fitted(
        bundle, section, recipes[0].shape, recipes[0].fit, templates=templates, pinned=frames, golden=True,
        least_score=min(least_joined(bundle, recipe) for recipe in recipes),
    )  # fmt: skip
    stage.log.info("engine_open", engine=executor.name, notes=executor.notes)
    return executor


def least_joined(bundle: Bundle, recipe: Recipe) -> float:
    """From which score on rows are joined over a seam: whatever may count, on the line or with golden parts."""
    return min(recipe.least_score, *(limit.score for limit in bundle.manifest.golden_limits))


def check_golden(executor: Executor, bundle: Bundle, recipe: Recipe, progress: Callable[[], None]) -> list[str]:
    """Judge the bundle's golden parts by its own limits; the names of those with another verdict, or another defect."""
    # The bundle's own limits, in pixels: what a recipe asks of its product changes no golden verdict.
    own = {"limits": bundle.manifest.golden_limits, "regions": (), "unit": "px", "overlap": _GOLDEN_OVERLAP}
    wrong: list[str] = []
    for part in bundle.golden():
        size = {"height_px": part.image.shape[0], "width_px": part.image.shape[1]}
        criteria = Criteria.compile(recipe.model_copy(update=own | size), bundle.manifest.classes)
        found = executor.infer(part.image, part.template, now_ns() + int(_GOLDEN_S * 1e9))
        verdict = judge(found, criteria, 0, slack_ns=1, at_most=None)
        if verdict.passed is not part.passed or unmet(part.boxes, verdict.defects, criteria.classes):
            wrong.append(part.name)
        progress()
    return wrong
