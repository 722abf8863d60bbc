"""What a changed configuration does to a running line."""

from dataclasses import replace
from pathlib import Path

import pytest

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.reload import ReloadPlan, plan
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.errors import ConfigError

CAMERA = {"kind": "replay", "source": "images"}
RECIPE = {"id": 1, "name": "board", "bundle": "bundle", "width_px": 640, "height_px": 640}


def configuration(line=None, recipe=None, cameras=None) -> Configuration:
    model = LineConfig.model_validate({"cameras": cameras or [CAMERA], **(line or {})})
    return Configuration(Path("line.toml"), model, {"demo": Recipe.model_validate({**RECIPE, **(recipe or {})})})


def test_nothing_changed_does_nothing():
    assert plan(configuration(), configuration()).changed == ()


TWO = [CAMERA, {**CAMERA, "name": "second"}]
OFF_PATH = {
    "recorder": {"days_records": 91},
    "hmi": {"port": 8081},
    "publisher": {"host": "broker"},
    "notices": {"webhook": [{"name": "a", "url": "https://a.example"}], "rules": [{"priority": "low", "to": ["a"]}]},
}
NEVER = {"line": {"takt_ms": 60.0}, "ring": {"slots": 4}, "log": {"level": "debug"}, "views_ms": 1.0,
         "realtime": {"fifo": False}, "supervisor": {"restarts": 3}}  # fmt: skip
HANDED_OVER = {
    "plc": ({"port": 1502}, ReloadPlan(changed=("plc",), restart_plc=True)),
    "inspection": ({"threads": 1}, ReloadPlan(changed=("inspection",), standby=True)),
    "cameras": ([TWO[0], {**TWO[1], "silence_ms": 5.0}], ReloadPlan(changed=("cameras[1]",), restart_acquire=frozenset({1}))),
    **{name: (table, ReloadPlan(changed=(name,), restart_off_path=frozenset({name}))) for name, table in OFF_PATH.items()},
}  # fmt: skip


def test_each_key_of_the_line_is_handed_over_or_needs_a_restart():
    """Whoever adds a section says here what its change does."""
    assert HANDED_OVER.keys() | NEVER.keys() == LineConfig.model_fields.keys()


@pytest.mark.parametrize("name", HANDED_OVER)
def test_a_section_that_changed_came_or_went_is_told_and_does_what_it_must_and_nothing_else(name):
    table, does = HANDED_OVER[name]
    recorded = {} if name == "recorder" else {"recorder": {}}
    before, after = configuration(recorded, cameras=TWO), configuration({**recorded, "cameras": TWO, name: table})
    assert plan(before, after) == plan(after, before) == does


SWAPPED = {
    "id": 7, "name": "other", "stop": {"same_place": 0}, "accept_unproven": "anna, first day of the line",
}  # fmt: skip
PROVEN = {
    "bundle": "other", "width_px": 320, "height_px": 320, "channels": 3, "unit": "mm", "px_per_mm": 40.0, "overlap": 0.3,
    "templates": [{"fov": 1, "image": "t.png"}], "limits": [{"name": "*", "score": 0.3}],
    "regions": [{"kind": "ignore", "corners": [[0, 0], [9, 9]]}], "optics": {"min_contrast": 3.0},
    "registration": {"max_offset": 5.0}, "maps": {"threshold": 0.3}, "fit": "tiles",
    "views": [{"name": "top", "camera": "a", "width_px": 128}],
}  # fmt: skip


def test_each_key_of_a_recipe_is_swapped_or_proven():
    """Whoever adds a key says here what it does to a verdict."""
    assert SWAPPED.keys() | PROVEN.keys() == Recipe.model_fields.keys()


@pytest.mark.parametrize("key", SWAPPED)
def test_what_changes_no_verdict_is_swapped_between_parts(key):
    found = plan(configuration(), configuration(recipe={key: SWAPPED[key]}))
    assert found == ReloadPlan(changed=("recipes/demo",), swap_recipe=True)


@pytest.mark.parametrize("key", PROVEN)
def test_whatever_may_change_a_verdict_is_proven_first(key):
    found = plan(configuration(), configuration(recipe={key: PROVEN[key]}))
    assert found == ReloadPlan(changed=("recipes/demo",), standby=True, swap_recipe=True)


def test_an_acceptance_that_is_withdrawn_asks_for_proof():
    """It is refused where there is none; the line does not drop READY by a reload."""
    accepted = configuration(recipe={"accept_unproven": "anna, first day"})
    assert plan(accepted, configuration()).standby
    assert not plan(accepted, configuration(recipe={"accept_unproven": "ben, second day"})).standby


@pytest.mark.parametrize("name", NEVER)
def test_what_needs_a_restart_of_the_service_refuses_the_whole_reload(name):
    with pytest.raises(ConfigError) as refused:
        plan(configuration(), configuration({name: NEVER[name], "plc": {"port": 1502}}))
    assert refused.value.problems == [f"{name}: changed, and needs a restart of the service; nothing has been changed"]


def test_everything_that_needs_a_restart_is_told_at_once():
    with pytest.raises(ConfigError) as refused:
        plan(configuration(), configuration({"ring": {"slots": 4}, "log": {"level": "debug"}}, cameras=[{**CAMERA, "channels": 3}]))
    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["log", "ring", "cameras[0].channels"]


@pytest.mark.parametrize("size", [{"max_width_px": 1280}, {"max_height_px": 1280}, {"channels": 3}])
def test_the_size_of_the_ring_is_not_reloaded(size):
    (key,) = size
    with pytest.raises(ConfigError, match=rf"cameras\[1\]\.{key}: sizes the frame ring"):
        plan(configuration(cameras=TWO), configuration(cameras=[CAMERA, {**TWO[1], **size}]))


def test_the_number_of_cameras_is_not_reloaded():
    with pytest.raises(ConfigError, match="cameras: their number changed"):
        plan(configuration(), configuration(cameras=[CAMERA, {**CAMERA, "name": "b"}]))


# -- products ------------------------------------------------------------------


def two_products(**other) -> Configuration:
    found = configuration()
    second = Recipe.model_validate({**RECIPE, "id": 2, "name": "second", **other})
    return replace(found, recipes={**found.recipes, "second": second})


def changed_over(old: Configuration):
    return plan(old, old.with_product("second"))


@pytest.mark.parametrize("other", [{}, {"limits": [{"name": "*", "score": 0.3}]}, {"bundle": "other"}])
def test_another_product_proves_itself_however_little_it_differs(other):
    """Its golden parts are its own."""
    assert changed_over(two_products(**other)).standby


def test_files_that_were_replaced_under_their_old_name_are_another_engine():
    """The process that inspects has the old ones in its memory, and would be started with the new ones some day."""
    old, new = configuration(), configuration()
    found = plan(replace(old, material={"demo": "a"}), replace(new, material={"demo": "b"}))
    assert found.standby and found.changed == ("recipes/demo",)


def test_a_recipe_that_came_or_went_is_told():
    assert plan(configuration(), two_products()) == ReloadPlan(changed=("recipes/second",)) == plan(two_products(), configuration())


def test_a_product_that_is_not_in_use_is_kept_for_its_changeover():
    found = plan(two_products(), two_products(bundle="other"))
    assert found.changed == ("recipes/second",)
    assert not found.standby and not found.swap_recipe


def test_the_product_to_start_with_says_nothing_of_the_product_in_use():
    """It may be edited, and the reload says that it does not change over."""
    old = two_products()
    new = replace(old, line=old.line.model_copy(update={"line": old.line.line.model_copy(update={"recipe": "second"})}))
    found = plan(old, replace(new, product="demo"))
    assert found.changed == ("line.recipe",)
    assert not found.standby and not found.swap_recipe
    assert "the product in use is still 'demo'" in found.notes[0]


def test_the_line_s_clock_is_not_reloaded_with_it():
    old = configuration()
    with pytest.raises(ConfigError, match="line: changed, and needs a restart of the service"):
        plan(old, configuration({"line": {"takt_ms": 60.0, "recipe": "demo"}}))


def test_a_product_that_the_cameras_do_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"max_width_px = 640: recipe 'second' needs at least 1280"):
        two_products(width_px=1280).with_product("second")


def test_a_product_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match=r"third\.toml: there is no recipe of this name \(there: demo, second\)"):
        two_products().with_product("third")


MEASURED = {"calibration": {"width_px": 640, "height_px": 640, "px_per_mm": 20.0}}


@pytest.mark.parametrize("published", [False, True])
def test_a_camera_that_was_measured_anew_goes_on_and_whoever_tells_sizes_by_it_starts_again(published):
    more = {"recorder": {}, "publisher": {"host": "broker"}} if published else {}
    before = configuration(more, cameras=TWO)
    after = configuration(more, cameras=[TWO[0], {**TWO[1], **MEASURED}])
    assert plan(before, after) == plan(after, before) == ReloadPlan(
        changed=("cameras[1].calibration",), restart_off_path=frozenset({"publisher"} if published else ())
    )
    marks = [{"id": number, "x_px": 10.0 * number, "y_px": 5.0} for number in range(4)]
    watch = {"calibration": {**MEASURED["calibration"], "marks": marks, "watch": {"columns": 4, "rows": 4}}}
    if published:
        watched = configuration(more, cameras=[TWO[0], {**TWO[1], **watch}])
        for one, other in ((before, watched), (watched, before), (after, watched)):
            assert plan(one, other).restart_off_path == {"publisher", "recorder"}
    faster = configuration(more, cameras=[TWO[0], {**TWO[1], **MEASURED, "silence_ms": 5.0}])
    assert plan(before, faster).restart_acquire == {1}
