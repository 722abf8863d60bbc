"""aoi_daemon/engine/qualify/backend.py: which back end judges a precision, and what a machine without it is told."""

import pytest

from aoi_daemon.engine.labels import read_pairs
from aoi_daemon.engine.qualify import backend
from aoi_daemon.engine.qualify.backend import open_judge, shape_of, why_not
from aoi_daemon.engine.qualify.qualify import boards_of
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import NO_DEADLINE

NO_BF16 = why_not("bf16")
real_bf16 = pytest.mark.skipif(NO_BF16 is not None, reason=str(NO_BF16))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_what_is_a_file_is_judged_on_every_machine(precision, monkeypatch, toy, manifest):
    """By ONNX Runtime, whatever OpenVINO has."""
    monkeypatch.setattr(backend, "not_here", lambda *_: "no")
    assert why_not(precision) is None
    with open_judge(precision, toy, manifest, (64, 64, 1), threads=1) as executor:
        assert executor.name.startswith("onnxruntime")


def test_a_machine_that_does_not_run_bf16_says_why(monkeypatch, toy, manifest):
    """It would be computed all the same, slower than fp32: never silently."""
    monkeypatch.setattr(backend, "not_here", lambda device, precision: f"{device} has no {precision}")
    assert why_not("bf16") == "cpu has no bf16"
    with pytest.raises(ModelError, match="cpu has no bf16"):
        open_judge("bf16", toy, manifest, (64, 64, 1), threads=1)


@real_bf16
def test_bf16_is_openvinos_from_the_file_of_fp32(toy, manifest, boards):
    """And takes a second size of frame."""
    board = boards_of(read_pairs(boards, class_count=2), manifest)[0]
    with open_judge("bf16", toy, manifest, shape_of(board, manifest), threads=1) as executor:
        assert executor.name.startswith("openvino")
        assert "bf16" in executor.name
        image, template = board.frame.read()
        assert len(executor.infer(image, template, NO_DEADLINE).scores) == 100
        cropped = image[:64, :64].copy()
        assert len(executor.infer(cropped, cropped, NO_DEADLINE).scores) == 100
