"""What a candidate is tried with, for products with views and without."""

import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.views import ANY_FOV, Viewed
from aoi_daemon.inspection.auto.subject import Subject, subject_of

BASE = {"id": 1, "name": "p", "bundle": "b", "width_px": 64, "height_px": 64}


@pytest.mark.parametrize(("names", "alone"), [([], True), (["top"], True), (["top", "side"], False)])
def test_golden_parts_of_a_view_are_named_and_those_of_the_only_one_need_not_be(names, alone):
    recipe = Recipe.model_validate({**BASE, "views": [{"name": name, "camera": name} for name in names]})
    shown = recipe.model_copy(update={"views": ()})
    found = subject_of(Viewed("top", 0, 3, shown), recipe, share=2)
    assert found == Subject(shown, "top" if names else "", 3 if names else 0, alone, 2)


def test_a_camera_that_tells_no_fields_of_view_apart_shows_the_first():
    recipe = Recipe.model_validate({**BASE, "views": [{"name": "top", "camera": "top"}]})
    assert subject_of(Viewed("top", 0, ANY_FOV, recipe), recipe).fov == 0
