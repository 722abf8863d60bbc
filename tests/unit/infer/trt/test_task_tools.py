"""The tools that measure every task: bundles whose verdicts mean something, and the complete way over a fake GPU."""

import json
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from rich.console import Console

from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.trt import open as trt_open
from tests.unit.infer.trt.trt_fakes import US, Clock, FakeApi, FakeDevice, fake_vendor
from tools.gpu import bench_tasks, case, pair, realtime
from tools.gpu.frames import keep_boards, kept_boards
from tools.gpu.task_bundles import KINDS, make_bundle
from tools.gpu.task_bundles import main as write_bundles

SIZE = (192, 160)
TASKS = tuple(kind for kind in KINDS if kind != "yolo80")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """A bundle of each kind, its golden parts SIZE."""
    folder = tmp_path_factory.mktemp("tasks")
    for kind in TASKS:
        make_bundle(folder / kind, kind, SIZE)
    return folder


@pytest.fixture(scope="module")
def boards_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("boards") / "boards.npy"
    keep_boards(file, 8, *SIZE)
    return file


@pytest.fixture
def fake_gpu(monkeypatch):
    """A GPU whose engines compute with ONNX Runtime; SimpleNamespace(device, files: what was opened)."""
    seen = SimpleNamespace(device=None)

    def open_device(index, spin):
        seen.device = device = FakeDevice(Clock(), run_ns=5 * US)
        device._cuda = SimpleNamespace(
            memcpy_htod_async=lambda address, array, stream: device.copy_in(address, array),
            memcpy_dtoh_async=lambda array, address, stream: device.copy_out(array, address),
        )
        device._stream = SimpleNamespace(synchronize=device.synchronize)
        return device

    def choose_plan(bundle, precision, shapes, machine):
        file = bundle.model_path(precision)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(file, options)
        api = FakeApi(seen.device, {b"plan": {"exact": shapes, "template": True, "session": session}})
        seen.vendor = fake_vendor(api)
        return SimpleNamespace(content=b"plan", file=file, manifest=SimpleNamespace(version_compatible=False))

    def executor(vendor, *arguments, **options):
        return real(seen.vendor, *arguments, **options)

    real = trt_open.TensorRtExecutor
    monkeypatch.setattr(trt_open, "load_vendor", lambda: fake_vendor(FakeApi(None, {})))
    monkeypatch.setattr(trt_open, "CudaDevice", open_device)
    monkeypatch.setattr(trt_open, "choose_plan", choose_plan)
    monkeypatch.setattr(trt_open, "TensorRtExecutor", executor)
    monkeypatch.setattr(realtime.gc, "freeze", lambda: None)
    monkeypatch.setattr(realtime.gc, "disable", lambda: None)
    return seen


def asked(bundles, boards_file, kind, precision="fp32"):
    return {
        "kind": "pair", "bundle": str(bundles / kind), "precision": precision, "size": list(SIZE), "wait": "spin",
        "graph": True, "warm_up_runs": 20, "runs": 3, "boards_file": str(boards_file),
    }  # fmt: skip


@pytest.mark.parametrize("kind", TASKS)
def test_a_bundle_of_each_task_agrees_with_itself_from_the_ring_to_the_verdict(fake_gpu, bundles, boards_file, kind):
    """ONNX Runtime behind the fake GPU: not one bit may get lost between the engine's block and the detections."""
    found = case.run(asked(bundles, boards_file, kind))
    agreement = found["agreement"]
    assert agreement["parts"] == 10 and 2 <= agreement["passed"] <= 8
    assert (agreement["verdict_flips"], agreement["golden_wrong"], agreement["boxes_unmatched"]) == ([], [], 0)
    assert agreement["greatest_score_difference"] == 0
    assert {name: figures["runs"] for name, figures in found["flat_out_ms"].items()} == {
        "bare": 3, "executor": 3, "decode": 3,
    }  # fmt: skip
    assert found["ratio_p50"] > 0 and found["task"] == load_bundle(bundles / kind).manifest.task
    assert fake_gpu.device.closed == 1
    json.dumps(found)


def test_nothing_of_the_engine_outlives_the_device(fake_gpu, bundles, boards_file, monkeypatch):
    """TensorRT frees into the context: what still holds an engine's context when that goes ends the process."""
    floors, held = [], []

    class Kept(pair.Floor):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            floors.append(self)

    monkeypatch.setattr(pair, "Floor", Kept)
    monkeypatch.setattr(FakeDevice, "close", lambda device: held.extend(floor._context for floor in floors))
    case.run(asked(bundles, boards_file, "classify"))
    assert held == [None]


def test_blocks_take_turns_and_each_runs_as_often(monkeypatch):
    """Neither is always the first, and a last block that is short is short for both."""
    monkeypatch.setattr(pair, "BLOCK", 10)
    began = []
    took = pair.alternate({name: lambda number, name=name: began.append(name) for name in ("a", "b")}, 25)
    assert [[len(block) for block in blocks] for blocks in took.values()] == [[10, 10, 5]] * 2
    assert [began[i] for i in (0, 10, 20, 30, 40, 45)] == ["a", "b", "b", "a", "a", "b"]


def test_boards_are_kept_as_they_were_drawn(boards_file):
    """Half good, two planes each, the same bytes at each look."""
    first = list(kept_boards(boards_file))
    assert len(first) == 8 and {image.shape for _, image, _ in first} == {(160, 192, 1)}
    again = list(kept_boards(boards_file))
    assert all(np.array_equal(a[1], b[1]) and np.array_equal(a[2], b[2]) for a, b in zip(first, again, strict=True))
    assert all(image.flags.c_contiguous for _, image, _ in first)


def agreeing(**fields):
    return {
        "parts": 200, "passed": 90, "verdict_flips": [], "flip_scores": {}, "golden_wrong": [],
        "greatest_score_difference": 0.001, **fields,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("precision", "fields", "said"),
    [
        ("fp32", {}, []),
        ("fp32", {"flip_scores": {"board 7": (0.5001, 0.4999)}}, ["board 7"]),
        ("fp16", {"flip_scores": {"board 7": (0.5001, 0.4999)}}, []),
        ("fp16", {"flip_scores": {"board 7": (0.5001, 0.9)}}, ["board 7"]),
        ("fp16", {"flip_scores": {"board 7": (0.9, 0.1)}}, ["board 7"]),
        ("fp16", {"golden_wrong": ["bad_test.png"]}, ["bad_test.png"]),
        ("fp16", {"passed": 0}, ["0 of 200"]),
        ("fp16", {"passed": 200}, ["200 of 200"]),
    ],
)
def test_rounding_excuses_a_flip_of_fp16_near_the_limit_and_nothing_else(precision, fields, said):
    """FP32 flips nothing; where all parts get one verdict, none could."""
    found = bench_tasks.wrong({"precision": precision, "agreement": agreeing(**fields)})
    assert len(found) == len(said) and all(word in line for word, line in zip(said, found, strict=True))


def test_a_case_that_is_too_slow_says_in_which_way():
    """At p50 beside its floor, and in its own tail; a tail that too few runs show is not judged."""
    executor = {"p50": 0.5, "p99.99": 1.01}
    assert bench_tasks.slow({"ratio_p50": 1.1, "flat_out_ms": {"executor": {"p50": 0.5, "p99.99": None}}}) == []
    told = bench_tasks.slow({"ratio_p50": 1.101, "flat_out_ms": {"executor": executor}})
    assert told == ["1.101 times its bare loop", "p99.99 is 2.02 times p50"]


def test_a_run_of_all_tasks_writes_each_case_and_ends_in_a_table(fake_gpu, monkeypatch, tmp_path, capsys):
    """Bundles made, engines built (by nobody here), a case each; one that fails is told and does not stop the rest."""
    monkeypatch.setattr(bench_tasks, "load_driver", lambda: SimpleNamespace(gpu=lambda index: fake_gpu_name()))
    monkeypatch.setattr(bench_tasks, "load_vendor", lambda: fake_vendor(FakeApi(None, {})))
    monkeypatch.setattr(bench_tasks, "build_for_bundle", lambda folder, *_: [])

    def run(command, **options):
        told = json.loads(command[-1])
        if told["bundle"].endswith("anomaly"):
            return SimpleNamespace(returncode=1, stdout="", stderr="Segmentation fault")
        return SimpleNamespace(returncode=0, stdout=json.dumps(case.run(told)) + "\n", stderr="")

    monkeypatch.setattr(bench_tasks.subprocess, "run", run)
    options = ["--size", "192x160", "--kinds", "classify", "anomaly", "--precisions", "fp32", "--fp32-runs", "2"]
    assert bench_tasks.main(["--out", str(tmp_path / "o"), "--boards", "4", *options]) == 1
    told = json.loads((tmp_path / "o/tasks.json").read_text())
    assert [(c["kind"], "failed" in c) for c in told["cases"]] == [("classify", False), ("anomaly", True)]
    assert list(told["wrong"]) == ["anomaly fp32"]
    printed = capsys.readouterr().out
    assert "classify" in printed and "Segmentation fault" in printed
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["tasks.json"]


def fake_gpu_name():
    return SimpleNamespace(name="Fake H100", target="sm90")


def test_what_is_not_begun_in_time_is_told(monkeypatch):
    """Nothing is started."""
    monkeypatch.setattr(bench_tasks.subprocess, "run", lambda *_, **__: pytest.fail("started"))
    assert "the time is up" in bench_tasks._run({"kind": "yolo", "precision": "fp32"}, 0.5)["failed"]


def test_the_table_is_shown_for_figures_that_are_missing():
    """p99.99 of few runs, no box compared."""
    figures = {"p50": 0.5, "p99": 0.6, "p99.9": None, "p99.99": None, "max": 0.7}
    one = {
        "kind": "yolo", "precision": "fp16", "outputs_bytes": 336000, "ratio_p50": 1.05, "ratio_p50_without_decode": 1.0,
        "flat_out_ms": {"bare": figures, "executor": figures, "decode": figures}, "notes": [],
        "agreement": agreeing(greatest_score_difference=None),
    }  # fmt: skip
    console = Console(width=150, record=True)
    bench_tasks.show({"gpu": "H", "tensorrt": "T", "cases": [one]}, console)
    assert "1.050" in console.export_text()


def test_bundles_are_written_for_a_person_too(tmp_path, capsys):
    """By the command; a size that the networks do not take is refused, and so is a folder that is there."""
    assert write_bundles(["--out", str(tmp_path), "--size", "192x160", "--kinds", "classify"]) == 0
    assert load_bundle(tmp_path / "classify").manifest.golden[1].passed is False
    for arguments, said in ((["--size", "200x160"], "no multiple of 32"), (["--size", "192x160"], "File exists")):
        with pytest.raises(SystemExit) as ended:
            write_bundles(["--out", str(tmp_path), "--kinds", "classify", *arguments])
        assert ended.value.code == 2
        assert said in capsys.readouterr().err
