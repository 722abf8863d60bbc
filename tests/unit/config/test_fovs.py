"""Each camera has its field of view, and each section a camera: what does not fit is refused by its key."""

import pytest

from aoi_daemon.config.fovs import camera_problems, section_problems, template_problems
from aoi_daemon.config.load import load
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.errors import ConfigError
from tests.unit.config.test_load import LINE, RECIPE

BOX = [[0, 0], [9, 9]]
MARK = [[40, 40], [80, 80]]


def cameras(*fovs):
    """A camera for each: its fov, None without one, "chunk" where the frames tell it."""
    found = []
    for name, fov in zip(("top", "side", "left", "right"), fovs, strict=False):
        camera = {"kind": "genicam", "producer": "x.cti", "name": name}
        found.append({**camera, "fov_chunk": "ChunkSet"} if fov == "chunk" else {**camera, "fov": fov})
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
    found = cameras(*fovs), recipe(**sections)
    return [*camera_problems(*found), *section_problems(*found)]


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
        ([0, 1], {"templates": [0, 1], "regions": [0, 1, 1]}),
        ([5, 2], {"templates": [2, 5], "marks": [2, 5]}),
        (["chunk"], {"templates": [0, 1, 17]}),  # known at run time only
        (["chunk"], {"templates": [3]}),
        ([3, "chunk"], {"templates": [3, 4]}),
    ],
)
def test_what_fits_is_taken(fovs, sections):
    assert problems(fovs, **sections) == []


@pytest.mark.parametrize(
    ("fovs", "sections", "said"),
    [
        # A section that would never be used.
        ([None], {"templates": [0, 1]}, "templates[1].fov = 1: no camera gives it, so it would never be used (cameras.fov: 'top' gives 0)"),
        ([None], {"regions": [0, 3]}, "regions[1].fov = 3: no camera gives it"),
        ([None], {"regions": [None], "marks": [0, 2]}, "registration.fiducials[1].fov = 2: no camera gives it"),
        ([0, 1], {"templates": [0, 1, 2]}, "templates[2].fov = 2: no camera gives it, so it would never be used (cameras.fov: 'top' gives 0, 'side' gives 1)"),
        ([7], {"regions": [0, 7]}, "regions[0].fov = 0: no camera gives it"),
        # Two cameras and one template, or one set of regions, for both.
        ([None, None], {"templates": [0]}, "cameras[1].fov: missing; recipe 'board' has templates, and there are 2 cameras: write `fov = 1` under camera 'side'"),
        ([None, None], {"templates": [0]}, "cameras[0].fov: missing; recipe 'board' has templates, and there are 2 cameras: write `fov = 0` under camera 'top'"),
        ([0, None], {"regions": [0]}, "cameras[1].fov: missing; recipe 'board' has regions"),
        ([None, 0], {"regions": [0]}, "write `fov = 1` under camera 'top'"),
        ([0, None], {"marks": [0]}, "cameras[1].fov: missing; recipe 'board' has a registration"),
        ([0, 0], {"templates": [0]}, "cameras[1].fov = 0: camera 'top' has it too; recipe 'board' has templates"),
        ([4, 1, 4], {"regions": [1, 4]}, "cameras[2].fov = 4: camera 'top' has it too"),
        ([0, 1], {"regions": [None]}, "regions[0].fov: missing; it would hold for all 2 cameras ('top' gives 0, 'side' gives 1)"),
        ([0, 1], {"templates": [0, 1], "marks": [None]}, "registration.fiducials[0].fov: missing"),
        # Frames that nothing is for: they would be rejected each.
        ([0, 1], {"templates": [0]}, "templates: none is for fov 1, camera 'side', and each of its frames would be rejected: add `[[templates]]` with `fov = 1`"),
        ([0, 1], {"regions": [1]}, "regions: none is for fov 0, camera 'top'"),
        ([3], {"templates": [0]}, "templates: none is for fov 3, camera 'top'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(fovs, sections, said):
    found = problems(fovs, **sections)
    assert any(problem.startswith(said) or said in problem for problem in found), found


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


def test_cameras_without_a_field_of_view_are_named_in_the_lines_file(folder):
    (folder / "line.toml").write_text(LINE + '[[cameras]]\nname = "b"\nkind = "replay"\nsource = "images"\n')
    load(folder / "line.toml")
    (folder / "recipes/board.toml").write_text(RECIPE + 'templates = [{fov = 0, image = "../t.png"}]\n')
    with pytest.raises(ConfigError) as caught:
        load(folder / "line.toml")
    assert all("line.toml: cameras[" in problem for problem in str(caught.value).splitlines())
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("fov = -1", "fov = -1"),
        ("fov = 65536", "fov = 65536"),
        ('fov = "0"', "fov = '0'"),
        ('fov_chunk = ""', "fov_chunk = ''"),
        ('fov = 1\nfov_chunk = "ChunkSet"', "fov and fov_chunk: give one"),
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
    (problem,) = template_problems(cameras(None, None), recipe())
    assert "camera 'top' brings none" in problem and "add `[[templates]]`" in problem
    assert not list(template_problems(cameras(3), recipe(templates=[3])))
    pairs = LineConfig.model_validate({"cameras": [{"kind": "replay", "source": "pairs"}]}).cameras
    assert not list(template_problems(pairs, recipe()))
