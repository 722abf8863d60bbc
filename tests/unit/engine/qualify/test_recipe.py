"""`qualify --recipe` judges as the line does: every section of a recipe that changes a verdict changes it here too."""

import hashlib
import json

import cv2
import numpy as np
import onnx
import pytest
import tomli_w
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from aoi_daemon.config.load import read_recipe
from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.decide.judge import Criteria
from aoi_daemon.engine.faults import InputError
from aoi_daemon.engine.progress import Progress
from aoi_daemon.engine.qualify.bundle import qualify_bundle
from aoi_daemon.engine.qualify.conclusion import Bounds, State
from aoi_daemon.errors import ConfigError, ModelError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.infer.registration.registrar import Registrar
from aoi_daemon.inspection.look import read_templates
from aoi_daemon.inspection.main import _look
from aoi_daemon.inspection.views import ViewLooker
from aoi_daemon.messages import Announcement
from aoi_daemon.pictures import read_picture
from aoi_daemon.stage.stage import now_ns
from tests.unit.engine.conftest import run_words

SIDE = 96
DEFECT = (30, 40, 54, 64)
GRAPHS = {
    # How far a place is from the template, as a map; as the raw heads of a YOLO: a candidate at DEFECT, and two others.
    "anomaly": """
<ir_version: 8, opset_import: ["" : 17]>
anomaly (uint8[1,H,W,1] image, uint8[1,H,W,1] template) => (float[1,1,H,W] maps) {
    i = Cast <to = 1> (image)  t = Cast <to = 1> (template)
    d = Sub (i, t)  a = Abs (d)  levels = Constant <value = float {100.0}> ()  s = Div (a, levels)
    maps = Transpose <perm = [0, 3, 1, 2]> (s)
}""",
    # How bright a place is: no template.
    "bright": """
<ir_version: 8, opset_import: ["" : 17]>
bright (uint8[1,H,W,1] image) => (float[1,1,H,W] maps) {
    i = Cast <to = 1> (image)  levels = Constant <value = float {255.0}> ()  s = Div (i, levels)
    maps = Transpose <perm = [0, 3, 1, 2]> (s)
}""",
    "yolo": """
<ir_version: 8, opset_import: ["" : 17]>
yolo (uint8[1,H,W,1] image, uint8[1,H,W,1] template) => (float[1,5,3] heads) {
    i = Cast <to = 1> (image)  t = Cast <to = 1> (template)
    d = Sub (i, t)  a = Abs (d)  m = ReduceMax <axes = [1, 2, 3], keepdims = 0> (a)
    levels = Constant <value = float {255.0}> ()  s = Div (m, levels)
    shape = Constant <value = int64[3] {1, 1, 1}> ()  one = Reshape (s, shape)
    shares = Constant <value = float[1,1,3] {1.0, 0.9, 0.3}> ()  scores = Mul (one, shares)
    boxes = Constant <value = float[1,4,3] {42.0, 44.0, 80.0, 52.0, 54.0, 16.0, 24.0, 24.0, 8.0, 24.0, 24.0, 8.0}> ()
    heads = Concat <axis = 1> (boxes, scores)
}""",
}


def write_bundle(folder, name):
    folder.mkdir()
    task = "anomaly" if name == "bright" else name
    model = onnx.parser.parse_model(GRAPHS[name])
    (folder / "fp32.onnx").write_bytes(model.SerializeToString())
    sha256 = hashlib.sha256((folder / "fp32.onnx").read_bytes()).hexdigest()
    manifest = Manifest(name=name, task=task, classes=("odd",), has_template=name != "bright",
                        models={"fp32": Model(file="fp32.onnx", sha256=sha256)})  # fmt: skip
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


def texture(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 60, 180, cv2.NORM_MINMAX).astype(np.uint8)


def shifted(image, x_px):
    return cv2.warpAffine(image, np.array([[1.0, 0, x_px], [0, 1, 0]]), (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)


def with_defect(image, levels):
    image = image.copy()
    x1, y1, x2, y2 = DEFECT
    image[y1:y2, x1:x2] += np.uint8(levels)
    return image


def write_board(folder, name, image, template, *, bad):
    cv2.imwrite(str(folder / f"{name}_test.png"), image)
    cv2.imwrite(str(folder / f"{name}_temp.png"), template)
    (folder / f"{name}.txt").write_text(" ".join(map(str, DEFECT)) + " 1\n" if bad else "")


@pytest.fixture(scope="module")
def set_up(tmp_path_factory):
    """A bundle of each task, and boards: as the template, with a faint and a plain defect, moved, dark, of another look."""
    folder = tmp_path_factory.mktemp("product")
    boards = folder / "boards"
    boards.mkdir()
    plain = texture(1)
    write_board(boards, "good", plain, plain, bad=False)
    write_board(boards, "faint", with_defect(plain, 45), plain, bad=True)
    write_board(boards, "strong", with_defect(plain, 70), plain, bad=True)
    write_board(boards, "moved", shifted(plain, 6), plain, bad=False)
    write_board(boards, "moved-strong", shifted(with_defect(plain, 70), 6), plain, bad=True)
    write_board(boards, "dark", plain // 8, plain, bad=False)
    write_board(boards, "other", texture(2), plain, bad=False)
    write_board(boards, "other-own", texture(2), texture(2), bad=False)
    cv2.imwrite(str(folder / "golden.png"), plain)
    cv2.imwrite(str(folder / "wrong.png"), texture(2))
    for name in GRAPHS:
        write_bundle(folder / name, name)
    return folder


def recipe_of(**changes):
    return {"id": 1, "name": "part", "bundle": "anomaly", "width_px": SIDE, "height_px": SIDE, **changes}


def qualify(set_up, recipe, *words):
    """`aoi-daemon qualify`: exit code, and the reasons by board ("NONE" passed)."""
    (set_up / "part.toml").write_text(tomli_w.dumps(recipe))
    out = set_up / "out.json"
    out.unlink(missing_ok=True)
    code = run_words(["qualify", "--recipe", set_up / "part.toml", "--boards", set_up / "boards", "--json", out,
                      "--threads", "1", *words])  # fmt: skip
    if not out.exists():
        return code, {}
    return code, {name: board["reason"]["fp32"] for name, board in json.loads(out.read_text())["verdicts"].items()}


ALIGNED = {
    "registration": {"max_offset": 10.0, "min_match": 0.4},
    # Not the border, beyond which a board that was moved back shows nothing.
    "regions": [{"kind": "inspect", "corners": [[10, 10], [86, 86]]}],
}
AS_IT_COMES = {
    "good": "NONE", "faint": "NONE", "strong": "DEFECT", "moved": "DEFECT", "moved-strong": "DEFECT", "dark": "DEFECT",
    "other": "DEFECT", "other-own": "NONE",
}  # fmt: skip
"""By the anomaly model: 50 levels score 0.5, the defects are of 45 and 70."""


@pytest.mark.parametrize(
    ("changes", "words", "differs"),
    [
        ({}, [], {}),
        ({"limits": [{"name": "*", "score": 0.9}]}, [], {"strong": "NONE"}),
        # What the line does with the outsiders' recipe: the maps' threshold lets the defect pass.
        ({"maps": {"threshold": 0.8}}, [], {"strong": "NONE"}),
        ({"maps": {"threshold": 0.4}, "limits": [{"name": "*", "score": 0.4}]}, [], {"faint": "DEFECT"}),
        ({"maps": {"min_area": 1000.0}}, [], {"strong": "NONE"}),
        ({"regions": [{"kind": "ignore", "corners": [[20, 30], [60, 70]]}]}, [], {"strong": "NONE"}),
        # Nobody has said where to look in field of view 0.
        ({"regions": [{"kind": "ignore", "fov": 1, "corners": [[20, 30], [60, 70]]}]}, ["--fov", "0"],
         dict.fromkeys(AS_IT_COMES, "NO_RECIPE")),
        ({"regions": [{"kind": "ignore", "fov": 1, "corners": [[20, 30], [60, 70]]}]}, ["--fov", "1"], {"strong": "NONE"}),
        ({"optics": {"min_brightness": 40.0}}, [], {"dark": "OPTICS"}),
        (ALIGNED, [], {"moved": "NONE", "moved-strong": "DEFECT", "other": "REGISTRATION"}),
        ({"registration": {"max_offset": 3.0, "min_match": 0.4}}, [],
         {"moved": "REGISTRATION", "moved-strong": "REGISTRATION", "other": "REGISTRATION"}),
        # The recipe's template is what its boards are compared with, whatever lies beside them.
        ({"templates": [{"fov": 0, "image": "golden.png"}]}, [], {"other-own": "DEFECT"}),
        ({"templates": [{"fov": 0, "image": "wrong.png"}]}, [], {"good": "DEFECT", "faint": "DEFECT", "other": "NONE"}),
        ({"templates": [{"fov": 3, "image": "golden.png"}]}, ["--fov", "3"], {"other-own": "DEFECT"}),
        ({"templates": [{"fov": 3, "image": "golden.png"}]}, ["--fov", "0"], {}),
    ],
)  # fmt: skip
def test_each_section_of_the_recipe_counts(set_up, changes, words, differs):
    _, reasons = qualify(set_up, recipe_of(**changes), *words)
    for name in ("moved", "moved-strong", "dark", "other"):
        # Of these the defects are large; sections that are about small ones may or may not reach them.
        if name not in differs:
            reasons.pop(name)
    assert reasons == {name: reason for name, reason in {**AS_IT_COMES, **differs}.items() if name in reasons}
    assert set(differs) <= set(reasons)


def test_a_recipe_whose_maps_let_defects_pass_is_refused(set_up):
    """It said "qualified, 0 of 3 escapes" where the line passed all three."""
    code, reasons = qualify(set_up, recipe_of(maps={"threshold": 1.0, "min_area": 3000.0}))
    assert (code, reasons["strong"], reasons["faint"]) == (1, "NONE", "NONE")


def test_boxes_of_a_board_that_was_moved_are_compared_with_its_labels_where_they_are(set_up):
    report = qualify_bundle(
        None, set_up / "boards", recipe_file=write_recipe(set_up, recipe_of(**ALIGNED)),
        precisions=(), limit=None, threads=1, progress=Progress(), bounds=Bounds(),
    )  # fmt: skip
    found = {board.pair.name: seen for board, seen in zip(report.boards, report.runs["fp32"].found, strict=True)}
    seen = found["moved-strong"]
    inner = seen.boxes[(seen.boxes[:, 0] > 12) & (seen.boxes[:, 2] < 84)]
    box = inner[np.argmax(inner[:, 2] - inner[:, 0])]
    assert box == pytest.approx([DEFECT[0] + 6, DEFECT[1], DEFECT[2] + 6, DEFECT[3]], abs=2.5)
    assert not len(found["other"].boxes)


def test_boards_are_aligned_to_their_templates_though_the_model_takes_none(set_up):
    _, reasons = qualify(set_up, recipe_of(bundle="bright", maps={"threshold": 0.99}, registration=ALIGNED["registration"]))
    assert (reasons["moved"], reasons["other"]) == ("NONE", "REGISTRATION")


def test_the_report_shows_the_template_that_boards_were_compared_with(set_up):
    recipe = recipe_of(templates=[{"fov": 0, "image": "golden.png"}])
    report = qualify_bundle(None, set_up / "boards", recipe_file=write_recipe(set_up, recipe), precisions=(), limit=None,
                            threads=1, progress=Progress(), bounds=Bounds())  # fmt: skip
    board = next(board for board in report.boards if board.pair.name == "other-own")
    assert np.array_equal(board.frame.read()[1][..., 0], texture(1))
    assert report.notes["judged by"] == "recipe part as the line runs it, fov 0: limits, its own template"


def test_a_recipe_that_lets_the_model_see_nothing_has_no_time_and_no_metrics(set_up):
    recipe = recipe_of(optics={"min_brightness": 250.0})
    report = qualify_bundle(None, set_up / "boards", recipe_file=write_recipe(set_up, recipe), precisions=(), limit=None,
                            threads=1, progress=Progress(), bounds=Bounds())  # fmt: skip
    assert report.not_looked_at("fp32") == {"OPTICS": len(report.boards)}
    assert (report.measured["fp32"].median_ms, report.measured["fp32"].map50) == (0.0, 0.0)
    assert report.state is State.REFUSED


def write_recipe(set_up, recipe):
    (set_up / "part.toml").write_text(tomli_w.dumps(recipe))
    return set_up / "part.toml"


@pytest.mark.parametrize(
    ("changes", "words", "says"),
    [
        ({"width_px": 128}, [], "dark_test.png: the board is 96x96 px, recipe part is for 128x96"),
        ({"channels": 3}, [], "frames have 3 channels, bundle anomaly is for 1"),
        ({"limits": [{"name": "scratch"}]}, [], "the bundle has no class scratch"),
        ({"bundle": "nowhere"}, [], "nowhere': is not a bundle"),
        ({"bundle": "yolo"}, ["--bundle", "anomaly"], "yolo' is another than --bundle"),
        ({"bundle": "yolo", "maps": {"threshold": 0.5}}, [], "maps: bundle yolo has none"),
        ({"templates": [{"fov": 0, "image": "none.png"}]}, [], "none.png': does not exist"),
        ({"templates": [{"fov": 0, "image": "small.png"}]}, [], "small.png of fov 0 is 32 x 32 px, the recipe is 96 x 96"),
        ({"templates": [{"fov": 2, "image": "golden.png"}]}, [], "recipe part has fov 2: say with --fov N"),
        ({"templates": [{"fov": 2, "image": "golden.png"}]}, ["--fov", "1"], "--fov 1: recipe part names it nowhere (there: 2)"),
        ({}, ["--fov", "1"], "--fov 1: recipe part names it nowhere (there: 0)"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_one_line_and_code_2(set_up, capsys, changes, words, says):
    cv2.imwrite(str(set_up / "small.png"), np.zeros((32, 32), np.uint8))
    words = [str(set_up / word) if word == "anomaly" else word for word in words]
    code, reasons = qualify(set_up, recipe_of(**changes), *words)
    err = capsys.readouterr().err
    assert (code, reasons) == (2, {})
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("words", "says"), [
    ([], "give --bundle DIR, or --recipe FILE"), (["--bundle", "anomaly", "--fov", "0"], "fields of view are a recipe's"),
])  # fmt: skip
def test_a_command_that_names_too_little_is_refused(set_up, capsys, words, says):
    words = [str(set_up / word) if word == "anomaly" else word for word in words]
    assert run_words(["qualify", "--boards", set_up / "boards", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_copy_of_the_recipes_bundle_is_the_same_bundle(set_up, tmp_path, capsys):
    write_recipe(set_up, recipe_of())
    copy = write_bundle(tmp_path / "copy", "anomaly")
    words = ["--recipe", set_up / "part.toml", "--bundle", copy, "--boards", set_up / "boards", "--threads", "1"]
    assert run_words(["qualify", *words]) == 1
    assert "fp32: refused" in capsys.readouterr().out


share = st.floats(0, 1).map(lambda value: round(value, 2))
some_corners = st.lists(st.tuples(st.integers(-5, 100), st.integers(-5, 100)), min_size=2, max_size=5)
sections = {
    "bundle": st.sampled_from(sorted(GRAPHS)),
    "overlap": share,
    "limits": st.builds(
        lambda score, width, count: [{"name": "*", "score": score, "min_width": width, "max_count": count}],
        share, st.sampled_from([0.0, 20.0, 40.0]), st.integers(0, 2),
    ),
    "regions": st.lists(
        st.builds(
            lambda kind, fov, corners: {"kind": kind, "corners": corners, **({} if fov is None else {"fov": fov})},
            st.sampled_from(["inspect", "ignore"]), st.sampled_from([None, 0, 1]), some_corners,
        ),
        max_size=3,
    ),
    "optics": st.builds(lambda low, contrast: {"min_brightness": low, "min_contrast": contrast},
                        st.sampled_from([0.0, 50.0, 115.0]), st.sampled_from([0.0, 10.0, 30.0])),
    "registration": st.builds(lambda most, match: {"max_offset": most, "min_match": match},
                              st.sampled_from([2.0, 8.0, 20.0]), st.sampled_from([0.3, 0.7, 0.95])),
    "templates": st.lists(st.sampled_from([{"fov": 0, "image": "golden.png"}, {"fov": 1, "image": "wrong.png"}]),
                          unique_by=lambda template: template["fov"]),
    "maps": st.builds(lambda threshold, area, score: {"threshold": threshold, "min_area": area, "score": score},
                      st.floats(0.05, 1), st.sampled_from([0.0, 100.0, 600.0]), st.sampled_from(["max", "mean"])),
}  # fmt: skip
recipes = st.fixed_dictionaries({}, optional=sections)


def lines_own(recipe, bundle, executor):
    """What the inspection stage looks at a view with, put together as it does it itself, without its process."""
    stage = ViewLooker.__new__(ViewLooker)
    stage.recipe, stage.bundle, stage.executor = recipe, bundle, executor
    stage.criteria = Criteria.compile(recipe, bundle.manifest.classes)
    stage.templates = read_templates(recipe)
    stage.registrar = None if recipe.registration is None else Registrar(recipe, stage.templates)
    executor.decoder = decoder_for(bundle.manifest, recipe)
    return stage


def lines_verdict(stage, board, fov):
    own = None if fov in stage.templates else read_picture(board.pair.template_path, 1)
    now = now_ns()
    part = Announcement(0, 0, fov, 1, 1, now, now, now + 10**11)
    return _look(stage, part, read_picture(board.pair.test_path, 1), own, now).verdict


@settings(max_examples=60, deadline=None)
@given(recipes, st.sampled_from([None, 0, 1]))
def test_every_verdict_is_the_one_of_the_inspection_stage(set_up, changes, fov):
    """Random recipes, one answer for every board, down to the defects: the line's own."""
    file = write_recipe(set_up, recipe_of(**changes))
    try:
        recipe = read_recipe(file)
        bundle = load_bundle(recipe.bundle)
        executor = OnnxExecutor(bundle.model_path("fp32"), bundle.manifest, threads=1)
        stage = lines_own(recipe, bundle, executor)
    except (ConfigError, ModelError, ValueError):
        reject()  # no line starts with it either
    try:
        report = qualify_bundle(None, set_up / "boards", recipe_file=file, precisions=(), limit=None, threads=1,
                                progress=Progress(), bounds=Bounds(), fov=fov)  # fmt: skip
    except InputError as error:
        assert "fov" in str(error)
        reject()
    with executor:
        theirs = [lines_verdict(stage, board, fov or 0) for board in report.boards]
    assert list(report.runs["fp32"].verdicts) == theirs


def test_reading_down_to_the_floor_costs_no_second_inference(set_up, monkeypatch):
    runs = []
    infer = OnnxExecutor.infer
    monkeypatch.setattr(OnnxExecutor, "infer", lambda self, *frame: runs.append(1) or infer(self, *frame))
    monkeypatch.setattr("aoi_daemon.engine.qualify.qualify._WARM_UP_RUNS", 0)
    recipe = recipe_of(bundle="yolo", limits=[{"name": "*", "score": 0.9}])
    report = qualify_bundle(None, set_up / "boards", recipe_file=write_recipe(set_up, recipe), precisions=(), limit=None,
                            threads=1, progress=Progress(), bounds=Bounds())  # fmt: skip
    assert len(runs) == len(report.boards)
    found = {board.pair.name: seen for board, seen in zip(report.boards, report.runs["fp32"].found, strict=True)}
    # 45 of 255 levels: below what the recipe has its decoder hand on, and in the metrics all the same.
    assert found["faint"].scores[0] == pytest.approx(45 / 255, abs=1e-3)


def test_boards_of_two_sizes_in_turn_each_have_their_own_findings(tmp_path):
    """Without a recipe a set may hold several sizes; one engine serves them all."""
    boards = tmp_path / "boards"
    boards.mkdir()
    for number, side in enumerate((96, 64, 96, 64)):
        plain = texture(3)[:side, :side]
        write_board(boards, f"b{number}", with_defect(plain, 70 if number < 2 else 0), plain, bad=number < 2)
    report = qualify_bundle(write_bundle(tmp_path / "anomaly", "anomaly"), boards, recipe_file=None, precisions=(),
                            limit=None, threads=1, progress=Progress(), bounds=Bounds())  # fmt: skip
    run = report.runs["fp32"]
    assert [len(seen.boxes) for seen in run.found] == [1, 1, 0, 0]
    assert [seen.boxes[0].tolist() for seen in run.found[:2]] == [list(DEFECT)] * 2
    assert run.passed.tolist() == [False, False, True, True]
