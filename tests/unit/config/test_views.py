"""A view is a recipe as it is for one camera; what it has not of its own is as in the recipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aoi_daemon.config.fovs import view_problems
from aoi_daemon.config.load import load
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.config.view import View
from aoi_daemon.config.views import (
    ANY_FOV,
    chosen,
    expected_of,
    name_of,
    one_of,
    recipe_of,
    settled,
    views_of,
    without_regions,
)
from aoi_daemon.errors import ConfigError
from tests.unit.config.test_load import LINE, RECIPE

BOX = [[0, 0], [9, 9]]
OWN = {
    "bundle": "side", "width_px": 320, "height_px": 240, "channels": 3, "px_per_mm": 20.0, "overlap": 0.2,
    "limits": [{"name": "scratch", "score": 0.9}], "optics": {"min_contrast": 4.0}, "registration": {"max_offset": 4.0},
    "maps": {"threshold": 0.2}, "fit": {"kind": "pad", "pad_value": 9},
}  # fmt: skip


def cameras(*names, **keys):
    """A camera of each name; `keys` by name."""
    found = [{"kind": "replay", "source": ".", "name": name, **keys.get(name, {})} for name in names]
    return LineConfig.model_validate({"cameras": found}).cameras


def recipe(*views, **keys):
    base = {"id": 1, "name": "board", "bundle": "b", "width_px": 640, "height_px": 640, **keys}
    return Recipe.model_validate({**base, "views": list(views)})


def view(name, camera="top", **keys):
    return {"name": name, "camera": camera, **keys}


def test_each_key_that_a_view_shares_with_a_recipe_is_inherited_or_its_own():
    """Whoever adds a key to a recipe says here whose it is; `unit`, `stop` and who answers are of the product."""
    product = {"id", "name", "unit", "stop", "accept_unproven", "views"}
    of_a_picture = {"templates", "regions"}
    assert set(View.inherited) == set(Recipe.model_fields) - product - of_a_picture
    assert set(View.model_fields) == {*View.inherited, "name", "camera", "fov", "template", "template_bits", "regions"}


@pytest.mark.parametrize("key", OWN)
def test_a_view_is_judged_by_what_it_has_of_its_own_and_else_by_the_recipe(key):
    found = recipe(view("a", **{key: OWN[key]}), view("b", "side"))
    own, other = views_of(found, cameras("top", "side"))
    alone = Recipe.model_validate({"id": 1, "name": "board", "bundle": "b", "width_px": 640, "height_px": 640, key: OWN[key]})
    assert own.recipe == alone
    assert other.recipe == alone.model_copy(update={key: getattr(found, key)})


def test_template_and_regions_of_a_view_are_those_of_its_field_of_view():
    stage = {"top": {"fov_from": "count", "fovs": 2}}
    found = recipe(
        view("a", fov=0, template="a.png", regions=[{"kind": "inspect", "corners": BOX}]),
        view("b", fov=1, template="b.png", template_bits=12),
    )
    a, b = views_of(found, cameras("top", **stage))
    assert [(t.fov, str(t.image), t.bits) for t in (*a.recipe.templates, *b.recipe.templates)] == [(0, "a.png", None), (1, "b.png", 12)]
    assert (len(a.recipe.regions), len(b.recipe.regions)) == (1, 0)
    assert not a.recipe.views, "it is what one camera's recipe is"


def test_without_views_all_pictures_are_judged_by_the_recipe_itself_whatever_their_field_of_view():
    plain = recipe()
    one = views_of(plain, cameras("top"))
    assert [(v.name, v.key) for v in one] == [("top", (0, ANY_FOV))] and one[0].recipe is plain
    two = views_of(plain, cameras("top", "side"))
    assert [v.key for v in two] == [(0, ANY_FOV), (1, ANY_FOV)] and two[0].recipe is two[1].recipe
    several = views_of(plain, cameras("top", top={"fov_from": "count", "fovs": 3}))
    assert [v.key for v in several] == [(0, 0), (0, 1), (0, 2)], "a part has as many pictures as its camera takes of it"
    chunk = LineConfig.model_validate({"cameras": [{"kind": "genicam", "producer": "x", "name": "top", "fov_chunk": "C"}]}).cameras
    assert [v.key for v in views_of(plain, chunk)] == [(0, ANY_FOV)]


def test_a_picture_is_told_by_camera_and_field_of_view_where_views_are_named():
    found = views_of(recipe(view("a", fov=2), view("b", "side")), cameras("top", "side", top={"fov": 2}))
    expected = expected_of(found)
    assert expected.keys == ((0, 2), (1, 0))
    assert expected.key(0, 3) not in expected.keys and expected.key(1, 0) in expected.keys
    assert [name_of(found, *key) for key in ((0, 2), (1, 0), (0, 3), (2, 0))] == ["a", "b", "", ""]
    plain = views_of(recipe(), cameras("top"))
    assert expected_of(plain).key(0, 77) in expected_of(plain).keys and name_of(plain, 0, 77) == "top"


keys = st.sets(st.tuples(st.integers(0, 7), st.integers(-1, 9)), min_size=1, max_size=6)


@given(keys, keys)
def test_other_views_have_another_code_and_the_same_in_another_order_have_the_same(first, second):
    def code(found):
        return expected_of([type(views_of(recipe(), cameras("c"))[0])("v", camera, fov, None) for camera, fov in found]).code

    assert code(first) > 0
    assert code(sorted(first)) == code(sorted(first, reverse=True))
    assert (code(first) == code(second)) is (first == second)


def test_what_every_view_has_the_recipe_need_not_have():
    sizes = {"width_px": 64, "height_px": 32}
    found = Recipe.model_validate({"id": 1, "name": "p", "views": [view("a", bundle="x", **sizes), view("b", "side", bundle="y", **sizes)]})
    assert (str(found.bundle), found.width_px, found.height_px) == ("x", 64, 32)
    again = Recipe.model_validate_json(found.model_dump_json())
    assert again == found
    with pytest.raises(ValidationError, match="bundle"):
        Recipe.model_validate({"id": 1, "name": "p", **sizes, "views": [view("a", bundle="x"), view("b", "side")]})


@pytest.mark.parametrize(
    ("keys", "views", "said"),
    [
        ({}, [view("a"), view("a", "side")], "views.name: ['a', 'a'] are not all different"),
        ({}, [view("a"), view("b")], "views[1]: camera 'top' is view 'a' already"),
        ({}, [view("a", fov=3), view("b", fov=3)], "views[1]: camera 'top', fov 3 is view 'a' already"),
        ({"templates": [{"fov": 0, "image": "t.png"}]}, [view("a")], "templates: of which view?"),
        ({"regions": [{"kind": "ignore", "corners": BOX}]}, [view("a")], "regions: of which view?"),
        ({"registration": {"method": "fiducials", "max_offset": 8.0, "fiducials": [{"corners": [[40, 40], [80, 80]]}]}}, [view("a")], "registration.fiducials: of which view?"),
        ({}, [view("a", regions=[{"kind": "ignore", "corners": BOX, "fov": 0}])], "regions[0]: a view has one field of view"),
        ({}, [view("a", template_bits=12)], "template_bits: there is no template"),
        ({}, [view("a", limits=[{"name": "x"}, {"name": "x"}])], "views[0].limits.name: ['x', 'x'] are not all different"),
        ({"registration": {"max_offset": 100.0}}, [view("a"), view("b", "side", width_px=64, height_px=64)], "views[1].registration.max_offset"),
        ({"maps": {"threshold": 0.3, "min_area": 5000.0}}, [view("a"), view("b", "side", width_px=64, height_px=64)], "views[1].maps.min_area"),
    ],
)  # fmt: skip
def test_what_does_not_fit_within_a_recipe_is_refused_by_name(keys, views, said):
    with pytest.raises(ValidationError) as caught:
        recipe(*views, **keys)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("views", "said"),
    [
        ([view("a", "tpo"), view("b", "side")], "views[0].camera = 'tpo': there is no such camera (there: top, side)"),
        ([view("a")], "views: none is of camera 'side', and its pictures would reject each part: add [[views]] with `camera = \"side\"`"),
        ([view("a"), view("b", "side", fov=1)], "views[1].fov = 1: camera 'side' gives 0, so each part would be rejected"),
        ([view("a"), view("b", fov=0), view("c", "side")], "views[1]: camera 'top', fov 0, is view 'a' already"),
    ],
)  # fmt: skip
def test_views_that_the_cameras_do_not_give_are_refused_by_name(views, said):
    found = list(view_problems(cameras("top", "side"), recipe(*views)))
    assert any(said in problem for problem in found), found


def test_a_camera_that_takes_several_has_each_of_its_fields_of_view_named():
    stage = cameras("top", top={"fov_from": "count", "fovs": 3})
    (problem,) = view_problems(stage, recipe(view("a", fov=0), view("b", fov=2)))
    assert problem.startswith("views: none is of camera 'top', fov 1, and its pictures would reject each part") and "`fov = 1`" in problem
    problems = list(view_problems(stage, recipe(view("a"))))
    assert problems[0].startswith("views[0].fov: missing; camera 'top' takes several (0, 1, 2)")
    assert not list(view_problems(stage, recipe(view("a", fov=0), view("b", fov=1), view("c", fov=2))))


def test_the_field_of_view_of_a_camera_that_has_one_is_written_out_for_all_stages():
    found = settled(recipe(view("a"), view("b", "side")), cameras("top", "side", side={"fov": 7}))
    assert [each.fov for each in found.views] == [0, 7]
    assert recipe_of(found, found.views[1].model_copy(update={"template": "t.png"})).templates[0].fov == 7


def test_who_only_counts_is_told_no_regions():
    found = without_regions(recipe(view("a", regions=[{"kind": "ignore", "corners": BOX}])))
    assert not found.views[0].regions and len(found.views) == 1


@pytest.fixture
def folder(tmp_path):
    for name in ("images", "recipes", "bundle", "side"):
        (tmp_path / name).mkdir()
    for name in ("bundle", "side"):
        (tmp_path / name / "manifest.json").write_text("{}")
    (tmp_path / "line.toml").write_text(LINE + '[[cameras]]\nname = "b"\nkind = "replay"\nsource = "images"\nmax_width_px = 320\nfov = 4\n')
    return tmp_path


def write(folder, views):
    (folder / "recipes/board.toml").write_text(RECIPE + views)


FIRST = '[[views]]\nname = "one"\ncamera = "camera-1"\n'


def test_paths_of_views_are_taken_from_the_recipes_folder_and_their_fov_from_the_camera(folder):
    (folder / "t.png").touch()
    write(folder, FIRST + '[[views]]\nname = "two"\ncamera = "b"\nwidth_px = 320\nbundle = "../side"\ntemplate = "../t.png"\n')
    one, two = load(folder / "line.toml").recipe.views
    assert (one.bundle, one.fov, two.fov) == (None, 0, 4)
    assert (two.bundle, two.template) == (folder / "recipes/../side", folder / "recipes/../t.png")


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ('width_px = 320\nbundle = "../none"', "views[1].bundle = "),
        ('width_px = 320\ntemplate = "none.png"', "views[1].template = "),
        ("", "cameras[1].max_width_px = 320: recipe 'board', view 'two', needs at least 640"),
        ("width_px = 320\nchannels = 3", "cameras[1].channels = 1: recipe 'board', view 'two', has 3"),
    ],
)
def test_what_a_view_needs_and_is_not_there_is_said_by_its_key(folder, second, said):
    write(folder, FIRST + f'[[views]]\nname = "two"\ncamera = "b"\n{second}\n')
    with pytest.raises(ConfigError) as caught:
        load(folder / "line.toml")
    assert said in str(caught.value)


def test_one_view_is_chosen_by_its_name_which_several_need():
    found = recipe(view("a"), view("b", "side"))
    assert one_of(found, cameras("top", "side"), "b").key == (1, 0)
    with pytest.raises(ValueError, match="recipe board has views a, b: say with --view NAME which one"):
        chosen(found, None)
    with pytest.raises(ValueError, match="--view c: recipe board has views a, b"):
        chosen(found, "c")
    with pytest.raises(ValueError, match="--view a: recipe board has no views"):
        chosen(recipe(), "a")
    assert chosen(recipe(), None) is None
    assert chosen(recipe(view("a")), None).name == "a"
    assert one_of(recipe(), cameras("top"), None).key == (0, ANY_FOV)
