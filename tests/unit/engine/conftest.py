import argparse
import shutil
from pathlib import Path

import pytest

from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.engine.commands import add_parsers, run
from aoi_daemon.engine.precision.prepare import prepare_fp32
from tests.unit.engine.toy_detector import CLASSES, write_boards, write_toy


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> Path:
    """The toy detector's ONNX file, any size of frame."""
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.onnx")


@pytest.fixture(scope="session")
def prepared(toy):
    """The toy detector as `prepare_fp32` gives it; not to be changed."""
    return prepare_fp32(toy)


@pytest.fixture(scope="session")
def boards(tmp_path_factory) -> Path:
    """60 labelled boards, 20 of them good."""
    return write_boards(tmp_path_factory.mktemp("boards") / "boards", 60, seed=2)


@pytest.fixture(scope="session")
def many_boards(tmp_path_factory) -> Path:
    """150 labelled boards, 50 of them good: enough to qualify."""
    return write_boards(tmp_path_factory.mktemp("boards") / "many", 150, seed=3)


@pytest.fixture
def manifest() -> Manifest:
    """What the toy detector is."""
    return Manifest(
        name="toy", classes=CLASSES, stride_px=16, has_template=True,
        models={"fp32": Model(file="fp32.onnx", sha256="0" * 64)},
    )  # fmt: skip


def run_words(words) -> int:
    """`aoi-daemon WORDS`; its exit code."""
    parser = argparse.ArgumentParser(prog="aoi-daemon")
    add_parsers(parser.add_subparsers(dest="command", required=True))
    return run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def command(capsys):
    """Run `aoi-daemon WORDS`: exit code, stdout, stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        code = run_words(words)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def make(command, toy, boards, tmp_path):
    """`bundle make` with working arguments; keywords replace them, None leaves one out."""

    def call(*more: object, **changed: object) -> tuple[int, str, str]:
        arguments: dict[str, object] = {
            "model": toy, "name": "demo", "classes": ",".join(CLASSES), "calibration": boards,
            "qualification": boards, "golden": boards, "out": tmp_path / "out" / "demo", "threads": 1,
            "cache": tmp_path / "cache", "calibration-frames": 6,
        }  # fmt: skip
        (tmp_path / "out").mkdir(exist_ok=True)
        arguments.update({key.replace("_", "-"): value for key, value in changed.items()})
        words = [word for key, value in arguments.items() if value is not None for word in (f"--{key}", value)]
        return command("bundle", "make", *words, *more)

    return call


@pytest.fixture(scope="session")
def made(toy, boards, tmp_path_factory) -> Path:
    """A finished bundle of the toy detector, without bf16, which hangs on the CPU; copy it before changing it."""
    folder = tmp_path_factory.mktemp("made")
    words = ["bundle", "make", "--model", toy, "--name", "demo", "--classes", ",".join(CLASSES), "--calibration", boards,
             "--qualification", boards, "--golden", boards, "--out", folder / "demo", "--threads", "1", "--no-cache",
             "--calibration-frames", "6", "--precisions", "fp32,fp16,int8"]  # fmt: skip
    assert run_words(words) == 0
    return folder / "demo"


@pytest.fixture
def bundle(made, tmp_path) -> Path:
    """A copy of the finished bundle, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "bundle"))
