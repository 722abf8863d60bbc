"""`build_engine.py` as it is run: a process of its own, in a folder of its own, with the real TensorRT-RTX."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.infer.trt import trt_graphs
from tests.unit.infer.trt.need_rtx import need_rtx

need_rtx()

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tools/build_engine.py"


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.onnx").write_bytes(trt_graphs.small(half=True))
    (tmp_path / "varying.onnx").write_bytes(trt_graphs.small(size_px=None))
    return tmp_path


def test_a_plan_its_sidecar_and_a_report_are_written(folder):
    """One line says what was built; the report is the sidecar's content."""
    result = run(
        folder, "--onnx-model", "model.onnx", "--output-engine", "out/t4.engine", "--fp16", "--target", "sm75",
        "--report", "report.json", "--workspace-mb", "512",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "out/t4.engine: fp16 for sm75 by tensorrt_rtx" in result.stdout
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["t4.engine", "t4.engine.json"]
    report = json.loads((folder / "report.json").read_text())
    assert report[0]["bytes"] == (folder / "out/t4.engine").stat().st_size
    assert report[0]["workspace_mb"] == 512


def test_several_sizes_and_a_recipe_become_profiles(folder):
    """--size takes more than one; --recipe reads the frame of a product."""
    (folder / "b.toml").write_text('id = 1\nname = "b"\nbundle = "x"\nwidth_px = 128\nheight_px = 64\n')
    result = run(
        folder, "--onnx-model", "varying.onnx", "--output-engine", "v.plan", "--fp32", "--target", "sm86",
        "--size", "64x64", "96x64", "--recipe", "b.toml",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    profiles = json.loads((folder / "v.plan.json").read_text())["profiles"]
    assert [profile["image"]["opt"][1:3] for profile in profiles] == [[64, 64], [64, 96], [64, 128]]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["--onnx-model", "none.onnx", "--output-engine", "o", "--fp32", "--target", "sm75"],
            1,
            "none.onnx: cannot be",
        ),
        (["--onnx-model", "model.onnx", "--output-engine", "o", "--fp32", "--target", "sm75"], 1, "is fp16; asked for"),
        (["--onnx-model", "varying.onnx", "--output-engine", "o", "--fp32", "--target", "sm75"], 1, "its sizes vary"),
        (["--bundle", ".", "--fp32", "--target", "sm75"], 1, "manifest.json: cannot be read"),
        (["--onnx-model", "model.onnx", "--output-engine", "o"], 2, "--fp32 --fp16 --int8 is required"),
        (["--onnx-model", "model.onnx", "--fp16"], 2, "--onnx-model and --output-engine go together"),
        (["--fp16"], 2, "or --bundle"),
        (["--bundle", ".", "--onnx-model", "a", "--output-engine", "o", "--fp16"], 2, "either"),
        (
            ["--onnx-model", "a", "--output-engine", "o", "--fp16", "--calib-dir", "x"],
            2,
            "--calib-dir goes with --int8",
        ),
        (["--onnx-model", "a", "--output-engine", "o", "--fp16", "--workspace-mb", "64"], 2, "512 to 2048"),
        (["--onnx-model", "a", "--output-engine", "o", "--fp16", "--shape", "image=2:1:3"], 2, "MIN <= OPT <= MAX"),
        (["--onnx-model", "a", "--output-engine", "o", "--fp16", "--target", "sm10"], 2, "invalid choice"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(folder, capsys, monkeypatch, arguments, code, said):
    """1: refused; 2: the command line. No traceback, nothing written. In this process: a dozen starts cost a minute."""
    from aoi_daemon.engine.build.command import main

    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    try:
        found = main(arguments)
    except SystemExit as end:
        found = end.code
    errors = capsys.readouterr().err
    assert found == code
    assert said in errors
    assert "Traceback" not in errors
    assert sorted(folder.iterdir()) == before


def test_ctrl_c_ends_the_build_and_writes_nothing(folder):
    """SIGINT while the builder works: code 130, no plan."""
    (folder / "large.onnx").write_bytes(trt_graphs.resnet50(half=True, size_px=(640, 640)))
    arguments = ["--onnx-model", "large.onnx", "--output-engine", "l.plan", "--fp16", "--target", "sm86"]
    # A signal that comes before the program has its handler would end Python itself, so it says when it begins.
    program = (
        "import sys; from aoi_daemon.engine.build import command as c, progress as p; "
        "start = p.PlainProgress.start; "
        "p.PlainProgress.start = lambda self, *a: (print('begun', flush=True), start(self, *a))[1]; "
        f"sys.exit(c.main({arguments!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert b"interrupted" in errors
    assert not (folder / "l.plan").exists()
