"""The other tasks on a real GPU: yolo, classify, segment, anomaly, each as ONNX Runtime answers it."""

import time

import numpy as np
import onnx
import pytest

from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.engine.build.build import Order, build_plan
from aoi_daemon.engine.build.bundle import build_for_bundle
from aoi_daemon.errors import InferenceError, InferenceTimeoutError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.decode.peaks import is_true
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.infer.trt.executor import TensorRtExecutor
from aoi_daemon.infer.trt.plan import Machine, choose_plan
from tests.gpu.test_executor_gpu import MS, Stall, soon
from tools.gpu.frames import boards
from tools.gpu.task_bundles import KINDS, make_bundle, recipe_of

SIZES = ((192, 160), (256, 192))
"""(width_px, height_px) of two products in one plan: their maps and heads differ in size."""
TASKS = tuple(kind for kind in KINDS if kind != "yolo80")
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


# Each opening compiles for seconds on TensorRT-RTX: every way of launching with one kind, one with the others.
@pytest.mark.parametrize(
    ("kind", "precision", "graph"),
    [
        *((kind, precision, "capture") for kind in KINDS for precision in ("fp32", "fp16")),
        *(("segment", *way) for way in (("fp32", "off"), ("fp32", "own"), ("fp16", "own"))),
    ],
)
def test_each_task_gets_the_answers_and_verdicts_of_onnx_runtime(
    open_task, bundles, pairs, vendor, tell, kind, precision, graph
):
    """Two sizes in turn: outputs within a hundredth of the ranges 0 to 1 and of a frame (half precision: a twentieth);
    verdicts alike unless at the limit; peaks those of the output, and what is read by them what is read of all."""
    near = 0.05 if precision == "fp16" else 0.01
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
            (expected,), (outputs, *peaks) = raw(cpu, pair), raw(gpu, pair)
            assert [is_true(one, [outputs]) for one in peaks] == [True] * (kind != "classify")
            whole, by_peaks = (gpu.decoder.decode(given, pair.image.shape) for given in ([outputs], [outputs, *peaks]))
            assert all(np.array_equal(a, b) for a, b in zip(whole, by_peaks, strict=True))
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
    """The output of the model for `pair`, and the peaks beside it."""
    kept, executor.decoder = executor.decoder, Seen()
    try:
        executor.infer(pair.image, pair.template, soon(5000))
        return executor.decoder.outputs
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


@pytest.mark.parametrize("kind", TASKS)
def test_a_part_of_any_task_that_is_late_or_lost_is_an_error_and_no_other_part_gets_its_answer(
    open_task, device, pairs, kind, monkeypatch
):
    """A GPU that stalls, a copy out that is left away, an executor that is closed; then it opens again."""
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
        with monkeypatch.context() as patch:
            patch.setattr(gpu._device, "copy_out", lambda array, address: None)
            with pytest.raises(InferenceError, match="wrote no answer"):
                decoded(gpu, second)
    gpu.close()
    assert (device._allocations, device._registered, device._graphs) == ([], [], [])
    with pytest.raises(InferenceError, match="is closed"):
        gpu.infer(first.image, first.template, NO_DEADLINE)
    with open_task(kind) as again:
        assert all(np.array_equal(a, b) for a, b in zip(decoded(again, second), expected, strict=True))


def test_a_nan_that_a_task_puts_out_in_one_place_is_found_by_the_mean_beside_the_peaks(device, vendor, tmp_path):
    """This GPU's maximum may pass over it. A map of 32 px squares: NaN where one is brighter than 200 on average."""
    size = (1, 256, 256)
    nodes = [
        onnx.helper.make_node("Cast", ["image"], ["floats"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        onnx.helper.make_node("AveragePool", ["planes"], ["means"], kernel_shape=[32, 32], strides=[32, 32]),
        onnx.helper.make_node("Sub", ["limit", "means"], ["left"]),
        onnx.helper.make_node("Sqrt", ["left"], ["maps"]),
    ]
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, [*size, 1])
    maps = onnx.helper.make_tensor_value_info("maps", onnx.TensorProto.FLOAT, [1, 1, 8, 8])
    limit = onnx.numpy_helper.from_array(np.float32(200).reshape(1), "limit")
    graph = onnx.helper.make_graph(nodes, "roots", [image], [maps], [limit])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    manifest = Manifest(
        name="roots", task="anomaly", classes=("strange",), channels=1, full_score=20.0, has_template=False,
        stride_px=32, models={"fp32": Model(file="m.onnx", sha256="0" * 64)},
    )  # fmt: skip
    plan = build_plan(Order(tmp_path / "m.onnx", tmp_path / "m.plan", "fp32", manifest=manifest))
    with TensorRtExecutor(vendor, device, plan.content, manifest, file=plan.file) as gpu:
        frame = np.full((*size[1:], 1), 56, np.uint8)
        assert gpu.infer(frame, None, soon(1000)).scores.tolist() == pytest.approx([0.6], abs=1e-3)
        frame[64:96, 96:128] = 255
        with pytest.raises(InferenceError, match="not finite"):
            gpu.infer(frame, None, soon(1000))


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
