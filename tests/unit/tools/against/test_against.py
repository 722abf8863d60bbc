"""`tools/bench_ultralytics`: the command line, the other interpreter's side, one export as a bundle of ours."""

import json
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest
from rich.console import Console

from aoi_daemon.errors import ModelError
from tools.against import __main__ as command
from tools.against import theirs
from tools.against.arguments import arguments
from tools.against.bundle import choose_conf, make_bundle
from tools.backends.turns import Contestant, RefusedError

# Eight candidates on a row of the frame; the first channel's value at a place is the score of that place.
_YOLO = """
<ir_version: 8, opset_import: ["" : 17]>
exported (float[1,3,64,64] images) => (float[1,6,64] output0)
<int64[4] from = {0, 0, 0, 0}, int64[4] to = {1, 1, 1, 64}, int64[3] flat = {1, 1, 64}, float sixteen = {8.0}>
{
    line = Slice (images, from, to)
    score = Reshape (line, flat)
    zero = Sub (score, score)
    one = Exp (zero)
    size = Mul (one, sixteen)
    centre = Mul (size, sixteen)
    output0 = Concat <axis = 1> (centre, centre, size, size, score, zero)
}
"""

STUB = """
from types import SimpleNamespace
import onnxruntime
__version__ = "0.0"
settings = {}
class YOLO:
    def __init__(self, model, task=None):
        print("loading, as libraries say", flush=True)
        self.model = model
    def predict(self, picture, **options):
        print("0: 64x64, 3 boxes", flush=True)
        onnxruntime.InferenceSession().run()
        assert options["conf"] == 0.25 and options["iou"] == 0.5 and options["imgsz"] == 64
        return [SimpleNamespace(speed={"inference": 1.0}, boxes=[1, 2, 3])]
"""
RUNTIME = "import time\nclass InferenceSession:\n    def run(self):\n        time.sleep(0.005)\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: --python"),
        (["--python", "/nowhere/python"], "--python /nowhere/python: no such program; make a venv"),
        (["--python", sys.executable, "--sizes", "330"], "--sizes 330: a multiple of 32"),
        (["--python", sys.executable, "--conf", "1"], "'1': above 0 and below 1"),
        (["--python", sys.executable, "--weights", "/nowhere.pt"], "--weights /nowhere.pt: no such file"),
        (["--python", sys.executable, "--json", "/nowhere/r.json"], "--json /nowhere/r.json: its folder"),
    ],
)
def test_a_wrong_option_is_named(capsys, words, said):
    with pytest.raises(SystemExit) as ended:
        arguments(words)
    assert ended.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def other(tmp_path):
    """An interpreter that has a package `ultralytics`, and a runtime whose call takes 5 ms."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "ultralytics.py").write_text(STUB)
    (tmp_path / "site" / "onnxruntime.py").write_text(RUNTIME)
    (tmp_path / "site" / "openvino.py").write_text("raise ImportError('not here')")
    np.save(tmp_path / "pictures.npy", np.zeros((2, 64, 64, 3), np.uint8))
    case = {
        "kind": "predict", "model": "m/best.onnx", "pictures": str(tmp_path / "pictures.npy"), "size_px": 64,
        "conf": 0.25, "iou": 0.5,
    }  # fmt: skip
    return [sys.executable, theirs.__file__, json.dumps(case)], {"PYTHONPATH": str(tmp_path / "site")}


def test_predict_is_timed_with_the_models_own_share_and_what_it_prints_is_no_answer(other):
    command_line, environment = other
    with Contestant(command_line, limit_s=30, environment=environment) as one:
        assert one.opened == {"name": "YOLO(best.onnx).predict"}
        found = [one.ask({"picture": place}, limit_s=30) for place in (0, 1)]
    for each in found:  # more than the turn itself: what was spent before it would have been added
        assert each["ns"] >= each["model_ns"] >= 5_000_000 and each["boxes"] == 3


def test_an_interpreter_without_it_is_refused_by_name(tmp_path):
    """Isolated, so that no package of a person's own is found."""
    with pytest.raises(RefusedError, match="has no ultralytics"):
        Contestant([sys.executable, "-S", "-I", theirs.__file__, '{"kind": "export"}'], limit_s=30)


def test_the_command_says_so_and_ends_with_2(tmp_path, capsys):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    bare.chmod(0o755)
    assert command.main(["--python", str(bare), "--sizes", "160", "--pictures", "1"]) == 2
    assert "has no ultralytics" in capsys.readouterr().err.replace("\n", " ")


@pytest.fixture
def bundle(tmp_path):
    """The export above as a bundle, and pictures whose first row is from dark to bright."""
    exported = tmp_path / "exported.onnx"
    exported.write_bytes(onnx.parser.parse_model(_YOLO).SerializeToString())
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[0, :, :] = np.linspace(0, 250, 64)[:, None]
    return exported, tmp_path / "bundle", [picture, cv2.GaussianBlur(picture, (3, 3), 0)]


def test_one_export_is_fp32_and_bf16_of_one_file_and_the_classes_of_the_model(bundle):
    exported, folder, pictures = bundle
    make_bundle(exported, folder, ["a", "b"], pictures)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["models"]["bf16"] == manifest["models"]["fp32"]
    assert (manifest["task"], manifest["classes"], manifest["channels"]) == ("yolo", ["a", "b"], 3)


def test_a_threshold_that_leaves_no_sensible_number_of_boxes_is_asked_for(bundle):
    """All candidates lie on one another: one box is left of them, and that will do; of a black picture there is none."""
    exported, folder, pictures = bundle
    make_bundle(exported, folder, ["a", "b"], pictures)
    assert 0.05 <= choose_conf(folder, pictures, 0.5) < 1
    with pytest.raises(ModelError, match="no threshold leaves 1 to 20 boxes a picture; name one with --conf"):
        choose_conf(folder, [np.zeros((64, 64, 3), np.uint8)], 0.5)


def test_a_side_that_fails_on_the_way_is_told_and_the_others_go_on():
    code = "import json, sys; from tools.backends.turns import say; say({}); n = 0\nfor _ in sys.stdin:\n    n += 1; "
    sides = {
        "stays": [sys.executable, "-c", code + "say({'ns': n})"],
        "gone": [sys.executable, "-c", code + "say({'ns': n} if n < 3 else {'refused': 'memory is out'})"],
    }
    refused, answers = {}, {name: [] for name in sides}
    options = SimpleNamespace(seed=0, runs=6, pause_ms=0, pictures=2)
    with ExitStack() as owned:
        opened = {name: owned.enter_context(Contestant(words, limit_s=30)) for name, words in sides.items()}
        command._take_turns(opened, answers, refused, options, Console(quiet=True))
    assert [len(answers["stays"]), len(answers["gone"])] == [6, 2]
    assert refused == {"gone": "FAILED after 2 runs: it was open, then: memory is out"}
