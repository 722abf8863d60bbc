"""tools/backends/line.py: a line for each case by tools/bench_line, and what the table says of each."""

import argparse

import pytest
from rich.console import Console

from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.errors import ModelError
from aoi_daemon.kit.line.daemon import DaemonError
from tools.backends import line

VALUES = {"p50": 20.0, "p99": 25.0, "p999": 26.0, "p9999": 27.0, "max": 28.0}


def ran(**more):
    counters = {"good": 990, "escape": 0, "ejected": 10}
    return {
        "parts": 1000, "latency_ms": VALUES, "floor_ms": {"model": VALUES | {"p50": 19.0}, "plc": VALUES | {"p50": 0.5}},
        "over_floor_ms": 0.5, "over_floor_ratio": 1.03, "deadline_misses": 0, "undelivered": 0, "rejected_for": {"LATE": 2},
        "daemon": {"engine": "onnxruntime"}, "machine_stalls": {"stalls": 4, "longest_ms": 3.0}, **counters, **more,
    }  # fmt: skip


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """`lines(run, pairs)`: the report; `run` stands for bench_line's."""
    make_reference_bundle(tmp_path / "reference")
    monkeypatch.setattr(line, "line_failed", lambda report: ["2 deadlines missed"] if report["deadline_misses"] else [])

    def measure(run, pairs):
        monkeypatch.setattr(line.bench, "run", run)
        options = argparse.Namespace(
            bundle=[tmp_path / "reference"], pairs=pairs, threads=2, parts=1000, takt_ms=50.0, wait="block", seed=0,
            no_witness=False, floor_runs=50,
        )  # fmt: skip
        found = {}
        (tmp_path / "work").mkdir()
        line.measure_lines(options, tmp_path / "work", Console(quiet=True), found.update)
        return found

    return measure


def test_each_case_is_a_line_with_its_back_end_and_one_that_was_refused_is_named(lines):
    asked = []

    def run(options, _console):
        asked.append((options.backend, options.precision, options.parts, options.takt_ms, options.floor_runs))
        if options.backend == "openvino":
            raise ModelError("the device is gone")
        return ran()

    found = lines(run, [("onnx", "fp32"), ("onnx", "bf16"), ("openvino", "fp32")])
    assert sorted(asked) == [("onnx", "fp32", 1000, 50.0, 50), ("openvino", "fp32", 1000, 50.0, 50)]
    fp32, bf16, gone = found["cases"]
    assert (fp32["floor_sum_ms"], fp32["over_floor_ms"], fp32["late"]) == (19.5, 0.5, 2)
    assert "onnx does not run it" in bf16["refused"] and gone["refused"] == "the device is gone"
    [row] = line.rows(found)
    assert dict(zip(line.HEAD, row, strict=True))["p99.9"] == "26.00"
    assert line.remarks(found) == ["onnx fp32: the machine was held up 4 times, 3.0 ms at most"]


def test_a_precision_that_the_bundle_does_not_name_runs_from_the_copy_that_does(lines, tmp_path):
    folders = {}
    lines(lambda options, _: folders.update({options.precision: options.bundle}) or ran(), [("openvino", "fp32"), ("openvino", "bf16")])
    assert folders["fp32"] == tmp_path / "reference" and folders["bf16"] == tmp_path / "work" / "0"


def test_a_line_that_fails_or_misses_is_a_failure_and_the_others_go_on(lines):
    def run(options, _console):
        if options.precision == "bf16":
            raise DaemonError("it did not become READY")
        return ran(deadline_misses=2)

    fp32, bf16 = lines(run, [("openvino", "fp32"), ("openvino", "bf16")])["cases"]
    assert fp32["failed"] == ["2 deadlines missed"]
    assert bf16["refused"] == "FAILED: it did not become READY"


def test_ctrl_c_keeps_the_lines_that_ran(lines):
    def run(options, _console):
        if kept:
            raise KeyboardInterrupt
        kept.append(options.precision)
        return ran()

    kept = []
    with pytest.raises(KeyboardInterrupt):
        lines(run, [("openvino", "fp32"), ("openvino", "bf16")])
    assert len(kept) == 1
