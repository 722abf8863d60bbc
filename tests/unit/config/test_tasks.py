"""The part of a manifest that says what a model's outputs are, and the recipe's section `maps`."""

import pytest
from pydantic import ValidationError

from aoi_daemon.config.recipe import Manifest, Recipe
from aoi_daemon.config.tasks import MapReading

MANIFEST = {"name": "m", "has_template": False, "models": {"fp32": {"file": "m.onnx", "sha256": "0" * 64}}}
RECIPE = {"id": 1, "name": "board", "bundle": "bundle", "width_px": 640, "height_px": 480}


def manifest(**keys) -> Manifest:
    return Manifest.model_validate({**MANIFEST, "classes": ["good", "bad"], **keys})


def test_a_manifest_that_says_nothing_is_of_a_detector():
    found = manifest()
    assert (found.task, found.good_classes, found.activation, found.full_score, found.maps) == (
        "top100", (), "none", 1.0, MapReading(),
    )  # fmt: skip


def test_a_manifest_survives_being_written_and_read():
    found = manifest(task="segment", good_classes=["good"], maps={"threshold": 0.4, "score": "mean"})
    assert Manifest.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"task": "detect"}, "task"),
        ({"good_classes": ["good"]}, "a model of task top100 has none"),
        ({"best_only": True}, "best_only: is for segment, not for top100"),
        ({"task": "yolo", "good_classes": ["fine"]}, "are not some, but not all of"),
        ({"task": "yolo", "good_classes": ["good", "bad"]}, "are not some, but not all of"),
        ({"task": "classify"}, "one must be no defect, or no part would pass"),
        ({"task": "classify", "activation": "softmax"}, "one must be no defect"),
        ({"task": "yolo", "activation": "sigmoid"}, "for yolo it belongs in the graph"),
        ({"task": "anomaly"}, "an anomaly map has one, not 2"),
        ({"task": "anomaly", "classes": ["a"], "full_score": 0.0}, "full_score"),
    ],
)
def test_what_does_not_fit_the_task_is_refused(keys, problem):
    with pytest.raises(ValidationError, match=problem):
        manifest(**keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"task": "anomaly", "classes": ["a"]},
        {"task": "classify", "activation": "sigmoid"},
        {"task": "classify", "activation": "softmax", "good_classes": ["good"]},
        {"task": "yolo", "good_classes": ["good"]},
        {"task": "segment", "good_classes": ["good"]},
    ],
)
def test_what_fits_the_task_is_taken(keys):
    assert manifest(**keys).task == keys["task"]


@pytest.mark.parametrize("maps", [{"threshold": 0.0}, {"threshold": 1.1}, {"min_area": -1.0}, {"score": "sum"}])
def test_a_reading_is_bounded(maps):
    with pytest.raises(ValidationError, match="maps"):
        Recipe.model_validate({**RECIPE, "maps": maps})


def test_an_area_that_no_defect_reaches_is_refused():
    """Every part would pass."""
    with pytest.raises(ValidationError, match=r"maps\.min_area = 307200: no defect in 307200 px would count"):
        Recipe.model_validate({**RECIPE, "maps": {"min_area": 307200.0}})
    assert Recipe.model_validate({**RECIPE, "maps": {"min_area": 307199.0}}).maps.min_area == 307199
    with pytest.raises(ValidationError, match=r"maps\.min_area = 134"):
        Recipe.model_validate({**RECIPE, "unit": "mm", "maps": {"min_area": 134.0}})
    assert Recipe.model_validate({**RECIPE, "unit": "mm", "maps": {"min_area": 133.0}}).maps.min_area == 133


def test_the_least_score_is_that_of_the_lowest_limit():
    """A class without a limit is held by the default."""
    limits = [{"name": "a", "score": 0.7}, {"name": "b", "score": 0.6}]
    assert Recipe.model_validate({**RECIPE, "limits": limits}).least_score == 0.5
    assert Recipe.model_validate({**RECIPE, "limits": [*limits, {"name": "*", "score": 0.2}]}).least_score == 0.2
