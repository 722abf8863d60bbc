"""`aoi-daemon model inspect`: what it says, as lines and as JSON, and that the command it shows is one."""

import json
import shlex

import pytest

from aoi_daemon.cli import main
from tests.unit.engine.exports import layouts
from tests.unit.engine.exports.layouts import NAMES, PX, written

OPTIONS = {
    "yolo": (layouts.yolo, [], {}),
    "yolo, end to end": (layouts.yolo_end_to_end, [], {}),
    "yolo segment": (layouts.yolo_segment, [], {}),
    "yolo obb": (layouts.yolo_obb, [], {}),
    "yolo classify": (layouts.yolo_classify, [], {"--good-classes": "LIST"}),
    "rtdetr": (layouts.rtdetr_ultralytics, [], {}),
    "rtdetr of transformers": (layouts.rtdetr_transformers, [], {"--classes": "LIST-OF-3", "--pixels": "PIXELS"}),
    "torchvision": (layouts.torchvision_detect, [], {"--classes": "LIST"}),
    "classify": (layouts.classify, [], {"--classes": "LIST-OF-3", "--pixels": "PIXELS", "--good-classes": "LIST"}),
    "classify, named": (layouts.classify, ["--classes", "good,ink,flux"], {"--pixels": "PIXELS"}),
    "keras of one": (
        lambda: layouts.keras(1, "Sigmoid"), ["--task", "classify", "--classes", "ok,bad"], {"--pixels": "PIXELS"},
    ),
    "segment": (layouts.segment, ["--classes", "background,a,b,c,d"], {"--pixels": "PIXELS"}),
    "anomalib": (layouts.anomalib, [], {}),
    "a map": (lambda: layouts.segment(1, "Sigmoid"), ["--task", "anomaly"], {"--pixels": "PIXELS", "--threshold": "N"}),
}  # fmt: skip
"""By layout: how it is made, what a person says, and what is still missing."""


def inspect(capsys, *words):
    code = main(["model", "inspect", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("which", OPTIONS)
def test_it_says_what_is_missing_and_nothing_else(tmp_path, capsys, which):
    make, words, missing = OPTIONS[which]
    code, out, _ = inspect(capsys, written(tmp_path, make()), *words, "--json")
    told = json.loads(out)
    assert (code, told["taken"]) == (0, True)
    assert {each["option"]: each["value"] for each in told["missing"]} == missing
    command = shlex.split(told["next"])
    assert command[:3] == ["aoi-daemon", "bundle", "make"]
    assert command[command.index("--task") + 1] == told["task"]
    for option, value in missing.items():
        assert command[command.index(option) + 1] == value
    for option in ("--classes", "--task"):
        if option in words:
            assert command[command.index(option) + 1] == words[words.index(option) + 1]


def test_lines_for_a_person(tmp_path, capsys):
    file = written(tmp_path, layouts.yolo(), "best 1.onnx")
    code, out, _ = inspect(capsys, file, "--frame", "1280x1024")
    assert code == 0
    assert out.startswith(f"{file}: can be taken\n")
    for line in (
        "task     detect, read as yolo, in a bundle task yolo",
        "made by  Ultralytics 8.4.190, opset 17",
        f"input    images float32 [1, 3, {PX}, {PX}], NCHW, three channels",
        "pixels   0..1, red first",
        f"classes  3: {', '.join(NAMES)}",
        f"fits     frames of 1280 x 1024 px are not the model's {PX} x {PX} px alone: the recipe's `fit` resizes",
    ):
        assert f"  {line}" in out
    assert out.splitlines()[-1].startswith(f"  aoi-daemon bundle make --model '{file}' --name best-1 --task detect --cal")


@pytest.mark.parametrize(
    ("frame", "fits", "words"),
    [("640x480", True, "as they are"), ("650x480", False, "no multiples of 32 px: the recipe's `fit` pads them")],
)
def test_frames_of_any_size_are_multiples_of_the_stride(tmp_path, capsys, frame, fits, words):
    file = written(tmp_path, layouts.yolo_open())
    assert words in inspect(capsys, file, "--frame", frame)[1]
    assert json.loads(inspect(capsys, file, "--frame", frame, "--json")[1])["frame"]["fits"] is fits


def test_what_cannot_be_taken_is_refused_with_the_reason(tmp_path, capsys):
    file = written(tmp_path, layouts.segment(1, "Sigmoid"))
    code, out, err = inspect(capsys, file)
    assert (code, out) == (2, "")
    assert err.startswith(f"aoi-daemon: {file}: ")
    code, out, err = inspect(capsys, file, "--json")
    told = json.loads(out)
    assert (code, err, told["taken"]) == (2, "", False)
    assert "say which with --task segment or --task anomaly" in told["reason"]


def test_what_adapting_refuses_is_refused_here(tmp_path, capsys):
    """Names in another order than the file's: nothing of the graph shows it, and it is not `can be taken`."""
    file = written(tmp_path, layouts.yolo())
    code, out, err = inspect(capsys, file, "--classes", ",".join(reversed(NAMES)))
    assert (code, out) == (2, "")
    assert f"{file}: its own classes are {', '.join(NAMES)}, in that order" in err


def test_a_detector_of_this_program_needs_no_task(toy, capsys):
    code, out, _ = inspect(capsys, toy, "--classes", "a,b", "--json")
    told = json.loads(out)
    assert (code, told["family"], told["missing"]) == (0, "own", [])
    assert "--task" not in told["next"]
    assert "--classes a,b" in told["next"]


def test_a_bundles_model_of_another_task_is_not_made_one_again(tmp_path, capsys):
    code, _, err = inspect(capsys, written(tmp_path, layouts.own()))
    assert code == 2
    assert "is a bundle's model already" in err


@pytest.mark.parametrize("words", [["--classes", "a,,b"], ["--frame", "640"], ["--task", "pose"], []])
def test_a_wrong_command_line_is_refused(tmp_path, capsys, words):
    arguments = [str(written(tmp_path, layouts.yolo())), *words] if words else []
    with pytest.raises(SystemExit) as ended:
        main(["model", "inspect", *arguments])
    assert ended.value.code == 2
