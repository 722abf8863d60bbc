"""The measuring tools, without a GPU: an executor on the CPU stands in for the one that is measured."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.executor import Detections
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.infer.trt import open as trt_open
from aoi_daemon.infer.trt.warm import WarmUp
from tests.unit.infer.trt.trt_fakes import FakeApi, FakeDevice, fake_vendor
from tools.gpu import agreement, case, realtime, report
from tools.gpu.bench_executor import _cases, _parser
from tools.gpu.frames import SLOTS, FilledRing, boards
from tools.gpu.stats import summary

SIZE = (192, 160)


@pytest.fixture
def bundle(tmp_path):
    """The reference model with one golden part."""
    pair = next(boards(1, *SIZE, 1))
    make_reference_bundle(tmp_path / "b", [GoldenPair(pair.template[:, :, 0], pair.template[:, :, 0], True)])
    return load_bundle(tmp_path / "b")


@pytest.fixture
def stand_in(monkeypatch):
    """`open_executor` gives the CPU's executor, whose scores are off by what `error` says."""
    settings = SimpleNamespace(error=0.0, opened=[])

    class Stand(OnnxExecutor):
        notes = ()
        warm_up = (WarmUp((160, 192, 1), 20, True, 1, 1),)

        def infer(self, *arguments):
            found = super().infer(*arguments)
            return Detections(found.boxes, np.minimum(found.scores + np.float32(settings.error), 1), found.classes)

    def open_one(bundle, precision, shapes, **options):
        settings.opened.append((precision, shapes, options))
        return Stand(bundle.model_path(precision), bundle.manifest, threads=1)

    monkeypatch.setattr(trt_open, "open_executor", open_one)
    monkeypatch.setattr(agreement, "open_executor", open_one)
    monkeypatch.setattr(realtime.gc, "freeze", lambda: None)
    monkeypatch.setattr(realtime.gc, "disable", lambda: None)
    return settings


def test_a_percentile_is_told_only_where_a_run_lies_beyond_it():
    """The p99.99 of a thousand runs would be their maximum by another name."""
    few = summary([1_000_000] * 999 + [5_000_000])
    assert (few["p50"], few["p99.9"], few["p99.99"], few["max"], few["runs"]) == (1.0, 1.004, None, 5.0, 1000)
    assert summary([1_000_000] * 10_000)["p99.99"] == 1.0


def test_the_ring_is_a_real_one_and_each_slot_holds_another_board():
    """Sequences from 1 on, coming round; every frame is found and still there after."""
    filled = FilledRing(*SIZE, 1)
    seen = set()
    for number in range(2 * SLOTS):
        sequence = filled.sequence(number)
        image, template = filled.ring.frame(sequence)
        filled.ring.check(sequence)
        assert image.shape == template.shape == (160, 192, 1)
        seen.add(image.tobytes())
    assert len(seen) == SLOTS
    assert len(filled.planes) == 2 * SLOTS


def test_the_executor_is_measured_over_the_ring_with_its_slots_pinned(bundle, stand_in):
    """Flat out and at takt, from the very memory that was page-locked."""
    asked = {
        "kind": "executor", "bundle": str(bundle.folder), "precision": "fp32", "size": list(SIZE), "wait": "spin",
        "graph": True, "warm_up_runs": 5, "fifo": False, "runs": 30, "paced_runs": 3, "takt_ms": 2.0,
    }  # fmt: skip
    found = case.run(asked)
    assert found["flat_out_ms"]["runs"] == 30
    assert found["paced_ms"]["runs"] == 3
    precision, shapes, options = stand_in.opened[0]
    assert (precision, shapes) == ("fp32", [(160, 192, 1)])
    assert len(options["pinned"]) == 2 * SLOTS and options["wait"] == "spin" and options["cuda_graph"] is True
    json.dumps(found)


@pytest.mark.parametrize(("error", "flips"), [(0.0, False), (0.6, True)])
def test_agreement_counts_flipped_verdicts_and_wrong_golden_parts(bundle, stand_in, error, flips):
    """The same answers agree; scores that are off flip good boards and the golden one."""
    stand_in.error = error
    asked = {
        "kind": "agreement", "bundle": str(bundle.folder), "precision": "fp32", "size": list(SIZE), "wait": "spin",
        "graph": True, "boards": 6,
    }  # fmt: skip
    found = case.run(asked)
    assert found["parts"] == 7
    assert bool(found["verdict_flips"]) is flips
    assert bool(found["golden_wrong"]) is flips
    if not flips:
        assert found["least_iou"] in (None, 1.0)
        assert found["boxes_unmatched"] == 0
    json.dumps(found)


def test_the_bare_loop_copies_what_the_executor_copies(bundle, monkeypatch, clock):
    """Both planes in, one block out, from the same addresses; the fake engine's answer is the frame's mean."""
    from tools.gpu import bare

    device = FakeDevice(clock)
    device._cuda = SimpleNamespace(
        memcpy_htod_async=lambda address, array, stream: device.copy_in(address, array),
        memcpy_dtoh_async=lambda array, address, stream: device.copy_out(array, address),
    )
    device._stream = SimpleNamespace(synchronize=device.synchronize)
    vendor = fake_vendor(FakeApi(device, {b"plan": {"exact": [(160, 192, 1)], "template": True}}))
    monkeypatch.setattr(bare, "CudaDevice", lambda index, spin: device)
    monkeypatch.setattr(bare, "load_vendor", lambda: vendor)
    monkeypatch.setattr(bare, "choose_plan", lambda *_: SimpleNamespace(content=b"plan"))
    asked = {
        "kind": "bare", "bundle": str(bundle.folder), "precision": "fp32", "size": list(SIZE), "wait": "spin",
        "graph": True, "warm_up_runs": 2, "fifo": False, "runs": 5, "paced_runs": 0, "takt_ms": 2.0,
    }  # fmt: skip
    loop = bare.BareLoop(bundle, "fp32", (160, 192, 1), spin=True, graph=False)
    frame = np.full((160, 192, 1), 51, np.uint8)
    loop.run(frame, frame)
    assert loop._lane.arrays[1][0, 0] == pytest.approx(0.2)  # scores
    monkeypatch.setattr(realtime.gc, "freeze", lambda: None)
    monkeypatch.setattr(realtime.gc, "disable", lambda: None)
    assert case.run(asked)["flat_out_ms"]["runs"] == 5
    assert len(device.registered) == 2 * SLOTS
    assert device.closed == 1


def test_boxes_are_matched_by_class_and_overlap_not_by_rank():
    """Two of equal score may change places; one of another class is none."""
    boxes = np.zeros((100, 4), np.float32)
    boxes[:2] = [(0, 0, 10, 10), (50, 50, 60, 60)]
    scores, classes = np.zeros(100, np.float32), np.zeros(100, np.int32)
    scores[:2] = (0.9, 0.9)
    classes[:2] = (0, 1)
    turned = Detections(boxes[[1, 0, *range(2, 100)]], scores, classes[[1, 0, *range(2, 100)]])
    tally = agreement.Tally()
    tally.add("same", Detections(boxes, scores, classes), turned, (False, False))
    assert (tally.boxes, tally.unmatched, tally.ious) == (2, 0, [1.0, 1.0])
    tally.add("other class", Detections(boxes, scores, classes), Detections(boxes, scores, classes * 0), (False, True))
    assert (tally.unmatched, tally.flips) == (1, ["other class"])


def test_every_combination_is_a_case(tmp_path):
    """fp32 and fp16, spin and block, graph and none, for the executor and its floor; one eager, one agreement."""
    asked = _parser().parse_args(["--bundle", "b", "--precisions", "fp32", "fp16"])
    cases = list(_cases(asked, tmp_path))
    executor = {(c["precision"], c["wait"], c["graph"]) for c in cases if c["kind"] == "executor"}
    assert len(executor) == 8
    assert {(c["precision"], c["wait"], c["graph"]) for c in cases if c["kind"] == "bare"} == executor
    assert [c["kind"] for c in cases if c["kind"] not in ("executor", "bare")] == ["eager", "agreement"] * 2


def test_results_are_shown_and_failures_named():
    """A case that failed is a line, not a hole in the table."""
    base = {"precision": "fp16", "wait": "spin", "graph": True}
    results = {
        "cases": [
            {**base, "kind": "executor", "flat_out_ms": summary([600_000] * 200), "notes": ["frames are not [page-locked]"]},
            {**base, "kind": "bare", "failed": "ModelError: no plan"},
            {**base, "kind": "eager", "flat_out_ms": summary([4_000_000] * 200)},
            {
                **base, "kind": "agreement", "parts": 7, "verdict_flips": [], "golden_wrong": [], "boxes_compared": 3,
                "boxes_unmatched": 0, "least_iou": 0.99, "greatest_score_difference": 0.001,
            },
        ]
    }  # fmt: skip
    console = Console(width=120, record=True)
    report.show(results, console)
    text = console.export_text()
    assert "0.600" in text and "PyTorch eager" in text and "ModelError: no plan" in text and "0.9900" in text
    assert "[page-locked]" in text


def test_what_was_measured_survives_a_run_that_is_cut_short(tmp_path):
    """Written whole after each case."""
    file = tmp_path / "out" / "r.json"
    report.write_json(file, {"cases": [1]})
    report.write_json(file, {"cases": [1, 2]})
    assert json.loads(file.read_text()) == {"cases": [1, 2]}
    assert [path.name for path in file.parent.iterdir()] == ["r.json"]
