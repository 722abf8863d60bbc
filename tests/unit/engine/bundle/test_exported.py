"""From another program's export to a product that is judged: by commands, each family of outputs with another layout of labels."""

import json

import cv2
import pytest

from aoi_daemon.cli import main
from aoi_daemon.config.load import read_recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.inspection.gauge import Gauge
from tests.unit.engine.export_families import FAMILIES, parts
from tests.unit.engine.walked import made, product, prove

TASKS = {"yolo-rows": "yolo", "yolo-segment": "segment", "classifier": "classify", "anomaly": "anomaly", "torchvision": "yolo"}
PRECISIONS = {"yolo-rows": ("fp32", "fp16")}
"""Where it is not all three: int8 moves a peak of that small network by a place, and is refused."""


def check_bundle(folder, family):
    """It proves itself; golden parts have boxes, of masks too; the report tells what the gate of its task looked at."""
    assert main(["bundle", "verify", str(folder)]) == 0
    manifest = load_bundle(folder).manifest
    assert (manifest.task, set(manifest.models)) == (TASKS[family], set(PRECISIONS.get(family, ("fp32", "fp16", "int8"))))
    assert manifest.has_boxes and not manifest.has_template
    assert sum(part.passed for part in manifest.golden) == 12
    assert {limit.name for limit in manifest.golden_limits} == set(manifest.classes) - set(manifest.good_classes)
    report = json.loads((folder / "report.json").read_text())
    least = "int8" if "int8" in manifest.models else "fp16"
    assert (report["task"], report["precisions"][least]["of_task"]["flips"]) == (TASKS[family], 0)
    assert "golden template" not in (folder / "report.html").read_text()


def check_judged(recipe):
    """By the line's own look at parts that nothing was chosen by, in every precision."""
    for precision in load_bundle(recipe.bundle).manifest.models:
        with Gauge(recipe, InspectionSection(backend="onnx", precision=precision)) as gauge:
            for name, part in parts(12, 3).items():
                assert gauge.see(part.image, None, 0).verdict.passed is not bool(part.labels), (precision, name)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_export_becomes_a_product_that_is_proven_and_judges(tmp_path, family, capsys):
    """Each command of the documents, and parts that no model, threshold or golden part was made with."""
    code, bundle = made(tmp_path, family, "--precisions", ",".join(PRECISIONS.get(family, ("fp32", "fp16", "int8"))))
    assert code == 0, capsys.readouterr().err
    check_bundle(bundle, family)
    config = product(tmp_path, bundle)
    assert main(["check-config", "--config", str(config)]) == 0
    recipe = tmp_path / "recipes" / "caps.toml"
    check_judged(read_recipe(recipe))
    prove(tmp_path / "proof", config, "caps", placed=family != "classifier")
    capsys.readouterr()
    words = ["qualify", "--recipe", recipe, "--boards", tmp_path / "test", "--precision", "fp32"]
    assert main([str(word) for word in words]) == 3
    said = capsys.readouterr().out
    assert "not shown, 30 more good (0 bad) boards" in said
    if family != "torchvision":
        assert ("20 of 20 bad parts get their class" if family == "classifier" else "20 of 20 labelled defects are met") in said


def test_a_precision_that_lets_bad_parts_pass_is_left_out(tmp_path, capsys):
    """Calibrated on good parts alone, INT8 cuts off what a defect is seen by."""
    folder = tmp_path / "walk"
    for number, part in enumerate(parts(12, 5, good_every=1).values()):
        assert not part.labels
        (folder / "good").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "good" / f"{number}.png"), part.image)
    code, bundle = made(tmp_path / "made", "classifier", "--calibration", folder / "good")
    assert code == 0
    left_out = load_bundle(bundle).manifest.qualification.refused["int8"]
    assert left_out.startswith("20 bad parts that fp32 rejects pass; 20 of 40 parts get another verdict than fp32's (allowed: 1)")


@pytest.mark.parametrize(
    ("family", "more", "says"),
    [
        ("anomaly", ["--task", "detect"], "is for anomaly (anomaly), and --task detect was asked for; say --task anomaly"),
        ("classifier", ["--classes", "a,b"], "has 3 classes, --classes names 2"),
        ("classifier", ["--classes", "a,b,c"], "good_classes"),
        ("yolo-rows", ["--classes", "dark,bright"], "its own classes are bright, dark, in that order"),
        ("yolo-rows", ["--labels", "coco"], "holds no JSON file"),
        ("yolo-rows", ["--std", "1,1,1"], "--std goes with --mean"),
        ("yolo-rows", ["--pixels", "imagenet", "--mean", "0,0,0"], "--mean is taken off 0..1, and --pixels says imagenet"),
        ("yolo-rows", ["--rgb"], "--rgb and --bgr go with --pixels or --mean"),
        ("yolo-rows", ["--prune", "2:4", "--precisions", "fp32"], "--prune 2:4 is of fp16 and int8"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(tmp_path, capsys, family, more, says):
    code, bundle = made(tmp_path, family, *more)
    err = capsys.readouterr().err
    assert (code, bundle.exists()) == (2, False)
    assert says in err
    assert err.count("\n") == 1


def test_an_export_without_a_task_and_options_of_one_without_it_say_what_is_missing(tmp_path, capsys):
    model = FAMILIES["yolo-rows"][0](tmp_path / "a.onnx")
    words = ["bundle", "make", "--model", model, "--name", "a", "--qualification", tmp_path, "--golden", tmp_path, "--out", tmp_path / "out"]
    for more, says in (
        (["--classes", "bright,dark"], "of another program's model say with --task what it is for"),
        ([], "--classes LIST is needed"),
        (["--classes", "a", "--pixels", "0..1"], "--pixels is of another program's model: say with --task"),
        (["--classes", "a", "--first-label", "0"], "--first-label is of another program's model"),
    ):
        assert main([str(word) for word in (*words, *more)]) == 2
        assert says in capsys.readouterr().err


def test_frames_of_another_size_than_the_models_are_refused_before_anything_is_computed(tmp_path, capsys):
    folder = tmp_path / "golden"
    code, _ = made(tmp_path, "yolo-rows", "--precisions", "fp32")
    assert code == 0
    for file in (folder / "images").glob("*.png"):
        cv2.imwrite(str(file), cv2.resize(cv2.imread(str(file)), (128, 96)))
    words = ["bundle", "make", "--model", tmp_path / "export.onnx", "--task", "detect", "--name", "a", "--precisions", "fp32",
             "--qualification", tmp_path / "test", "--golden", folder, "--out", tmp_path / "other"]  # fmt: skip
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    assert "p000.png: is 128 x 96 px, the model takes 96 x 96 px alone" in capsys.readouterr().err
