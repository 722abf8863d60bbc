"""The other tasks on a real GPU: yolo, classify, segment, anomaly, each as ONNX Runtime answers it."""

import time

import numpy as np
import pytest

from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.engine.build.bundle import build_for_bundle
from aoi_daemon.errors import InferenceError, InferenceTimeoutError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.infer.trt.executor import TensorRtExecutor
from aoi_daemon.infer.trt.plan import Machine, choose_plan
from tests.gpu.test_executor_gpu import MS, Stall, soon
from tools.gpu.frames import boards
from tools.gpu.task_bundles import KINDS, make_bundle, recipe_of

SIZES = ((192, 160), (256, 192))
"""(width_px, height_px) of two products in one plan: their maps and heads differ in size."""
BOARDS = 6
NEAR_LIMIT = 0.02


@pytest.fixture(scope="module")
def bundles(device, tmp_path_factory):
    """By kind: a bundle with engines in FP32 and FP16, one plan for both sizes; built when first asked for."""
    folder, made = tmp_path_factory.mktemp("tasks"), {}

    def bundle_of(kind):
        if kind not in made:
            make_bundle(folder / kind, kind, SIZES[0], golden=False)
            build_for_bundle(folder / kind, None, ["fp32", "fp16"], SIZES)
            made[kind] = load_bundle(folder / kind)
        return made[kind]

    return bundle_of


@pytest.fixture
def open_task(device, vendor, bundles):
    """Open an executor of a kind on the shared context."""

    def open_one(kind, precision="fp32", **options):
        bundle = bundles(kind)
        shapes = [(height, width, 1) for width, height in SIZES]
        plan = choose_plan(bundle, precision, shapes, Machine(vendor.flavour, vendor.version, device.gpu))
        return TensorRtExecutor(
            vendor, device, plan.content, bundle.manifest, file=plan.file, shapes=shapes, **options
        )  # fmt: skip

    return open_one


@pytest.fixture(scope="module")
def pairs():
    """Boards of both sizes in turn, half of them with defects."""
    drawn = [list(boards(BOARDS, *size, 1, good_fraction=0.5)) for size in SIZES]
    return [pair for both in zip(*drawn, strict=True) for pair in both]


@pytest.mark.parametrize("graph", ["off", "own", "capture"])
@pytest.mark.parametrize(("precision", "near"), [("fp32", 0.01), ("fp16", 0.05)])
@pytest.mark.parametrize("kind", KINDS)
def test_each_task_gets_the_answers_and_verdicts_of_onnx_runtime(
    open_task, bundles, pairs, vendor, tell, kind, precision, near, graph
):
    """Two sizes in turn: outputs within `near`, of the ranges 0 to 1 and of a frame; verdicts alike unless at the limit."""
    if graph == "own" and not vendor.is_rtx:
        pytest.skip("TensorRT has no CUDA graph strategy of its own, TensorRT-RTX has")
    bundle, flips = bundles(kind), []
    with (
        open_task(kind, precision, graph=graph) as gpu,
        OnnxExecutor(bundle.model_path(precision), bundle.manifest, threads=4) as cpu,
    ):
        tell(gpu.name, gpu.notes, gpu.warm_up)
        for pair in pairs:
            height, width = pair.image.shape[:2]
            recipe = recipe_of(bundle.manifest, bundle.folder, width, height)
            gpu.decoder, cpu.decoder = (decoder_for(bundle.manifest, recipe) for _ in range(2))
            criteria = Criteria.compile(recipe, bundle.manifest.classes)
            expected, outputs = raw(cpu, pair), raw(gpu, pair)
            scale = frame_scale(kind, outputs)
            assert np.abs(outputs / scale - expected / scale).max() <= near
            verdicts = [judge(decoded(one, pair), criteria, 0, slack_ns=1) for one in (cpu, gpu)]
            if verdicts[0].passed is not verdicts[1].passed:
                flips.append([float(decoded(one, pair).scores.max(initial=0.0)) for one in (cpu, gpu)])
    assert all(abs(score - 0.5) <= NEAR_LIMIT for both in flips for score in both), flips
    assert precision == "fp16" or not flips


class Seen:
    """A decoder that keeps what it is given."""

    def decode(self, outputs, shape):
        self.outputs = [output.copy() for output in outputs]


def raw(executor, pair):
    """The one output of the model for `pair`."""
    kept, executor.decoder = executor.decoder, Seen()
    try:
        executor.infer(pair.image, pair.template, soon(5000))
        (output,) = executor.decoder.outputs
        return output
    finally:
        executor.decoder = kept


def frame_scale(kind, outputs):
    """What 1 is in the outputs: px of a side for the first four rows of heads, the full score of a map, a logit."""
    if kind.startswith("yolo"):
        scale = np.ones((1, outputs.shape[1], 1), np.float32)
        scale[0, :4] = 256
        return scale
    return {"anomaly": np.float32(220), "classify": np.float32(16)}.get(kind, np.float32(1))


def decoded(executor, pair):
    return executor.infer(pair.image, pair.template, soon(5000))


@pytest.mark.parametrize("kind", KINDS)
def test_a_stalled_gpu_costs_its_part_of_any_task_and_the_next_is_right(open_task, device, pairs, kind):
    """InferenceTimeoutError at the deadline; what the late run still writes is no answer to the next part."""
    first, second = pairs[0], pairs[2]
    with open_task(kind, wait="spin") as gpu:
        expected = [part.copy() for part in decoded(gpu, second)]
        stall = Stall(device)
        deadline_ns = soon()
        with pytest.raises(InferenceTimeoutError):
            gpu.infer(first.image, first.template, deadline_ns)
        assert 0 <= time.monotonic_ns() - deadline_ns < 20 * MS
        stall.release()
        found = decoded(gpu, second)
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_never_arrives_is_an_error_in_each_task(open_task, pairs, kind, monkeypatch):
    """The copy out is left away: the last part's answer lies there still, and is not given again."""
    with open_task(kind) as gpu:
        decoded(gpu, pairs[0])
        monkeypatch.setattr(gpu._device, "copy_out", lambda array, address: None)
        with pytest.raises(InferenceError, match="wrote no answer"):
            decoded(gpu, pairs[0])


@pytest.mark.parametrize("kind", KINDS)
def test_after_close_nothing_of_a_task_is_left_and_it_opens_again(open_task, device, pairs, kind):
    """Memory on the GPU and page-locked memory are given back; the executor says that it is closed."""
    gpu = open_task(kind)
    before = [part.copy() for part in decoded(gpu, pairs[0])]
    gpu.close()
    gpu.close()
    assert (device._allocations, device._registered, device._graphs) == ([], [], [])
    with pytest.raises(InferenceError, match="is closed"):
        gpu.infer(pairs[0].image, pairs[0].template, NO_DEADLINE)
    with open_task(kind) as again:
        assert all(np.array_equal(a, b) for a, b in zip(decoded(again, pairs[0]), before, strict=True))


def test_changing_between_sizes_allocates_nothing_whatever_the_size_of_the_maps(open_task, device, pairs):
    """Segmentation, a thousand parts of two sizes: the GPU's free memory to the byte."""
    with open_task("segment") as gpu:
        frames = [(pair.image, pair.template) for pair in pairs[:2]]
        for number in range(20):
            gpu.infer(*frames[number % 2], soon(1000))
        before = device._cuda.mem_get_info()
        for number in range(1000):
            gpu.infer(*frames[number % 2], soon(1000))
        assert device._cuda.mem_get_info() == before
