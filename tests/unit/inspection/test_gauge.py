"""A command judges as the line does, and sees in the same inference what lies below the product's limits."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.engine.qualify.thresholds import LEAST_SCORE
from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.inspection.gauge import Gauge
from aoi_daemon.messages import Reason

SIZE = 128


def board(*, damaged: bool) -> np.ndarray:
    image = np.full((SIZE, SIZE, 1), 40, np.uint8)
    image[20:100:16, 20:100] = 200
    if damaged:
        image[60:75, 40:60] = 255
    return image


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gauge")
    make_reference_bundle(folder / "bundle", [GoldenPair(board(damaged=bad), board(damaged=False), not bad) for bad in (False, True)])
    cv2.imwrite(str(folder / "t.png"), board(damaged=False))
    return Recipe.model_validate({
        "id": 3, "name": "r", "bundle": str(folder / "bundle"), "width_px": SIZE, "height_px": SIZE,
        "templates": ({"fov": 0, "image": str(folder / "t.png")},),
    })  # fmt: skip


def test_a_good_view_passes_and_a_damaged_one_is_rejected_for_what_is_there(recipe):
    with Gauge(recipe, InspectionSection()) as gauge:
        assert gauge.see(board(damaged=False), None, 0).verdict.passed
        verdict = gauge.see(board(damaged=True), None, 0).verdict
    assert (verdict.passed, verdict.reason) == (False, Reason.DEFECT)
    assert any(d.x1 <= 50 <= d.x2 and d.y1 <= 67 <= d.y2 for d in verdict.defects)


def test_the_template_that_comes_with_a_view_goes_before_the_recipes(recipe):
    with Gauge(recipe, InspectionSection()) as gauge:
        assert gauge.see(board(damaged=True), board(damaged=True), 0).verdict.passed


def test_what_the_product_tolerates_is_still_found(recipe):
    """Read a second time from the outputs of the same inference."""
    lenient = recipe.model_copy(update={"limits": (ClassLimit(name="*", min_width=100.0),)})
    with Gauge(lenient, InspectionSection()) as gauge:
        runs = []
        infer = gauge.executor.infer
        gauge.executor.infer = lambda *more: runs.append(1) or infer(*more)
        seen = gauge.see(board(damaged=True), None, 0)
        found = gauge.found(seen)
    assert seen.verdict.passed
    assert len(runs) == 1
    assert len(found.scores) and found.scores.min() >= LEAST_SCORE


def test_a_view_that_no_model_has_seen_has_nothing_found(recipe):
    """Not what the view before it showed."""
    with Gauge(recipe, InspectionSection()) as gauge:
        gauge.see(board(damaged=True), None, 0)
        seen = gauge.see(np.zeros((SIZE, SIZE + 2, 1), np.uint8), None, 0)
        assert seen.verdict.reason is Reason.NO_RECIPE
        assert len(gauge.found(seen).scores) == 0


def test_several_products_may_share_one_engine_and_each_is_read_in_its_own_way(recipe):
    """And whoever was given an open engine leaves it open."""
    lenient = recipe.model_copy(update={"limits": (ClassLimit(name="*", min_width=100.0),)})
    with Gauge(recipe, InspectionSection()) as strict:
        with Gauge(lenient, strict.executor, strict.bundle) as other:
            answers = [by.see(board(damaged=True), None, 0).verdict.passed for by in (strict, other, strict, other)]
            seen = strict.see(board(damaged=True), None, 0)
        assert answers == [False, True, False, True]
        assert len(strict.found(seen).scores), "the other's reading is not this one's"
        assert not strict.see(board(damaged=True), None, 0).verdict.passed


def test_a_recipe_that_does_not_fit_its_bundle_is_refused(recipe):
    with pytest.raises(ValueError, match="nonsense"):
        Gauge(recipe.model_copy(update={"limits": (ClassLimit(name="nonsense"),)}), InspectionSection())
