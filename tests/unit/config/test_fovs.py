"""Each camera has its field of view, and each section a camera: what does not fit is refused by its key."""

import pytest
from pydantic import ValidationError

from aoi_daemon.config.fovs import template_problems, view_problems
from aoi_daemon.config.load import load
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.config.view_lines import view_lines
from aoi_daemon.config.views import views_of
from aoi_daemon.errors import ConfigError
from aoi_daemon.files.toml import parse
from tests.unit.config.test_load import LINE, RECIPE

BOX = [[0, 0], [9, 9]]
MARK = [[40, 40], [80, 80]]


def cameras(*fovs):
    """A camera for each: its fov, None without one, "chunk" where the frames tell it, "count" of three in turn."""
    found = []
    for name, fov in zip(("top", "side", "left", "right"), fovs, strict=False):
        camera = {"kind": "genicam", "producer": "x.cti", "name": name}
        several = {"chunk": {"fov_chunk": "ChunkSet"}, "count": {"fov_from": "count", "fovs": 3, "fov_pause_ms": 40.0}}
        found.append(camera | several.get(fov, {"fov": fov}))
    return LineConfig.model_validate({"cameras": found}).cameras


def recipe(*, templates=(), regions=(), marks=None):
    found = {
        "id": 1, "name": "board", "bundle": "b", "width_px": 640, "height_px": 640,
        "templates": [{"fov": fov, "image": "t.png"} for fov in templates],
        "regions": [{"kind": "inspect", "corners": BOX, **({} if fov is None else {"fov": fov})} for fov in regions],
    }  # fmt: skip
    if marks is not None:
        fiducials = [{"corners": MARK, **({} if fov is None else {"fov": fov})} for fov in marks]
        found["registration"] = {"method": "fiducials", "max_offset": 8.0, "fiducials": fiducials}
    return Recipe.model_validate(found)


def problems(fovs, **sections):
    return list(view_problems(cameras(*fovs), recipe(**sections)))


@pytest.mark.parametrize(
    ("fovs", "sections"),
    [
        ([None], {}),
        ([None], {"templates": [0], "regions": [0, None]}),
        ([None], {"regions": [None]}),
        ([None], {"regions": [0], "marks": [None, 0]}),
        ([7], {"templates": [7], "regions": [7]}),
        ([None, None], {}),  # nothing depends on which is which
        ([0, 0], {}),
        (["chunk"], {"templates": [0, 1, 17]}),  # known at run time only
        (["chunk"], {"templates": [3]}),
        (["count"], {"templates": [0, 1, 2], "regions": [None]}),
    ],
)
def test_what_fits_is_taken(fovs, sections):
    assert problems(fovs, **sections) == []


@pytest.mark.parametrize(
    ("fovs", "sections", "said"),
    [
        # A section that would never be used.
        ([None], {"templates": [0, 1]}, "templates[1].fov = 1: no camera gives it, so it would never be used (camera 'top' gives 0)"),
        ([None], {"regions": [0, 3]}, "regions[1].fov = 3: no camera gives it"),
        ([None], {"regions": [None], "marks": [0, 2]}, "registration.fiducials[1].fov = 2: no camera gives it"),
        ([7], {"regions": [0, 7]}, "regions[0].fov = 0: no camera gives it"),
        (["count"], {"templates": [0, 1, 2, 3]}, "templates[3].fov = 3: no camera gives it"),
        # Frames that nothing is for: they would be rejected each.
        ([3], {"templates": [0]}, "templates: none is for fov 3, camera 'top', and each of its frames would be rejected: add `[[templates]]` with `fov = 3`"),
        (["count"], {"templates": [0, 2]}, "templates: none is for fov 1, camera 'top'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(fovs, sections, said):
    found = problems(fovs, **sections)
    assert any(problem.startswith(said) or said in problem for problem in found), found


@pytest.mark.parametrize("fovs", [[None, None], [0, 1], [0, 0], [3, "chunk"], ["count", 5]])
@pytest.mark.parametrize("sections", [{"templates": [0]}, {"regions": [None]}, {"marks": [0]}, {"templates": [0, 1], "regions": [1], "marks": [None]}])
def test_with_several_cameras_sections_stand_under_views_and_the_lines_to_write_are_said(fovs, sections):
    """They are TOML, and name a view for each picture that a part will have."""
    (problem,) = problems(fovs, **sections)
    said, _, lines = problem.partition("\n")
    assert "which is for which? Write these lines in their place:" in said
    views = parse(lines)["views"]
    given = cameras(*fovs)
    told = [(each.name, fov) for each in given for fov in each.told_fovs or ()]
    assert "chunk" in fovs or [(view["camera"], view.get("fov")) for view in views] == [
        (name, fov if name == "top" and "count" in fovs else None) for name, fov in told
    ]
    assert {view["camera"] for view in views} == {each.name for each in given}
    keys = {"id": 1, "name": "board", "bundle": "b", "width_px": 640, "height_px": 640}
    without = [view["name"] for view in views if view.get("registration", {}).get("method") and "fiducials" not in view["registration"]]
    if without:  # as it was: no picture of that field of view would be aligned
        with pytest.raises(ValidationError, match="method 'fiducials' needs some"):
            Recipe.model_validate({**keys, "views": views})
        return
    written = Recipe.model_validate({**keys, "views": views})
    assert not list(view_problems(given, written))
    of_all = sum(fov is None for fov in sections.get("regions", ()))
    assert sum(len(view.regions) for view in written.views) >= of_all * len(written.views)


def test_the_lines_hold_what_the_sections_held():
    """For each picture what was for its field of view, or for all."""
    found = view_lines(recipe(templates=[0, 4], regions=[0, None], marks=[4, None]), cameras(0, 4))
    first, second = parse(found)["views"]
    assert (first["name"], second["name"]) == ("top", "side")
    assert (first["template"], second["template"]) == ("t.png", "t.png")
    assert (len(first["regions"]), len(second["regions"])) == (2, 1)
    assert (len(first["registration"]["fiducials"]), len(second["registration"]["fiducials"])) == (1, 2)
    assert second["registration"]["fiducials"][0]["corners"] == [[40.0, 40.0], [80.0, 80.0]]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "recipes").mkdir()
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/manifest.json").write_text("{}")
    (tmp_path / "t.png").touch()
    (tmp_path / "line.toml").write_text(LINE)
    (tmp_path / "recipes/board.toml").write_text(RECIPE)
    return tmp_path


def test_a_recipe_that_is_not_in_use_is_checked_too_and_its_file_is_named(folder):
    other = RECIPE.replace("id = 7", "id = 8") + 'templates = [{fov = 1, image = "../t.png"}]\n'
    (folder / "recipes/other.toml").write_text(other)
    with pytest.raises(ConfigError, match=r"recipes/other\.toml: templates\[0\]\.fov = 1: no camera gives it"):
        load(folder / "line.toml")


def test_a_recipe_of_two_cameras_is_refused_in_its_own_file_with_the_lines_to_write(folder):
    (folder / "line.toml").write_text(LINE + '[[cameras]]\nname = "b"\nkind = "replay"\nsource = "images"\n')
    load(folder / "line.toml")
    (folder / "recipes/board.toml").write_text(RECIPE + 'templates = [{fov = 0, image = "../t.png"}]\n')
    with pytest.raises(ConfigError, match=r"recipes/board\.toml: views: none; .*") as caught:
        load(folder / "line.toml")
    assert str(caught.value).count("[[views]]") == 2


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("fov = -1", "fov = -1"),
        ("fov = 65536", "fov = 65536"),
        ('fov = "0"', "fov = '0'"),
        ('fov_chunk = ""', "fov_chunk = ''"),
        ('fov = 1\nfov_chunk = "ChunkSet"', "fov and fov_chunk: give one"),
        ('fov_from = "count"', "fov_from and fovs go together"),
        ("fovs = 3", "fov_from and fovs go together"),
        ('fov_from = "count"\nfovs = 1', "fovs = 1"),
        ('fov_from = "count"\nfovs = 3', 'fov_from = "count" and fov_pause_ms go together'),
        ("fov_pause_ms = 3.0", 'fov_from = "count" and fov_pause_ms go together'),
        ('fov = 0\nfov_from = "count"\nfovs = 3\nfov_pause_ms = 3.0', "fov and fov_from: give one"),
        ('fov_chunk = "C"\nfov_from = "count"\nfovs = 3\nfov_pause_ms = 3.0', "fov_from and fov_chunk: give one"),
        ('fov_from = "trigger_id"\nfovs = 3', 'fov_from = "trigger_id" needs trigger_within_ms'),
        ('fov_from = "chunk"\nfovs = 3', "fov_from = 'chunk'"),
        ('serial = ""', "serial = ''"),
        ('serial = "  "', "serial = '  '"),
        ('model = "\\u0000"', "model = '\\x00'"),
        ('device_id = "a"\nserial = "b"', "name the device by one of"),
        ('serial = "a"\nindex = 0', "index goes with model or stands alone"),
        ("index = -1", "index = -1"),
        ("index = 1.0", "index = 1.0"),
        ('[[cameras.settings]]\nnode = "Gain"\nvalue = 1.0\ntolerance_percent = -1.0', "tolerance_percent = -1.0"),
        ('[[cameras.settings]]\nnode = "Gain"\nvalue = 1.0\ntolerance_percent = 51.0', "tolerance_percent = 51.0"),
    ],
)
def test_a_wrong_key_of_a_camera_is_refused_by_name(folder, keys, said):
    (folder / "x.cti").touch()
    camera = f'\n[[cameras]]\nname = "b"\nkind = "genicam"\nproducer = "x.cti"\n{keys}\n'
    (folder / "line.toml").write_text(LINE + camera)
    with pytest.raises(ConfigError) as caught:
        load(folder / "line.toml")
    assert said in str(caught.value)


def test_a_camera_that_brings_no_template_needs_one_where_the_model_does():
    def problems_of(given, needed):
        return [problem for view in views_of(needed, given) for problem in template_problems(given, view)]

    assert len(problems_of(cameras(None, None), recipe())) == 2
    (problem,) = problems_of(cameras(None), recipe())
    assert "camera 'top' brings none" in problem and "add `[[templates]]`" in problem
    assert not problems_of(cameras(3), recipe(templates=[3]))
    pairs = LineConfig.model_validate({"cameras": [{"kind": "replay", "source": "pairs"}]}).cameras
    assert not problems_of(pairs, recipe())
