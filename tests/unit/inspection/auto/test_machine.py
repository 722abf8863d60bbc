"""What a measurement is good for, and what there is to measure."""

from types import SimpleNamespace

import pytest

from aoi_daemon.config.fit import Fit
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.trt import machine as gpu
from aoi_daemon.inspection.auto import machine
from aoi_daemon.inspection.auto.machine import key, this_machine

AUTO = InspectionSection(backend="auto", precision="auto")
SHAPE = (64, 64, 1)


@pytest.fixture
def bundle(tmp_path):
    return SimpleNamespace(hash="h", folder=tmp_path)


@pytest.fixture
def engines(bundle):
    folder = bundle.folder / "engines"
    folder.mkdir()
    (folder / "a.plan.json").write_text("{}")
    return folder


def test_the_key_is_the_same_for_the_same(bundle):
    assert key(bundle, AUTO, SHAPE) == key(bundle, InspectionSection(backend="auto", precision="auto"), SHAPE)


@pytest.mark.parametrize(
    "change",
    [
        lambda here: setattr(here.bundle, "hash", "another"),
        lambda here: setattr(here, "shape", (64, 128, 1)),
        lambda here: setattr(here, "section", AUTO.model_copy(update={"threads": 4})),
        lambda here: setattr(here, "section", AUTO.model_copy(update={"precision": "fp32"})),
        lambda here: here.patch(machine, "_processor", lambda: "model name: another"),
        lambda here: here.patch(machine, "_version", lambda package: f"{package} 9"),
        lambda here: here.patch(machine, "_names", lambda _: ["renderD128"]),
        lambda here: here.patch(machine.os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4, 5, 6}),
        lambda here: (here.bundle.folder / "engines").mkdir() or (here.bundle.folder / "engines/a.plan.json").write_text("{}"),
    ],
    ids=["bundle", "frame", "threads", "precision", "processor", "packages", "devices", "cores", "engines"],
)
def test_the_key_is_another_for_whatever_may_change_the_figures(bundle, monkeypatch, change):
    here = SimpleNamespace(bundle=bundle, section=AUTO, shape=SHAPE, patch=monkeypatch.setattr)
    before = key(here.bundle, here.section, here.shape)
    change(here)
    assert key(here.bundle, here.section, here.shape) != before


def test_the_processor_is_known_by_its_name_and_what_it_can_do(monkeypatch):
    text = "processor\t: 0\nmodel name\t: Atom\nflags\t\t: fpu avx2\ncpu MHz\t: 1200.1\n\nprocessor\t: 1\n"
    monkeypatch.setattr(machine, "_read", lambda _: text)
    assert machine._processor() == "model name\t: Atom\nflags\t\t: fpu avx2", "no clock rate: it changes all the time"


def test_without_the_package_nobody_is_asked(bundle, monkeypatch):
    monkeypatch.setattr(machine, "installed", lambda: False)
    found = this_machine(bundle, AUTO, SHAPE, lambda: pytest.fail("asked"))
    assert "pip install" in found.openvino and found.devices == {}
    assert "build-engine" in found.tensorrt["*"]


def test_what_the_process_says_of_devices_is_taken_and_its_silence_leaves_the_processor(bundle, monkeypatch):
    monkeypatch.setattr(machine, "installed", lambda: True)
    found = this_machine(bundle, AUTO, SHAPE, lambda: {"cpu": ["fp32", "bf16"], "npu": ["fp16"]})
    assert found.devices == {"cpu": {"fp32", "bf16"}, "npu": {"fp16"}} and not found.unknown
    found = this_machine(bundle, AUTO, SHAPE, lambda: "crashed (SIGSEGV) while opening")
    assert set(found.devices) == {"cpu"}
    assert "SIGSEGV" in found.unknown


def test_an_engine_is_a_candidate_where_it_fits_this_gpu(bundle, engines, monkeypatch):
    monkeypatch.setattr(machine, "installed", lambda: False)
    monkeypatch.setattr(gpu, "this_machine", lambda device: "libcuda.so.1 is not there")
    assert this_machine(bundle, AUTO, SHAPE, dict).tensorrt == {"*": "libcuda.so.1 is not there"}

    def no_gpu(device):
        raise ModelError(f"there is no GPU {device}")

    monkeypatch.setattr(gpu, "this_machine", no_gpu)
    assert this_machine(bundle, AUTO.model_copy(update={"device": 3}), SHAPE, dict).tensorrt == {"*": "there is no GPU 3"}

    def choose(bundle, precision, shapes, machine):
        if precision != "fp16":
            raise ModelError(f"no {precision} plan fits")

    monkeypatch.setattr(gpu, "this_machine", lambda device: gpu.Machine("tensorrt", "10.1", None))
    monkeypatch.setattr(machine, "choose_plan", choose)
    monkeypatch.setattr(machine, "golden_shapes", lambda _: ())
    found = this_machine(bundle, AUTO, SHAPE, dict).tensorrt
    assert found == {name: "" if name == "fp16" else f"no {name} plan fits" for name in ("fp32", "bf16", "fp16", "int8")}


def test_a_measurement_is_good_for_one_fit(bundle):
    fits = [Fit(), Fit(kind="tiles", width_px=320, height_px=320), Fit(kind="resize", width_px=320, height_px=320)]
    assert len({key(bundle, AUTO, SHAPE, fit) for fit in fits}) == 3
    assert key(bundle, AUTO, SHAPE) == key(bundle, AUTO, SHAPE, Fit())
