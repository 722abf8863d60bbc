"""What is held against a bundle before anything starts, or a reload lands."""

import hashlib

import numpy as np
import pytest

from aoi_daemon.cli import main
from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.errors import ConfigError
from aoi_daemon.preflight import check, open_models
from tests.unit.infer.made_models import fixed

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


# -- the model itself -------------------------------------------------------------------------------

ROWS = {
    "boxes": np.zeros((1, 100, 4), np.float32), "scores": np.zeros((1, 100), np.float32),
    "classes": np.zeros((1, 100), np.int32),
}  # fmt: skip


@pytest.fixture
def with_model(files, tmp_path):
    """A line whose bundle has the model that `fixed` writes, or `raw`; `recipe` is added to its recipe."""

    def make(outputs=ROWS, recipe="", raw=None, **how):
        model = tmp_path / "model.onnx"
        fixed(model, outputs, **how)
        if raw is not None:
            model.write_bytes(raw(model.read_bytes()))
        sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
        made = files(recipe, has_template=False, golden=(), models={"fp32": Model(file="model.onnx", sha256=sha256)})
        model.rename(tmp_path / "bundle" / "model.onnx")
        return made

    return make


def check_config(file, capsys):
    """The command's exit code and what it said."""
    code = main(["check-config", "--config", str(file)])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_a_model_of_the_recipes_size_is_taken(with_model, capsys):
    code, said = check_config(with_model(size=(640, 640)), capsys)
    assert code == 0, said


def test_a_model_of_another_size_is_refused_by_both_sizes(with_model, capsys):
    """It was ok, and every part ended the engine."""
    code, said = check_config(with_model(size=(320, 320)), capsys)
    assert code == 2
    assert "demo.toml: bundle = " in said
    assert "model.onnx: it takes frames of 320 x 320 px alone, the recipe's are 640 x 640 px: give the recipe" in said


def test_a_model_of_another_layout_is_refused(with_model, capsys):
    outputs = {**ROWS, "classes": ROWS["classes"].astype(np.int64)}
    code, said = check_config(with_model(outputs, size=(640, 640)), capsys)
    assert code == 2
    assert "output is classes int64 [1, 100]; expected classes int32 [1, 100]" in said


def test_a_model_that_the_back_end_does_not_take_is_refused_by_the_command(with_model, capsys):
    """What it says of itself is right, and is all that a reload looks at: the supervisor opens no model."""
    file = with_model(size=(640, 640), raw=lambda model: model.replace(b"ReduceMax", b"ReduceMux"))
    open_it = check(file)
    with pytest.raises(ConfigError, match=r"demo\.toml: bundle = .*model\.onnx: ONNX Runtime does not take it"):
        open_models(open_it)
    code, said = check_config(file, capsys)
    assert code == 2
    assert "ReduceMux" in said
