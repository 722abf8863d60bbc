"""How the builder is asked, release by release: TensorRT 8.6 to 11, whose bindings have different names."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from aoi_daemon.engine.build import build as module
from aoi_daemon.engine.build.build import Order, build_plan
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.trt import cuda as trt_cuda
from aoi_daemon.infer.trt.driver import Gpu
from aoi_daemon.infer.trt.vendor import vendor_of
from tests.unit.infer.trt.trt_builder_fakes import FakeBuilderApi
from tests.unit.infer.trt.trt_fakes import Clock, FakeDevice

WEAK = ("8.6.1", "10.3.0", "10.11.0.33")
STRONG = ("10.12.0.36", "10.13.3.9", "11.4.0.106")
T4 = Gpu("Tesla T4", (7, 5))
IMAGE = ["image", "UINT8", [1, 16, 16, 1]]
FP32 = [["CONVOLUTION", "FLOAT"], ["ACTIVATION", "FLOAT"]]
FP16 = [["CONVOLUTION", "HALF"], ["ACTIVATION", "HALF"], ["ELEMENTWISE", "FLOAT"]]
QDQ = [["QUANTIZE", "INT8"], ["DEQUANTIZE", "FLOAT"], ["CONVOLUTION", "FLOAT"]]


@pytest.fixture
def using(monkeypatch, tmp_path):
    """Build `layers` as `precision` with `release`; SimpleNamespace(plan, api)."""

    def run(release, layers, precision, *, gpu=T4, before=lambda api: None, inputs=(IMAGE,), **fields):
        api = FakeBuilderApi(release)
        before(api)
        monkeypatch.setattr(module, "load_vendor", lambda: vendor_of(api, "tensorrt"))
        monkeypatch.setattr(module, "find_gpu", lambda index: gpu)
        file = tmp_path / "m.onnx"
        file.write_text(json.dumps({"inputs": list(inputs), "layers": layers}))
        plan = build_plan(Order(file, tmp_path / "out.plan", precision, **fields))
        return SimpleNamespace(plan=plan, api=api)

    return run


@pytest.mark.parametrize("release", WEAK)
def test_weak_typing_takes_its_precision_from_flags(using, release):
    """8.6 to 10.11: none for FP32, FP16, INT8 beside FP16 for a file with Q/DQ."""
    assert using(release, FP32, "fp32").api.flags == set()
    assert using(release, FP32, "fp16").api.flags == {"FP16"}
    assert using(release, QDQ, "int8").api.flags == {"FP16", "INT8"}


@pytest.mark.parametrize("release", WEAK)
def test_weak_typing_keeps_the_layers_that_an_fp16_file_has_in_fp32(using, release):
    """Boxes beyond pixel 2048 among them: half precision has no odd number there."""
    api = using(release, FP16, "fp16").api
    assert api.flags == {"FP16", "PREFER_PRECISION_CONSTRAINTS"}
    assert [layer.precision for layer in api.layers] == [None, None, api.DataType.FLOAT]


@pytest.mark.parametrize("release", STRONG)
def test_strong_typing_sets_no_flag_and_asks_for_itself(using, release):
    """10.12 and later: the flags are deprecated, or gone."""
    for layers, precision in ((FP32, "fp32"), (FP16, "fp16"), (QDQ, "int8")):
        api = using(release, layers, precision).api
        assert api.flags == set()
        assert "STRONGLY_TYPED" in api.network_flags


@pytest.mark.parametrize(
    ("release", "flags"),
    [("8.6.1", {"EXPLICIT_BATCH"}), ("10.3.0", {"EXPLICIT_BATCH"}), ("11.4.0.106", {"STRONGLY_TYPED"})],
)
def test_explicit_batch_is_asked_for_where_it_exists(using, release, flags):
    """8.6 needs it, 10 has it, 11 does not know it."""
    assert using(release, FP32, "fp32").api.network_flags == flags


@pytest.mark.parametrize("release", WEAK + STRONG)
def test_the_plan_says_who_built_it_for_what(using, release):
    """TensorRT tunes for the very GPU; the types are the engine's own, read back by its inspector."""
    manifest = using(release, FP16, "fp16").plan.manifest
    assert (manifest.flavour, manifest.flavour_version) == ("tensorrt", release)
    assert (manifest.gpu, manifest.target) == ("Tesla T4", "sm75")
    assert (manifest.types, manifest.types_from) == ({"float16": 1}, "engine")


def test_tensorrt_builds_for_its_own_gpu_alone(using):
    """No GPU, or another target: refused before anything is parsed."""
    with pytest.raises(ModelError, match="this machine has none"):
        using("10.3.0", FP32, "fp32", gpu=None)
    with pytest.raises(ModelError, match="--target sm86: TensorRT builds for the GPU of this machine alone, sm75"):
        using("10.3.0", FP32, "fp32", target="sm86")


@pytest.mark.parametrize("release", WEAK + STRONG)
def test_none_from_the_builder_is_the_loggers_reason_raised(using, release):
    """No exception comes from TensorRT."""
    with pytest.raises(ModelError, match=rf"cannot be built as fp32 for sm75: tensorrt {release}: no implementation"):
        using(release, FP32, "fp32", before=lambda api: setattr(api, "result", None))


def test_a_library_that_makes_no_builder_is_a_model_error(using):
    """pybind11 raises a TypeError of a factory that returned nullptr: a driver too old, say."""

    def break_builder(api):
        def builder(logger):
            raise TypeError("pybind11::init(): factory function returned nullptr")

        api.Builder = builder

    with pytest.raises(ModelError, match="no builder"):
        using("8.6.1", FP32, "fp32", before=break_builder)


def test_the_timing_cache_is_kept_and_a_foreign_one_is_begun_anew(using, tmp_path):
    """Kernel times are worth keeping; a cache of another GPU must not stop the build."""
    cache = tmp_path / "caches" / "times"
    using("10.3.0", FP32, "fp32", timing_cache=cache)
    assert cache.read_bytes() == b"times"
    assert using("10.3.0", FP32, "fp32", timing_cache=cache).api.cache.known == b"times"
    foreign = using("10.3.0", FP32, "fp32", timing_cache=cache, before=lambda api: setattr(api, "cache_fits", False))
    assert foreign.api.cache.known == b""


@pytest.fixture
def frames(tmp_path):
    """Three frames of 16 x 16."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"f{number}.png"), np.full((16, 16), 80 * number, np.uint8))
    return folder


@pytest.fixture
def device(monkeypatch):
    """The GPU that calibration frames are put on."""
    device = FakeDevice(Clock())
    monkeypatch.setattr(trt_cuda, "CudaDevice", lambda index: device)
    return device


@pytest.mark.parametrize("release", WEAK)
def test_the_classic_calibrator_feeds_each_frame_once_and_keeps_its_ranges(using, device, frames, release):
    """8.6 to 10.11 on an FP32 model; a second build reads the ranges of the first."""
    one = using(release, FP32, "int8", calibration=frames)
    assert one.api.flags == {"FP16", "INT8"}
    assert len(one.api.batches) == 3
    assert bytes(device.memory[one.api.batches[0][0]]) == bytes([160]) * 256  # the last frame that was fed
    assert one.plan.manifest.calibration == "IInt8EntropyCalibrator2, 3 frames of frames"
    assert device.closed == 1
    assert using(release, FP32, "int8", calibration=frames).api.batches == []


def test_other_frames_are_calibrated_anew(using, device, frames):
    """A cache is kept under the frames' hash: ranges never come from frames that were replaced."""
    using("10.3.0", FP32, "int8", calibration=frames)
    cv2.imwrite(str(frames / "f0.png"), np.full((16, 16), 255, np.uint8))
    assert len(using("10.3.0", FP32, "int8", calibration=frames).api.batches) == 3


def test_a_calibration_frame_of_another_size_is_named(using, device, frames):
    """TensorRT would take no exception from the calibrator: it is kept, and raised after."""
    cv2.imwrite(str(frames / "f1.png"), np.zeros((8, 8), np.uint8))
    with pytest.raises(ModelError, match=r"f1\.png: image is \(1, 8, 8, 1\); calibration needs \(1, 16, 16, 1\)"):
        using("10.3.0", FP32, "int8", calibration=frames)


def test_yolo_exports_get_their_own_preprocessing(using, device, frames):
    """float32 (1, 3, H, W): RGB, 0 to 1, resized."""
    inputs = [["image", "FLOAT", [1, 3, 32, 32]]]
    one = using("8.6.1", FP32, "int8", inputs=inputs, calibration=frames)
    fed = np.frombuffer(device.memory[one.api.batches[0][0]], np.float32)
    assert fed.size == 3 * 32 * 32
    assert fed == pytest.approx(160 / 255)


def test_a_file_with_q_dq_is_never_calibrated(using, device, frames):
    """TensorRT ignores a calibrator beside Q/DQ; so none is made."""
    assert using("10.3.0", QDQ, "int8", calibration=frames).plan.manifest.calibration is None
    assert device.closed == 0
