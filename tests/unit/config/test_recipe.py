"""A recipe's and a bundle's models at their bounds: the last value that is taken, and the first that is not."""

import json

import pytest
from pydantic import ValidationError

from aoi_daemon.config.recipe import Figures, GoldenPart, Recipe
from tests.unit.infer.manifests import manifest_of

RECIPE = {"id": 1, "name": "board", "bundle": "bundle", "width_px": 640, "height_px": 480}
OUTLINES = (64,) * 256
"""Corners of each region: 16384 in all."""


def region(corners):
    return {"kind": "ignore", "corners": [[float(number % 640), float(number)] for number in range(corners)]}


def table(key, count):
    return {
        "templates": [{"fov": number, "image": "t.png"} for number in range(count)],
        "limits": [{"name": f"d{number}"} for number in range(count)],
        "regions": [region(2)] * count,
    }[key]


@pytest.mark.parametrize(("key", "most"), [("templates", 1024), ("limits", 1001), ("regions", 2048)])
def test_so_many_tables_of_a_recipe_are_taken_and_one_more_is_not(key, most):
    assert len(getattr(Recipe.model_validate({**RECIPE, key: table(key, most)}), key)) == most
    with pytest.raises(ValidationError, match=f"{key}: there are {most + 1}, at most {most}; "):
        Recipe.model_validate({**RECIPE, key: table(key, most + 1)})


@pytest.mark.parametrize(("more", "is_taken"), [((), True), ((2,), False)])
def test_so_many_corners_of_all_regions_are_taken(more, is_taken):
    regions = [region(corners) for corners in (*OUTLINES, *more)]
    if is_taken:
        assert len(Recipe.model_validate({**RECIPE, "regions": regions}).regions) == 256
    else:
        with pytest.raises(ValidationError, match=r"regions.corners: there are 16386, at most 16384"):
            Recipe.model_validate({**RECIPE, "regions": regions})


PART = {"image": "p.png", "sha256": "0" * 64}


def test_a_golden_part_that_must_pass_has_no_box_and_a_bad_one_may():
    boxes = [[1.0, 2.5, 3.0, 4.0]]
    assert GoldenPart.model_validate({**PART, "passed": True}).boxes == ()
    bad = GoldenPart.model_validate({**PART, "passed": False, "boxes": boxes})
    assert json.loads(bad.model_dump_json())["boxes"] == boxes and "[1,2.5,3,4]" in bad.model_dump_json()
    with pytest.raises(ValidationError, match="a part that must pass has none"):
        GoldenPart.model_validate({**PART, "passed": True, "boxes": boxes})


@pytest.mark.parametrize("given", [{"template": "t.png"}, {"template_sha256": "0" * 64}])
def test_a_template_of_a_golden_part_and_its_hash_go_together(given):
    with pytest.raises(ValidationError, match="template and template_sha256 go together"):
        GoldenPart.model_validate({**PART, "passed": True, **given})
    whole = GoldenPart.model_validate({**PART, "passed": True, "template": "t.png", "template_sha256": "0" * 64})
    assert whole.template == "t.png"


FIGURES = {
    "map33": 1.0, "map50": 1.0, "map50_95": 0.0, "f_score": 0.5,
    "bad_boards": 0, "escapes": 0, "good_boards": 0, "false_calls": 0, "flips": 0,
}  # fmt: skip


@pytest.mark.parametrize("key", FIGURES)
def test_no_figure_of_a_qualification_is_below_zero(key):
    assert Figures.model_validate(FIGURES).kappa is None
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Figures.model_validate({**FIGURES, key: -1})


@pytest.mark.parametrize(("stride_px", "is_taken"), [(0, False), (1, True), (1024, True), (1025, False)])
def test_a_stride_is_1_to_1024(stride_px, is_taken):
    if is_taken:
        assert manifest_of(stride_px=stride_px).stride_px == stride_px
    else:
        with pytest.raises(ValidationError, match="stride_px"):
            manifest_of(stride_px=stride_px)
