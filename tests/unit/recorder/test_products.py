"""Names for the numbers in an outcome."""

import hashlib
import json
from pathlib import Path

import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.recorder.products import Products
from tests.unit.records.conftest import make_outcome


@pytest.fixture
def bundle(tmp_path):
    def make(name, classes):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        text = json.dumps({
            "version": 1, "name": name, "classes": classes, "has_template": True,
            "models": {"fp32": {"file": "m", "sha256": "0" * 64}},
        })  # fmt: skip
        (folder / "manifest.json").write_text(text)
        return folder, int(hashlib.sha256(text.encode()).hexdigest()[:16], 16)

    return make


def recipe(number, folder, **keys):
    return Recipe(**{"id": number, "name": f"r{number}", "bundle": folder, "width_px": 64, "height_px": 64, "px_per_mm": 20.0, **keys})


def of(products, recipe_id, bundle):
    return products.of(make_outcome(1, recipe=recipe_id, bundle=bundle))


def test_a_part_has_the_names_of_its_recipe_and_bundle(bundle):
    folder, number = bundle("a", ["open", "short"])
    found = of(Products([recipe(1, folder)]), 1, number)
    assert (found.recipe, found.bundle, found.classes, found.px_per_mm) == ("r1", f"{number:016x}", ("open", "short"), 20.0)


def test_a_part_that_no_model_saw_has_no_bundle(bundle):
    folder, _ = bundle("a", ["open"])
    found = of(Products([recipe(1, folder)]), 1, 0)
    assert (found.recipe, found.bundle, found.classes) == ("r1", "", ())


def test_an_unknown_recipe_has_its_number(bundle):
    folder, number = bundle("a", ["open"])
    found = of(Products([recipe(1, folder)]), 7, number)
    assert (found.recipe_id, found.recipe, found.classes) == (7, "recipe 7", ("open",))


def test_a_bundle_that_was_changed_on_the_disk_names_no_class(bundle):
    folder, number = bundle("a", ["open", "short"])
    products = Products([recipe(1, folder)])
    bundle("a", ["pin-hole"])
    found = of(products, 1, number)
    assert (found.classes, found.name_of(1)) == ((), "class 1")


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", "\xff"])
def test_a_manifest_that_cannot_be_read_costs_names_alone(tmp_path, content):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content, encoding="latin-1")
    assert of(Products([recipe(1, tmp_path)]), 1, 99).recipe == "r1"


def test_a_new_recipe_brings_its_names(bundle):
    first, one = bundle("a", ["open"])
    second, two = bundle("b", ["spur"])
    products = Products([recipe(1, first)])
    assert of(products, 1, one).classes == ("open",)
    assert of(products, 1, two).classes == ()
    products.take(recipe(1, second, name="new"))
    assert of(products, 1, two).classes == ("spur",)
    assert of(products, 1, one).classes == ("open",), "parts of before are still on their way"
    assert products.recipe(1, 0, 0).name == "new" and products.recipe(2, 0, 0) is None


def test_the_recipe_file_may_be_gone():
    assert of(Products([]), 3, 5).recipe == "recipe 3"
    assert of(Products([recipe(3, Path("/nowhere"))]), 3, 5).recipe == "r3"


def test_each_view_has_its_own_classes_and_scale_and_a_name(bundle):
    top, one = bundle("a", ["open"])
    side, two = bundle("b", ["spur"])
    views = [
        {"name": "top", "camera": "first", "fov": 0, "bundle": top}, {"name": "turned", "camera": "first", "fov": 1, "bundle": top, "px_per_mm": 5.0},
        {"name": "side", "camera": "second", "fov": 7, "bundle": side},
    ]  # fmt: skip
    products = Products([Recipe.model_validate({**recipe(1, top).model_dump(), "views": views})], ["first", "second"])

    def outcome(camera, fov, bundle_id):
        return make_outcome(1, recipe=1, bundle=bundle_id, camera=camera, fov=fov)

    said = [outcome(0, 0, one), outcome(0, 1, one), outcome(1, 7, two), outcome(1, 3, 0)]
    assert [products.view(each) for each in said] == ["top", "turned", "side", None]
    assert [products.of(each).px_per_mm for each in said] == [20.0, 5.0, 20.0, 20.0]
    assert [products.of(each).classes for each in said] == [("open",), ("open",), ("spur",), ()]
    assert products.recipe(1, 1, 7).bundle == side
    plain = Products([recipe(1, top)], ["first"])
    assert plain.view(make_outcome(1, recipe=1, camera=0, fov=9)) is None
