"""`inspection.backend = "tensorrt"`: engines are checked against every product before anything starts."""

import hashlib
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon import preflight
from aoi_daemon.cli import main
from aoi_daemon.engine.build.plan import write_plan
from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.errors import ConfigError, ModelError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.trt import machine as trt_machine
from aoi_daemon.infer.trt.driver import Gpu
from aoi_daemon.infer.trt.plan import Machine, Plan, PlanManifest

LINE = """
[[cameras]]
kind = "replay"
source = "."
[inspection]
backend = "tensorrt"
device = 1
"""
NO_GPU = "there is no GPU: libcuda.so.1"
T4 = Machine("tensorrt", "10.3.0", Gpu("Tesla T4", (7, 5)))


@pytest.fixture
def asked(monkeypatch):
    """What `this_machine` answers, and the devices it was asked about."""
    state = SimpleNamespace(answer=NO_GPU, devices=[])

    def this_machine(device):
        state.devices.append(device)
        if isinstance(state.answer, Exception):
            raise state.answer
        return state.answer

    monkeypatch.setattr(preflight, "this_machine", this_machine)
    return state


@pytest.fixture
def line(tmp_path, asked):
    """line.toml with the products demo (640 x 640) and small (320 x 256); golden parts are 64 x 64."""
    golden = np.zeros((64, 64), np.uint8)
    make_reference_bundle(tmp_path / "bundle", [GoldenPair(golden, golden, True)])
    (tmp_path / "recipes").mkdir()
    for number, (name, width, height) in enumerate((("demo", 640, 640), ("small", 320, 256)), 1):
        recipe = f'id = {number}\nname = "{name}"\nbundle = "../bundle"\nwidth_px = {width}\nheight_px = {height}\n'
        (tmp_path / "recipes" / f"{name}.toml").write_text(recipe)
    (tmp_path / "line.toml").write_text(LINE)
    (tmp_path / "board.png").touch()
    return tmp_path / "line.toml"


def put(line, *sizes, content=b"plan", **fields):
    """A plan of the bundle's fp32 file with an exact profile for each size."""
    folder = line.parent / "bundle"
    profiles = tuple(
        {"image": dict.fromkeys(("min", "opt", "max"), (1, height, width, 1))} for width, height in sizes
    )  # fmt: skip
    manifest = PlanManifest(
        **{
            "plan": "x.plan", "sha256": hashlib.sha256(content).hexdigest(), "onnx": "reference.onnx",
            "onnx_sha256": load_bundle(folder).manifest.models["fp32"].sha256, "precision": "fp32",
            "flavour": "tensorrt", "flavour_version": "10.3.0", "target": "sm75", "gpu": "Tesla T4",
            "profiles": profiles, "inputs": {"image": (1, -1, -1, 1)}, "types": {}, "types_from": "network",
            "workspace_mb": 512, "build_s": 1.0, **fields,
        }
    )  # fmt: skip
    file = folder / "engines" / "x.plan"
    write_plan(Plan(file, manifest, content))
    return file


ALL = ((640, 640), (320, 256), (64, 64))


def test_one_plan_for_every_product_and_the_golden_parts_may_start(line, asked):
    """On the GPU that the section names."""
    put(line, *ALL)
    asked.answer = T4
    configuration = preflight.check(line)
    assert (list(configuration.recipes), asked.devices) == (["demo", "small"], [1])
    assert preflight.not_checked(configuration) == []


@pytest.mark.parametrize("answer", [NO_GPU, T4], ids=["no GPU", "T4"])
@pytest.mark.parametrize("built", [(), ALL[:1], ALL[:2]], ids=["none", "one product", "no golden parts"])
def test_without_it_the_command_that_builds_for_all_of_them_is_told(line, asked, answer, built):
    """Also where there is no GPU to ask. Built for one product after the other, they would replace each other."""
    asked.answer = answer
    if built:
        put(line, *built)
    with pytest.raises(ConfigError) as caught:
        preflight.check(line)
    text = str(caught.value)
    assert text.startswith(f"{line}: inspection.backend = 'tensorrt', recipe demo, small: ")
    assert "; on this machine: aoi-daemon build-engine --bundle " in text
    assert text.endswith("bundle --fp32 --size 640x640 320x256 64x64")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"target": "sm86", "gpu": "NVIDIA A10"}, r"built for sm86, this GPU \(Tesla T4\) is sm75"),
        ({"flavour_version": "8.6.1"}, "built by tensorrt 8.6.1, this machine has tensorrt 10.3.0"),
        ({"onnx_sha256": "0" * 64}, "built from another ONNX file"),
    ],
)
def test_a_plan_of_another_machine_or_model_is_refused_before_the_line_starts(line, asked, fields, why):
    """Not when the inspection stage comes to it."""
    put(line, *ALL, **fields)
    asked.answer = T4
    with pytest.raises(ConfigError, match=why):
        preflight.check(line)


def test_a_damaged_plan_is_refused_before_the_line_starts(line, asked):
    """TensorRT would not notice."""
    put(line, *ALL).write_bytes(b"plan?")
    asked.answer = T4
    with pytest.raises(ConfigError, match=r"x\.plan: has SHA-256 .* build it again"):
        preflight.check(line)


def test_a_gpu_that_is_not_there_is_named_by_its_key(line, asked):
    """The machine has GPUs, and not this one."""
    put(line, *ALL)
    asked.answer = ModelError("there is no GPU 1: those of this machine are 0 to 0")
    with pytest.raises(ConfigError, match=r"line\.toml: inspection\.device = 1: there is no GPU 1"):
        preflight.check(line)


def test_any_task_is_taken_where_its_plan_is_there(line):
    """No task runs on one back end alone."""
    put(line, *ALL)
    file = line.parent / "bundle" / "manifest.json"
    manifest = json.loads(file.read_text())
    for task in (
        {"task": "yolo"},
        {"task": "classify", "activation": "sigmoid"},
        {"task": "segment"},
        {"task": "anomaly"},
    ):
        file.write_text(json.dumps({**manifest, **task}))
        preflight.check(line)


def test_the_cpu_back_end_asks_for_no_gpu(line, asked):
    """Nor waits for a process that would tell."""
    line.write_text(LINE.replace('"tensorrt"', '"onnx"'))
    configuration = preflight.check(line)
    assert preflight.not_checked(configuration) == []
    assert asked.devices == []


def test_check_config_says_what_it_could_not_know(line, capsys):
    """On an office PC a configuration is checked as far as that goes, and no further is claimed."""
    put(line, *ALL, target="sm86", gpu="NVIDIA A10")
    assert main(["check-config", "--config", str(line)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{line}: ok")
    assert out[-1] == f"note: whether an engine fits the line's GPU was not checked, this machine cannot tell: {NO_GPU}"


class TestAsking:
    """`this_machine`, and the process that it asks."""

    @pytest.fixture(autouse=True)
    def forget(self):
        trt_machine.this_machine.cache_clear()
        yield
        trt_machine.this_machine.cache_clear()

    @pytest.fixture
    def say(self, monkeypatch):
        """The process writes this to standard output, and ends with that code."""

        def say(text, code=0):
            def run(command, **options):
                assert command[:3] == [sys.executable, "-m", "aoi_daemon.infer.trt.machine"]
                return SimpleNamespace(stdout=text, stderr="Segmentation fault", returncode=code)

            monkeypatch.setattr(trt_machine.subprocess, "run", run)

        return say

    def test_the_real_process_answers(self):
        """A machine, or why not; whatever this one is."""
        found = trt_machine.this_machine(0)
        assert isinstance(found, Machine) or "there is no " in found

    def test_the_last_line_is_the_answer_and_it_is_kept(self, say):
        """Libraries may print what they like before it. A second question starts no process."""
        say('loading...\n{"flavour": "tensorrt", "version": "10.3.0", "gpu": "Tesla T4", "capability": [7, 5]}\n')
        assert trt_machine.this_machine(0) == T4
        say("")
        assert trt_machine.this_machine(0) == T4

    def test_a_process_that_dies_is_told_as_not_known(self, say):
        """A broken driver must not keep a configuration from being checked."""
        say("", code=-11)
        assert trt_machine.this_machine(0) == "asking it ended with code -11: Segmentation fault"

    def test_a_process_that_hangs_is_told_as_not_known(self, monkeypatch):
        def run(command, **options):
            raise subprocess.TimeoutExpired(command, options["timeout"])

        monkeypatch.setattr(trt_machine.subprocess, "run", run)
        assert trt_machine.this_machine(0) == "it did not answer within 60 s"

    def test_a_machine_that_would_run_no_engine_is_an_error(self, say):
        say('{"wrong": "pycuda is missing"}')
        with pytest.raises(ModelError, match="pycuda is missing"):
            trt_machine.this_machine(0)

    def test_the_process_knows_package_and_gpu_and_refuses_what_is_not_there(self, monkeypatch):
        """No driver and no TensorRT are not known; a device too many and no pycuda are wrong."""

        def gpu(index):
            if index:
                raise ModelError("there is no GPU 1")
            return Gpu("Tesla T4", (7, 5))

        there = SimpleNamespace(flavour="tensorrt", version="10.3.0")
        monkeypatch.setattr(trt_machine, "load_driver", lambda: SimpleNamespace(gpu=gpu))
        monkeypatch.setattr(trt_machine, "load_vendor", lambda: there)
        monkeypatch.setattr(trt_machine.importlib.util, "find_spec", lambda name: name)
        answer = {"flavour": "tensorrt", "version": "10.3.0", "gpu": "Tesla T4", "capability": (7, 5)}
        assert trt_machine.ask(0) == answer
        assert trt_machine.ask(1) == {"wrong": "there is no GPU 1"}
        monkeypatch.setattr(trt_machine.importlib.util, "find_spec", lambda name: None)
        assert "pycuda" in trt_machine.ask(0)["wrong"]

        def missing():
            raise ModelError("there is no TensorRT")

        monkeypatch.setattr(trt_machine, "load_vendor", missing)
        assert trt_machine.ask(0) == {"unknown": "there is no TensorRT"}
