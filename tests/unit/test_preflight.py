"""What is held against a bundle before anything starts, or a reload lands."""

import pytest

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.errors import ConfigError
from aoi_daemon.preflight import check

LINE = """
[[cameras]]
kind = "replay"
source = "."
"""
RECIPE = """
id = 1
name = "demo"
bundle = "../bundle"
width_px = 640
height_px = 640
"""


@pytest.fixture
def files(tmp_path):
    """A line with the recipe `demo` and a bundle; `keys` replace those of its manifest."""

    def make(recipe="", **keys):
        make_reference_bundle(tmp_path / "bundle")
        file = tmp_path / "bundle" / "manifest.json"
        manifest = Manifest.model_validate({**Manifest.model_validate_json(file.read_bytes()).model_dump(), **keys})
        file.write_text(manifest.model_dump_json())
        (tmp_path / "recipes").mkdir()
        (tmp_path / "recipes" / "demo.toml").write_text(RECIPE + recipe)
        (tmp_path / "line.toml").write_text(LINE)
        return tmp_path / "line.toml"

    return make


def test_a_line_that_fits_its_bundle_may_start(files):
    assert check(files()).recipe.name == "demo"


@pytest.mark.parametrize(
    ("recipe", "keys", "problem"),
    [
        ("[maps]\nthreshold = 0.4", {}, "maps: bundle reference has none, its task is top100"),
        (
            '[[regions]]\nkind = "ignore"\ncorners = [[10.0, 10.0], [630.0, 630.0]]',
            {"task": "classify", "activation": "sigmoid"},
            "regions: the bundle's task is classify",
        ),
    ],
)
def test_a_recipe_that_does_not_go_with_the_task_is_refused_by_its_file(files, recipe, keys, problem):
    """Between two parts it would be too late."""
    with pytest.raises(ConfigError, match=rf"demo\.toml: bundle = .*{problem}"):
        check(files(recipe, **keys))


def test_a_frame_that_is_no_multiple_of_the_models_stride_is_refused_by_its_key(files):
    """Some runtimes would only warn, and answer with something."""
    with pytest.raises(ConfigError, match=r"demo\.toml: width_px = 640: no multiple of the model's 48 px"):
        check(files(stride_px=48))


def test_a_recipe_may_ask_for_registration(files):
    found = check(files('[registration]\nmethod = "phase"\nmax_offset = 12.0')).recipe.registration
    assert (found.method, found.max_offset) == ("phase", 12.0)
