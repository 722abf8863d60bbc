"""What the audit says of a changed configuration."""

from dataclasses import replace
from pathlib import Path

from aoi_daemon.config.changes import Change, changes
from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig

RECIPE = {"id": 1, "name": "board", "bundle": "bundle", "width_px": 640, "height_px": 640}


def recipe(**keys) -> Recipe:
    return Recipe.model_validate({**RECIPE, **keys})


def configuration(recipes=None, product="", material=None, **line) -> Configuration:
    model = LineConfig.model_validate({"cameras": [{"kind": "replay", "source": "images"}], **line})
    return Configuration(Path("line.toml"), model, recipes or {"demo": recipe()}, product, material or {})


def test_nothing_changed_is_nothing():
    assert changes(configuration(), configuration()) == []


def test_each_key_has_its_name_its_old_and_its_new_value():
    old = configuration({"demo": recipe(limits=[{"name": "*", "score": 0.5}])})
    new = configuration({"demo": recipe(limits=[{"name": "*", "score": 0.6}])}, plc={"port": 1502})
    assert changes(old, new) == [
        Change("plc.port", 502, 1502),
        Change("recipes/demo.limits[0].score", 0.5, 0.6),
    ]


def test_a_table_that_came_is_one_change():
    """Each of its keys would say no more."""
    (change,) = changes(configuration(), configuration(plc={"poll": {"base": 100}}))
    assert (change.key, change.was) == ("plc.poll", None)
    assert change.now["base"] == 100


def test_a_list_of_another_length_is_one_change():
    old = configuration({"demo": recipe(limits=[{"name": "*"}])})
    (change,) = changes(old, configuration({"demo": recipe(limits=[{"name": "*"}, {"name": "open"}])}))
    assert change.key == "recipes/demo.limits" and len(change.now) == 2


def test_another_product_comes_first():
    both = {"demo": recipe(), "other": recipe(id=2, name="other")}
    old = configuration(both)
    assert changes(old, replace(old, product="other")) == [Change("product", "demo", "other")]


def test_recipes_that_are_not_in_use_are_told_too():
    old = configuration({"demo": recipe(), "b": recipe(id=2), "gone": recipe(id=3)})
    new = configuration({"demo": recipe(), "b": recipe(id=2, overlap=0.4), "new": recipe(id=4)})
    assert changes(old, new) == [
        Change("recipes/b.overlap", 0.5, 0.4),
        Change("recipes/gone", "id 3", None),
        Change("recipes/new", None, "id 4"),
    ]


def test_files_that_were_replaced_under_their_name_are_told_by_their_hash():
    (change,) = changes(configuration(material={"demo": "a" * 64}), configuration(material={"demo": "b" * 64}))
    assert change == Change("recipes/demo files", "a" * 16, "b" * 16)


def test_files_that_nobody_had_looked_at_are_told_by_the_hash_that_they_have_now():
    old, new = configuration(), configuration(material={"demo": "a" * 64})
    assert changes(old, new) == [Change("recipes/demo files", None, "a" * 16)]
    assert changes(new, old) == [Change("recipes/demo files", "a" * 16, None)]


def test_of_a_camera_of_another_kind_the_keys_of_both_are_told():
    found = changes(configuration(), configuration(cameras=[{"kind": "genicam", "producer": "a.cti"}]))
    told = {change.key: (change.was, change.now) for change in found}
    assert told["cameras[0].kind"] == ("replay", "genicam")
    assert told["cameras[0].source"] == ("images", None)
    assert told["cameras[0].producer"] == (None, "a.cti")
