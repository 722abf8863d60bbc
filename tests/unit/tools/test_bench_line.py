"""`tools/bench_line` and the kill beside it: the command line, the floor, and what the report says."""

import io
import json
from types import SimpleNamespace

import pytest
import tomli_w
from rich.console import Console

from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.errors import CameraError, ModelError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.kit.boards.generate import write_boards
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.line.daemon import DaemonError
from aoi_daemon.kit.line.ending import exit_code
from aoi_daemon.kit.line.report import readiness
from aoi_daemon.kit.simulator.client import SimulatorProcess
from aoi_daemon.kit.simulator.records import Event, PartRecord
from aoi_daemon.stage.control import NotRunningError
from tests.unit.infer.trt.trt_fakes import Clock, FakeApi, FakeDevice, fake_vendor
from tools.gpu import bare, kill_inspection
from tools.line import bench, bench_report
from tools.line.floor import bare_model, board_pairs, floor

MS = 1_000_000
ONNX = {"backend": "onnx", "precision": "fp32", "threads": 1, "wait": "block", "device": 0, "cuda_graph": True}
VALUES = {"p50": 1.0, "p99": 2.0, "p999": 3.0, "p9999": 4.0, "max": 5.0}


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boards") / "set"
    write_boards(folder, 3, 3, BoardOptions(width_px=160, height_px=160))
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    make_reference_bundle(folder)
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--parts", "0"], "--parts 0: at least 1"),
        (["--takt-ms", "1"], "--takt-ms 1: 2 to 60000"),
        (["--floor-runs", "0"], "--floor-runs 0: at least 1"),
        (["--boards", "/nowhere"], "--boards /nowhere: no such folder"),
        (["--bundle", "/nowhere"], "--bundle /nowhere: no such folder"),
        (["--report", "/nowhere/r.json"], "--report /nowhere/r.json: its folder does not exist"),
        (["--threads", "65"], "'65': 1 to 64"),
        (["--device", "-1"], "'-1': 0 to 15"),
        (["--wait", "nap"], "invalid choice: 'nap'"),
    ],
)
def test_a_wrong_option_is_named_with_its_bound(capsys, words, said):
    """Exit code 2, as argparse does."""
    with pytest.raises(SystemExit) as ended:
        bench.arguments(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_options_become_the_lines_own_section():
    """What is measured is what a line.toml with these keys would run."""
    words = ["--backend", "tensorrt", "--precision", "fp16", "--wait", "spin", "--device", "1", "--no-cuda-graph"]
    found = bench.inspection_of(bench.arguments([*words, "--threads", "3"]))
    assert found == {
        "backend": "tensorrt", "precision": "fp16", "threads": 3, "device": 1, "wait": "spin", "cuda_graph": False,
    }  # fmt: skip


@pytest.mark.parametrize("backend", ["onnx", "openvino", "tensorrt"])
def test_the_section_of_each_back_end_can_be_written_as_toml_and_is_taken(backend):
    """What is not asked for is left out: TOML has no word for None."""
    section = bench.inspection_of(bench.arguments(["--backend", backend]))
    assert tomli_w.dumps(section)
    assert InspectionSection.model_validate(section).backend == backend


def test_the_floor_is_measured_in_processes_of_their_own(boards, bundle):
    """The model on the boards of the folder; FC15 with a real server. So many flat out, so many paced."""
    model = floor("model", 5, 2.0, boards=str(boards), bundle=str(bundle), **ONNX)
    assert (len(model["flat_out"]), len(model["paced"])) == (5, 5)
    assert min(model["flat_out"] + model["paced"]) > 0
    assert "reference.onnx" in model["name"] and model["scheduling"].startswith("SCHED_")
    with SimulatorProcess(scan_ms=0) as plc:
        wire = floor("plc", 5, 2.0, host=plc.host, port=plc.port)
        assert plc.status()["counters"]["writes"] == 10
    assert len(wire["paced"]) == 5


def test_the_gpus_floor_is_the_bare_loop_over_page_locked_boards(boards, bundle, monkeypatch):
    """With the plan that the line would run, on the GPU that was named; closed at the end. A fake GPU answers."""
    device = FakeDevice(Clock(), run_ns=0)
    device._cuda = SimpleNamespace(
        memcpy_htod_async=lambda address, array, stream: device.copy_in(address, array),
        memcpy_dtoh_async=lambda array, address, stream: device.copy_out(array, address),
    )
    device._stream = SimpleNamespace(synchronize=device.synchronize)
    locked, made = [], []
    page_locked = device.page_locked
    device.page_locked = lambda size_bytes: locked.append(page_locked(size_bytes)) or locked[-1]
    vendor = fake_vendor(FakeApi(device, {b"plan": {"exact": [(160, 160, 1)], "template": True}}))
    monkeypatch.setattr(bare, "CudaDevice", lambda index, spin: made.append((index, spin)) or device)
    monkeypatch.setattr(bare, "load_vendor", lambda: vendor)
    monkeypatch.setattr(bare, "choose_plan", lambda *_: SimpleNamespace(content=b"plan"))
    asked = {"backend": "tensorrt", "precision": "fp32", "wait": "spin", "device": 1, "cuda_graph": True}
    with bare_model(boards, load_bundle(bundle), asked) as (name, once):
        once(0)
        assert name == "bare execute_async_v3, spin, CUDA graph off, Fake T4"
        assert (made, device.closed) == ([(1, True)], 0)
        planes = [plane.tobytes() for pair in board_pairs(boards, 1) for plane in pair]
        assert [array.tobytes() for array in locked[1:]] == planes  # the first are the outputs
    assert device.closed == 1


def test_a_floor_that_cannot_be_measured_says_why_in_one_line(tmp_path, boards, bundle):
    """The reason of the process that was to measure it, without its traceback."""
    with pytest.raises(ModelError, match=r"^[^\n]*holds no image[^\n]*$"):
        floor("model", 5, 2.0, boards=str(tmp_path), bundle=str(bundle), **ONNX)
    with pytest.raises(ModelError, match=r"no model of precision int8 \(there: fp32\)"):
        floor("model", 5, 2.0, boards=str(boards), bundle=str(bundle), **{**ONNX, "precision": "int8"})
    with pytest.raises(ModelError, match=r"there is no (TensorRT|GPU)|no fp32 plan fits .* aoi-daemon build-engine"):
        floor("model", 5, 2.0, boards=str(boards), bundle=str(bundle), **{**ONNX, "backend": "tensorrt"})


def test_a_floor_that_breaks_is_the_runs_failure_and_not_a_wrong_folder():
    """Nobody listens: not a thing that another command line would mend."""
    with pytest.raises(DaemonError, match=r"(?s)the floor's plc ended with code 1:.*Connection refused"):
        floor("plc", 5, 2.0, host="127.0.0.1", port=1)


def test_boards_without_templates_stand_for_their_own(tmp_path, boards):
    """A folder of single images is a replay as well."""
    (tmp_path / "a.png").write_bytes(next(boards.glob("*_temp.png")).read_bytes())
    ((image, template),) = board_pairs(tmp_path, 1)
    assert image is template and image.shape == (160, 160, 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CameraError("half a pair"), 2),
        (ModelError("no plan"), 2),
        (DaemonError("stands"), 1),
        (NotRunningError("gone"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_how_a_run_ended_is_the_exit_code(capsys, error, code):
    """What a person can mend on the command line is 2, a line that failed 1; in one line each."""

    def run(_console):
        raise error

    assert exit_code(run, lambda _: None, None) == code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_both_floors_of_a_kind_are_one_and_the_line_is_held_against_their_medians():
    """Before and after the line, so that a machine that grew warm does not flatter it."""
    part = {"name": "n", "scheduling": "s"}
    floors = {
        "model": [{**part, "flat_out": [1.0], "paced": [2.0]}, {**part, "flat_out": [1.0], "paced": [2.0]}],
        "plc": [{**part, "flat_out": [0.1], "paced": [0.5]}, {**part, "flat_out": [0.1], "paced": [0.5]}],
    }
    found = bench_report.over_floor(3.0, floors)
    assert (found["over_floor_ms"], found["over_floor_ratio"], found["floor_samples"]) == (0.5, 1.2, 2)
    assert found["floor_ms"]["model"]["p50"] == 2.0 and found["floor_ms"]["plc_flat_out"]["max"] == 0.1


def test_the_log_tells_which_engine_ran_and_what_was_refused(tmp_path):
    """Events among other words; a log without them tells nothing."""
    log = tmp_path / "daemon.log"
    log.write_text(
        "a library's {own} words\n"
        + '<6>{"event": "engine_open", "engine": "rtx on T4", "notes": ["no graph"]}\n'
        + '<4>{"event": "realtime_refused", "refused": ["SCHED_FIFO"]}\n<6>{"event": "line"}\n'
        + '<3>{"event": "plc_link_down", "error": "no answer in time"}\n{"cut sho'
    )
    assert bench_report.told(log) == {
        "engine": "rtx on T4",
        "engine_notes": ["no graph"],
        "realtime_refused": ["SCHED_FIFO"],
        "links_lost": ["no answer in time"],
    }
    log.write_text("")
    assert bench_report.told(log) == {"links_lost": []}


@pytest.mark.parametrize(("parts", "shown"), [(9_999, "-"), (10_000, "4.000")])
def test_a_quantile_is_shown_only_where_enough_parts_lie_below_it(parts, shown):
    """The p99.99 of fewer than 10,000 parts would be their maximum by another name."""
    report = {
        "parts": parts, "takt_ms": 5.0, "latency_ms": VALUES, "stages_ms": {"infer": VALUES}, "floor_ms": {"model": VALUES},
        "floor_samples": 100, "floor_of": {"model": {"name": "bare", "scheduling": "SCHED_FIFO 40"}},
        "machine": {"cores": 2, "cpu": "any"}, "inspection": {"backend": "tensorrt", "precision": "fp16"},
        "deadline_misses": 0, "rejected_for": {"LATE": 4}, "undelivered": 0, "over_floor_ms": 0.5, "over_floor_ratio": 1.2,
        "daemon": {"engine": "rtx on T4", "engine_notes": ["not [page-locked]"], "links_lost": ["no answer in time"]},
        "memory_kib": {"plc": {"early": 1024, "end": 2048, "most": 3072, "faults": 7}},
        "machine_stalls": {
            "scheduling": "SCHED_FIFO 95", "stalls": 12, "longest_ms": 4.25, "rows_of_misses": 3, "rows_that_met_a_stall": 2,
        },
    }  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=110).print(bench_report.summary(report))
    rows = {
        line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]]
        for line in out.getvalue().splitlines()
        if "│" in line
    }
    assert rows["ready to verified answer"] == ["1.000", "2.000", "3.000", shown, "5.000"]
    assert rows["floor: model"] == ["1.000", "2.000", "-", "-", "5.000"]
    told = " ".join(out.getvalue().split())
    for words in (
        "rtx on T4", "not [page-locked]", "2.0 at the end", "7 page faults", "12 times, 4.2 ms at most (SCHED_FIFO 95)",
        "2 of 3 rows of misses met it", "rejected as LATE 4;", "connection to the PLC lost: no answer in time",
    ):  # fmt: skip
        assert words in told


def part(number, trigger_ms, *, ejected):
    return PartRecord(number, 1, trigger_ms * MS, "reject" if ejected else "pass", 0, 0, ejected)


def test_readiness_is_told_by_the_plc_and_each_part_is_before_between_or_after():
    """A part triggered before the kill may pass; none between it and READY; those after it count."""
    events = [
        Event(at * MS, kind, 0, "") for at, kind in ((10, "ready"), (112, "not_ready"), (113, "coils"), (500, "ready"))
    ]
    parts = [
        part(1, 90, ejected=False),
        part(2, 120, ejected=True),
        part(3, 480, ejected=True),
        part(4, 510, ejected=False),
    ]
    found = readiness(events, parts, 100 * MS)
    assert (found["ready_0_ms"], found["ready_again_ms"]) == (12.0, 400.0)
    assert (found["parts_between"], found["passed_between"], found["passed_after"]) == (2, [], 1)
    assert kill_inspection.failures({**found, "golden_passed": True, "unproven_passes": []}) == []
    bad = readiness(events, [*parts, part(5, 450, ejected=False)], 100 * MS)
    assert bad["passed_between"] == [5]
    (problem,) = kill_inspection.failures({**bad, "golden_passed": True, "unproven_passes": []})
    assert "parts [5] passed between" in problem


def test_a_line_that_never_says_not_ready_or_never_comes_back_is_a_failure():
    """None, not a number; and JSON has no infinity."""
    never = readiness([], [part(1, 200, ejected=True)], 100 * MS)
    assert (never["ready_0_ms"], never["ready_again_ms"], never["parts_between"]) == (None, None, 1)
    problems = kill_inspection.failures({**never, "golden_passed": False, "unproven_passes": [1]})
    assert len(problems) == 4
    json.loads(json.dumps(never, allow_nan=False))


@pytest.mark.parametrize("words", [["--parts", "0"], ["--takt-ms", "0"], ["--back-s", "-1"]])
def test_a_wrong_option_of_the_kill_is_refused(words):
    with pytest.raises(SystemExit) as ended:
        kill_inspection.arguments(words)
    assert ended.value.code == 2


def test_a_bundle_that_is_none_ends_the_kill_with_code_2_before_a_line_is_started(tmp_path, capsys):
    assert kill_inspection.main(["--bundle", str(tmp_path)]) == 2
    assert "manifest.json" in capsys.readouterr().err
