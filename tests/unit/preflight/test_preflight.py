"""What is checked against a bundle before anything starts, or a reload lands."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from aoi_daemon import preflight
from aoi_daemon.cli import main
from aoi_daemon.config.boxes import read_box
from aoi_daemon.config.recipe import Manifest, Model, Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.errors import ConfigError
from aoi_daemon.golden.store import NewPart, add
from aoi_daemon.preflight import check, open_models
from aoi_daemon.ring.parcel import MAX_PARCEL_BYTES, encoded
from aoi_daemon.stage.control import MAX_ANSWER_BYTES
from aoi_daemon.stage.stage import Setup
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
        (tmp_path / "board.png").touch()
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


# -- what judges ------------------------------------------------------------------------------------

TEMPLATE = '[[templates]]\nfov = 1\nimage = "golden.png"\n'


def _written(text: str):
    def write(folder: Path) -> None:
        file = folder / "recipes" / "demo.toml"
        file.write_text(text + file.read_text())

    return write


def _other_manifest(folder: Path) -> None:
    file = folder / "bundle" / "manifest.json"
    file.write_text(file.read_text() + "\n")


def _other_template(folder: Path) -> None:
    _picture(folder, 9)


def _other_fov(folder: Path) -> None:
    for file in (folder / "line.toml", folder / "recipes" / "demo.toml"):
        file.write_text(file.read_text().replace("fov = 1", "fov = 2"))


def _other_folder(folder: Path) -> None:
    file = folder / "recipes" / "demo.toml"
    (folder / "bundle").rename(folder / "elsewhere")
    (folder / "recipes" / "golden.png").rename(folder / "golden.png")
    file.write_text(file.read_text().replace("../bundle", "../elsewhere").replace("golden.png", "../golden.png"))


def _golden_part(folder: Path) -> None:
    picture = str(folder / "recipes" / "golden.png")
    main(["golden", "add", "--config", str(folder / "line.toml"), "--recipe", "demo", "--good", picture, "--fov", "1"])
    assert list((folder / "recipes" / "demo.golden").iterdir())


def _picture(folder: Path, gray: int) -> None:
    cv2.imwrite(str(folder / "recipes" / "golden.png"), np.full((640, 640), gray, np.uint8))


@pytest.mark.parametrize(
    ("change", "judges_otherwise"),
    [
        (_written("overlap = 1.0\n"), True),
        (_written('limits = [{name = "*", score = 1.0}]\n'), True),
        (_written('regions = [{kind = "ignore", corners = [[0, 0], [9, 9]]}]\n'), True),
        (_written("optics = {min_contrast = 1.0}\n"), True),
        (_other_manifest, True),
        (_other_template, True),
        (_other_fov, True),
        (_written("overlap = 0.5\n"), False),  # as it is where nothing is written
        (_written('accept_unproven = "anna, first day"\nstop = {same_place = 0}\n'), False),
        (_other_folder, False),
        (_golden_part, False),
    ],
)  # fmt: skip
def test_what_judges_differs_where_a_verdict_may(files, change, judges_otherwise):
    """It is kept over restarts after an upgrade: a golden part that is added must not end the time that there is."""
    file = files()
    file.write_text(LINE + "fov = 1\n")
    recipe = file.parent / "recipes" / "demo.toml"
    recipe.write_text(recipe.read_text() + TEMPLATE)
    _picture(file.parent, 8)
    was = check(file)
    change(file.parent)
    now = check(file)
    assert (now.judges != was.judges) == judges_otherwise
    assert len(now.judges["demo"]) == 64
    assert (now.material != was.material) == (change in (_other_manifest, _other_template, _golden_part))


def test_a_later_version_with_more_keys_judges_no_otherwise_by_what_judges(files, monkeypatch):
    class Later(Recipe):
        more: int = 3

    file = files()
    was = check(file)
    monkeypatch.setattr("aoi_daemon.config.load.Recipe", Later)
    now = check(file)
    assert type(now.recipe) is Later and now.judges == was.judges


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
    assert "model.onnx: it takes frames of 320 x 320 px alone, the recipe's are 640 x 640 px: fit = 'tiles' would" in said


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


# -- what it may come to -----------------------------------------------------------------------------

QUOTED = "é\"" * 1000


def largest(**more: int) -> Recipe:
    """A recipe of as much as the schema lets pass, and `more` of a list; as wide as JSON makes it."""
    counts = {"templates": 1024, "limits": 1001, "regions": 2048, "corners": 16_384 // 2048, **more}
    corner = (-1.2345678901234567e-300, -1.2345678901234567e-300)
    return Recipe.model_validate(
        {
            "id": 1, "name": "x" * 64, "bundle": "b", "width_px": 16_384, "height_px": 16_384,
            "templates": [{"fov": n, "image": f"{n}/{QUOTED}"} for n in range(counts["templates"])],
            "limits": [{"name": f"{n}".ljust(64, "\x01"), "score": 0.12345678901234567} for n in range(counts["limits"])],
            "regions": [
                {"kind": "inspect", "fov": 2**63, "corners": [corner] * counts["corners"]} for _ in range(counts["regions"])
            ],
        }
    )  # fmt: skip


def test_the_largest_recipe_fits_what_a_stage_is_told_with_room_for_as_much_again():
    """With paths of 2,000 characters that JSON makes six times as long; the line and the rest of a setup are small beside it."""
    line = LineConfig.model_validate({"cameras": [{"kind": "replay", "source": "."}]})
    setup = Setup("inspection", 0, line, largest(), "json", "f" * 32, Path("x"), Path("x"))
    assert len(encoded(setup.body, MAX_PARCEL_BYTES)) < MAX_PARCEL_BYTES / 2


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"templates": 1025}, "templates: there are 1025, at most 1024; make a recipe"),
        ({"limits": 1002}, "limits: there are 1002, at most 1001; no bundle has more classes"),
        ({"regions": 2049, "corners": 2}, "regions: there are 2049, at most 2048; join those that touch"),
        ({"regions": 300, "corners": 64}, "regions.corners: there are 19200, at most 16384; draw the outlines"),
    ],
)
def test_a_recipe_beyond_its_bounds_is_refused_by_its_key(more, problem):
    with pytest.raises(ValidationError, match=problem):
        largest(**more)


def test_a_region_has_at_most_64_corners():
    with pytest.raises(ValidationError, match="at most 64"):
        largest(regions=1, corners=65)


def test_a_line_that_does_not_fit_with_its_recipe_is_refused_by_its_file(files, monkeypatch):
    monkeypatch.setattr(preflight, "MAX_PARCEL_BYTES", preflight._ROOM_BYTES + 1000)
    with pytest.raises(ConfigError, match=r"recipes/demo\.toml: comes to more than 1000 bytes with line\.toml; shorten"):
        check(files())


def test_more_recipes_than_the_status_has_room_for_are_refused(files, monkeypatch):
    monkeypatch.setattr(preflight, "MAX_RECIPES", 0)
    with pytest.raises(ConfigError, match=r"recipes: has 1 recipes, at most 0; move those out"):
        check(files())


def test_a_status_of_as_many_recipes_as_there_may_be_fits_into_its_answer():
    there = [{"id": 65_535, "name": "x" * 64}] * preflight.MAX_RECIPES
    assert len(json.dumps(there)) < MAX_ANSWER_BYTES * 0.9


# -- golden parts of the product --------------------------------------------------------------------


@pytest.mark.parametrize(("fovs", "says"), [((0,), ", none of fov 1 "), ((0, 1), " golden parts ("), ((1,), ", none of fov 0 ")])
def test_a_field_of_view_without_golden_parts_is_said(files, tmp_path, fovs, says):
    file = files()
    camera = '[[cameras]]\nkind = "replay"\nsource = "."\n'
    file.write_text(file.read_text().replace(camera.rstrip(), camera + "fov = 0\n" + camera + 'name = "b"\nfov = 1', 1))
    image = np.zeros((640, 640, 1), np.uint8)
    new = [
        NewPart(f"{fov}-{passed}", image + fov + passed, None, passed, fov, () if passed else (read_box([1, 1, 9, 9]),), "")
        for fov in fovs for passed in (True, False)
    ]  # fmt: skip
    add(tmp_path / "recipes" / "demo.golden", new, by="", when="")
    (line,) = preflight.proofs(check(file))
    assert says in line


# -- fit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fit", "size"),
    [
        ('"tiles"', (320, 320)), ('"resize"', (320, 320)), ('"crop"', (320, 320)), ('"pad"', (960, 704)),
        ('{ kind = "tiles", overlap_px = 100 }', (256, 640)),
    ],
)  # fmt: skip
def test_a_model_of_another_size_is_taken_with_a_fit(with_model, capsys, fit, size):
    code, said = check_config(with_model(size=size, recipe=f"fit = {fit}\n"), capsys)
    assert code == 0, said


@pytest.mark.parametrize(
    ("fit", "size", "wrong"),
    [
        ('"pad"', (320, 320), "the model sees 320 x 320 px, the frame is 640 x 640; 'tiles', 'resize' or 'crop' would do"),
        ('"crop"', (960, 960), "'pad', 'resize' or 'tiles' would do"),
        ('{ kind = "tiles", width_px = 160, height_px = 160 }', (320, 320), "the model takes 320 px alone; leave the size out"),
        ('{ kind = "resize", overlap_px = 3 }', (320, 320), "overlap_px: is for tiles, and kind is 'resize'; take it out"),
        ('"tile"', (320, 320), "should be 'exact', 'pad', 'resize', 'crop' or 'tiles'"),
    ],
)  # fmt: skip
def test_a_fit_that_does_not_come_out_is_refused_with_the_one_that_would(with_model, capsys, fit, size, wrong):
    code, said = check_config(with_model(size=size, recipe=f"fit = {fit}\n"), capsys)
    assert code == 2
    assert "demo.toml" in said
    assert wrong in said


def test_a_crop_that_leaves_out_a_region_is_refused(with_model, capsys):
    recipe = 'fit = "crop"\n[[regions]]\nkind = "inspect"\ncorners = [[100, 200], [400, 400]]\n'
    code, said = check_config(with_model(size=(320, 320), recipe=recipe), capsys)
    assert code == 2
    assert "regions[0]: reaches beyond what fit 'crop' looks at, x 160 to 480 and y 160 to 480 px" in said
