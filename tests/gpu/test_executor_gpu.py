"""The executor on a real GPU: right answers, late parts, a GPU that stalls, plans that are not its own."""

import ctypes
import gc
import resource
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from aoi_daemon.engine.build.build import Order, build_plan
from aoi_daemon.errors import InferenceError, InferenceTimeoutError, ModelError
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.infer.trt.plan import Machine, choose_plan
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.memory import SharedMemory
from tests.gpu.conftest import SIZES
from tests.unit.infer.trt import trt_graphs

MS = 1_000_000
_WAIT_GEQ = 0  # CU_STREAM_WAIT_VALUE_GEQ


def soon(ms=50.0):
    return time.monotonic_ns() + round(ms * MS)


def pairs(folder):
    for test in sorted(folder.glob("*_test.png")):
        images = (cv2.imread(str(path), 0) for path in (test, test.with_name(test.name.replace("_test", "_temp"))))
        yield tuple(np.ascontiguousarray(image[:, :, None]) for image in images)


def noise(width, height, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, 256, (height, width, 1), np.uint8) for _ in range(2))


def same(gpu, cpu, *, score, px, at_least=0.25):
    """Each box of the CPU's has one of its class on the GPU, as far away and as sure."""
    for box, sure, kind in zip(cpu.boxes, cpu.scores, cpu.classes, strict=True):
        if sure >= at_least:
            rows = np.flatnonzero(gpu.classes == kind)
            nearest = rows[np.abs(gpu.boxes[rows] - box).max(1).argmin()]
            assert np.abs(gpu.boxes[nearest] - box).max() <= px
            assert abs(float(gpu.scores[nearest]) - float(sure)) <= score


@pytest.mark.parametrize("graph", ["off", "own", "capture"])
@pytest.mark.parametrize(("precision", "score", "px"), [("fp32", 0.01, 0.1), ("fp16", 0.03, 0.5)])
def test_boards_get_the_answers_of_onnx_runtime(opened, bundle, boards, vendor, tell, precision, score, px, graph):
    """The same file on the CPU, board by board, however it is launched. (FP32 is TF32 where the GPU has it.)"""
    if graph == "own" and not vendor.is_rtx:
        pytest.skip("TensorRT has no CUDA graph strategy of its own, TensorRT-RTX has")
    seen = 0
    with (
        opened(precision, graph=graph) as gpu,
        OnnxExecutor(bundle.model_path(precision), bundle.manifest, threads=2) as cpu,
    ):
        tell(gpu.name, gpu.notes, gpu.warm_up)
        for image, template in pairs(boards):
            found, expected = gpu.infer(image, template, soon(1000)), cpu.infer(image, template, NO_DEADLINE)
            same(found, expected, score=score, px=px)
            seen += int((expected.scores >= 0.25).sum())
    assert seen > 20


@pytest.mark.parametrize("graph", ["off", "own", "capture"])
def test_sizes_alternate_and_each_is_answered_by_its_own_profile(opened, bundle, graph):
    """Three products in one plan, part by part."""
    with (
        opened(graph=graph) as gpu,
        OnnxExecutor(bundle.model_path("fp32"), bundle.manifest, threads=2) as cpu,
    ):
        for number in range(9):
            image, template = noise(*SIZES[number % 3], seed=number)
            same(gpu.infer(image, template, soon()), cpu.infer(image, template, NO_DEADLINE), score=0.01, px=0.1)


@pytest.mark.parametrize("wait", ["spin", "block"])
def test_frames_come_straight_from_the_slots_of_a_real_ring(opened, wait):
    """Page-locked shared memory; a slot that is written anew is read anew."""
    width, height = SIZES[0]
    layout = RingLayout(4, width, height, 1)
    with SharedMemory.create("gpu-test", layout.size_bytes) as memory:
        ring = FrameRing(memory, layout)
        planes = [plane for slot in range(4) for plane in ring.planes(slot)]
        with opened(pinned=planes, wait=wait) as gpu:
            assert not [note for note in gpu.notes if "page-locked" in note]
            answers = []
            for sequence in (1, 5):  # the same slot
                image, template = noise(width, height, seed=sequence)
                for plane, pixels in zip(ring.planes(sequence), (image, template), strict=True):
                    plane[: pixels.size] = pixels.ravel()
                ring.publish(
                    sequence, (height, width, 1), fov=0, trigger_ns=1, ready_ns=1, has_template=True
                )  # fmt: skip
                answers.append([part.copy() for part in gpu.infer(*ring.frame(sequence), soon())])
                copied = gpu.infer(image.copy(), template.copy(), soon())
                assert all(np.array_equal(a, b) for a, b in zip(answers[-1], copied, strict=True))
        assert not np.array_equal(answers[0][1], answers[1][1])
        del planes, ring


@pytest.mark.parametrize("graph", ["off", "own", "capture"])
def test_each_product_has_a_context_that_is_warm_before_the_first_part(opened, vendor, graph):
    """One for each exact profile, with its size fixed; the first part of each is no slower than those after it."""
    if graph == "own" and not vendor.is_rtx:
        pytest.skip("TensorRT has no CUDA graph strategy of its own, TensorRT-RTX has")
    shapes = [(height, width, 1) for width, height in SIZES]
    with opened(graph=graph) as gpu:
        assert list(gpu._lanes) == shapes == [record.shape for record in gpu.warm_up]
        assert len({id(lane._context) for lane in gpu._lanes.values()}) == 3
        assert all(record.runs >= 20 for record in gpu.warm_up)
        assert all(tuple(lane._context.get_tensor_shape("image")) == (1, *shape) for shape, lane in gpu._lanes.items())


@pytest.mark.parametrize("graph", ["off", "own", "capture"])
def test_changing_between_products_allocates_nothing_on_the_gpu_or_the_host(opened, device, vendor, tell, graph):
    """A thousand parts of three sizes: the GPU's free memory to the byte, and what Python and the process hold."""
    if graph == "own" and not vendor.is_rtx:
        pytest.skip("TensorRT has no CUDA graph strategy of its own, TensorRT-RTX has")
    frames = [noise(*size) for size in SIZES]
    with opened(graph=graph) as gpu:

        def parts(count):
            for number in range(count):
                gpu.infer(*frames[number % 3], soon())

        parts(30)
        gc.collect()
        held = (len(device._allocations), len(device._registered), len(device._graphs))
        before = device._cuda.mem_get_info(), sys.getallocatedblocks(), resident_kib()
        parts(999)
        gc.collect()
        after = device._cuda.mem_get_info(), sys.getallocatedblocks(), resident_kib()
        assert after[0] == before[0]
        assert (len(device._allocations), len(device._registered), len(device._graphs)) == held
        tell(f"{graph}: Python's blocks {after[1] - before[1]:+}, resident {after[2] - before[2]:+} KiB in 999 parts")
        assert after[1] - before[1] < 100
        assert after[2] - before[2] < 512


def test_a_size_that_no_profile_serves_or_that_is_no_multiple_of_the_stride_is_an_error_at_the_start(
    opened, bundle, vendor, device
):
    """Before READY, by name; the executor opens again after it."""
    machine = Machine(vendor.flavour, vendor.version, device.gpu)
    with pytest.raises(ModelError, match=r"not built for 192 x 96 x 1.*build-engine"):
        choose_plan(bundle, "fp32", [(96, 192, 1)], machine)
    with pytest.raises(ModelError, match=r"no profile serves frames of \(96, 192, 1\)"):
        opened(shapes=[(96, 192, 1)])
    with pytest.raises(ModelError, match="100 x 96 px, bundle toy needs multiples of 16"):
        opened(shapes=[(96, 100, 1)])
    with opened() as gpu:
        gpu.infer(*noise(*SIZES[0]), soon())


def resident_kib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


class Stall:
    """Holds the stream: nothing behind it runs until `release`. What a hung kernel looks like from outside."""

    def __init__(self, device):
        self.device = device
        self.address = device.allocate(4)
        device.copy_in(self.address, np.zeros(1, np.uint32))
        device.synchronize()
        device._driver.call(
            "cuStreamWaitValue32_v2", ctypes.c_void_p(device.stream), ctypes.c_uint64(self.address),
            ctypes.c_uint32(1), ctypes.c_uint(_WAIT_GEQ),
        )  # fmt: skip

    def release(self):
        # In the default stream: ours is held.
        self.device._cuda.memcpy_htod(self.address, np.ones(1, np.uint32))


@pytest.mark.parametrize("wait", ["spin", "block"])
def test_a_stalled_gpu_costs_its_part_at_the_deadline_and_the_next_is_right(opened, bundle, device, wait):
    """InferenceTimeoutError within a few ms of the deadline; when the GPU goes on, so does the line."""
    first, second = noise(*SIZES[0], seed=1), noise(*SIZES[0], seed=2)
    with opened(wait=wait) as gpu:
        expected = [part.copy() for part in gpu.infer(*second, soon())]
        stall = Stall(device)
        deadline_ns = soon()
        with pytest.raises(InferenceTimeoutError):
            gpu.infer(*first, deadline_ns)
        assert 0 <= time.monotonic_ns() - deadline_ns < 20 * MS
        with pytest.raises(InferenceTimeoutError):
            gpu.infer(*first, soon(10))
        stall.release()
        found = gpu.infer(*second, soon())
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_gpu_that_stays_stalled_ends_the_process(opened, device):
    """After a second it is an InferenceError, not another late part."""
    image, template = noise(*SIZES[0])
    with opened() as gpu:
        stall = Stall(device)
        start_ns = time.monotonic_ns()
        try:
            with pytest.raises(InferenceError, match="has not ended after"):
                while True:
                    try:
                        gpu.infer(image, template, soon())
                    except InferenceTimeoutError:
                        assert time.monotonic_ns() - start_ns < 1_100 * MS
        finally:
            stall.release()
            device.synchronize()


def test_a_damaged_plan_given_to_tensorrt_is_an_error_and_a_good_one_still_opens(opened, vendor, device, bundle):
    """Truncated, and no plan at all. (The sidecar's SHA-256 keeps both from ever getting here.)"""
    plan = choose_plan(bundle, "fp32", [], Machine(vendor.flavour, vendor.version, device.gpu))
    for content in (plan.content[: len(plan.content) // 2], b"no plan", b""):
        with pytest.raises(ModelError, match="does not take the plan"):
            opened(content=content)
    with opened() as gpu:
        gpu.infer(*noise(*SIZES[0]), soon())


def test_a_plan_of_another_architecture_is_refused_or_right(opened, vendor, device, tell, tmp_path, bundle):
    """Built for Turing, given to this GPU past its sidecar: an error that names it, or the right answers; never others."""
    if not vendor.is_rtx or device.gpu.capability == (7, 5):
        pytest.skip("needs TensorRT-RTX on a GPU that is not Turing")
    order = Order(bundle.model_path("fp32"), tmp_path / "t4.plan", "fp32", sizes=SIZES, target="sm75")
    content = build_plan(order).content
    frame = noise(*SIZES[0])
    with opened() as own:
        expected = [part.copy() for part in own.infer(*frame, soon())]
    try:
        with opened(content=content) as foreign:
            tell("a plan for sm75 runs here")
            found = foreign.infer(*frame, soon())
            assert np.abs(found.scores - expected[1]).max() < 0.01
    except InferenceError as error:
        tell("a plan for sm75 is refused:", error)


def test_the_finished_engine_is_asked_for_its_types(device, tell, tmp_path):
    """The precision is read back from the engine where its inspector tells; what it told is printed."""
    (tmp_path / "m.onnx").write_bytes(trt_graphs.detector(half=True, size_px=(96, 96)))
    plan = build_plan(Order(tmp_path / "m.onnx", tmp_path / "m.plan", "fp16"))
    tell(plan.manifest.types_from, plan.manifest.types, plan.manifest.target)
    assert plan.manifest.target == device.gpu.target
    assert plan.manifest.types.get("float16", 0) > 0


def test_a_network_of_the_detectors_size_keeps_the_contract(device, vendor, tell, tmp_path, bundle):
    """640 x 640, image and template, 100 boxes: outputs of the right kind from random weights, well inside 50 ms."""
    from aoi_daemon.infer.trt.executor import TensorRtExecutor

    (tmp_path / "m.onnx").write_bytes(trt_graphs.detector(half=True))
    plan = build_plan(Order(tmp_path / "m.onnx", tmp_path / "m.plan", "fp16", sizes=[(640, 640)]))
    with TensorRtExecutor(
        vendor, device, plan.content, bundle.manifest, file=plan.file, graph="own" if vendor.is_rtx else "capture"
    ) as gpu:
        tell(gpu.name, gpu.notes, gpu.warm_up)
        found = gpu.infer(*noise(640, 640), soon())
        assert (found.boxes.shape, found.scores.shape, found.classes.shape) == ((100, 4), (100,), (100,))
        assert np.isfinite(found.boxes).all() and (np.diff(found.scores) <= 0).all()
        assert found.classes.min() >= 0 and found.classes.max() < 6
