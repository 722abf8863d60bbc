"""Building with the real TensorRT-RTX, no GPU: what builds for T4 and Ampere, and what is refused and how."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from aoi_daemon.engine.build.build import Order, _hint, build_plan
from aoi_daemon.engine.build.bundle import build_for_bundle
from aoi_daemon.engine.build.plan import write_plan
from aoi_daemon.engine.build.progress import Progress
from aoi_daemon.engine.build.shapes import exact
from aoi_daemon.engine.reference import make_reference_model
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.trt.driver import Gpu
from aoi_daemon.infer.trt.plan import Machine, choose_plan, read_plan
from aoi_daemon.infer.trt.vendor import Vendor, load_vendor
from tests.unit.engine.toy_detector import write_boards, write_bundle, write_toy
from tests.unit.infer.trt import trt_graphs
from tests.unit.infer.trt.need_rtx import need_rtx

rtx = need_rtx()

QUANTISED = pytest.mark.skipif(
    tuple(map(int, rtx.__version__.split(".")[:2])) < (1, 7),
    reason=f"TensorRT-RTX {rtx.__version__} builds no quantised convolution, 1.7 does",
)
TARGETS = ("sm75", "sm86")
PRECISIONS = ("fp32", "fp16", pytest.param("int8", marks=QUANTISED))


@pytest.fixture
def order(tmp_path):
    """An order for a model given as bytes."""

    def make(model, precision="fp32", **fields):
        file = tmp_path / "model.onnx"
        file.write_bytes(model)
        return Order(file, tmp_path / "out.plan", precision, **{"target": "sm75", **fields})

    return make


def model_of(name, precision, **options):
    return getattr(trt_graphs, name)(half=precision == "fp16", quantised=precision == "int8", **options)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("name", "target"),
    [(name, target) for name in ("small", "detector", "yolov8n") for target in TARGETS] + [("resnet50", "sm86")],
)
def test_networks_of_every_size_and_precision_build_for_turing_and_ampere(order, name, precision, target):
    """Bytes in; a plan, and the types of its layers as they were asked for. (ResNet-50 on Turing: below.)"""
    sizes = [(640, 640)] if name == "detector" else []
    plan = build_plan(order(model_of(name, precision), precision, target=target, sizes=sizes))
    manifest = plan.manifest
    assert len(plan.content) > 100_000
    assert manifest.sha256 == hashlib.sha256(plan.content).hexdigest()
    assert (manifest.precision, manifest.target, manifest.flavour) == (precision, target, "tensorrt_rtx")
    assert (manifest.flavour_version, manifest.gpu) == (rtx.__version__, None)
    wanted = {"fp32": "float32", "fp16": "float16", "int8": "int8"}[precision]
    assert manifest.types[wanted] > 2
    assert ("float16" in manifest.types, "int8" in manifest.types) == (precision == "fp16", precision == "int8")


def test_resnet50_builds_for_turing_in_half_precision(order):
    """Its last layer is a matrix product, which RTX 1.7 multiplies on Turing in FP16 alone."""
    assert build_plan(order(model_of("resnet50", "fp16"), "fp16")).manifest.types["float16"] > 100


def test_what_turing_cannot_compute_is_refused_with_the_operators_name(order):
    """The builder returns None; the reason is in its log, and so in the error."""
    if load_vendor().numbers < (1, 7):
        pytest.skip(f"TensorRT-RTX {rtx.__version__} builds it")
    with pytest.raises(ModelError, match=r"cannot be built as fp32 for sm75: tensorrt_rtx .*FP32 GEMM"):
        build_plan(order(model_of("resnet50", "fp32")))


def test_products_get_an_exact_profile_each(order):
    """Two frames of varying sizes: two profiles over both inputs, in one plan."""
    plan = build_plan(order(trt_graphs.detector(), sizes=[(640, 640), (1024, 640)], target="sm86"))
    assert [profile["template"] for profile in plan.manifest.profiles] == [
        exact((1, 640, 640, 1)),
        exact((1, 640, 1024, 1)),
    ]
    assert plan.manifest.serves((640, 1024, 1)) and not plan.manifest.serves((1024, 640, 1))


def test_a_range_of_sizes_builds_too(order):
    """MIN:OPT:MAX, for whoever wants one."""
    ranged = exact((1, 64, 64, 1)).model_copy(update={"min": (1, 32, 32, 1), "max": (1, 96, 96, 1)})
    plan = build_plan(order(trt_graphs.small(size_px=None), shapes=[{"image": ranged}]))
    assert plan.manifest.serves((40, 96, 1)) and not plan.manifest.serves((40, 97, 1))


def test_a_profile_that_tensorrt_finds_invalid_is_its_minus_one_raised(order):
    """add_optimization_profile answers -1. Our own check is before it, so it is passed by here."""
    wrong = exact((1, 64, 64, 1)).model_copy(update={"min": (1, 96, 96, 1)})
    with pytest.raises(ModelError, match=r"profile 0 .*MIN<=OPT<=MAX"):
        build_plan(order(trt_graphs.small(size_px=None), shapes=[{"image": wrong}]))


def test_varying_sizes_with_no_profile_are_refused(order):
    """build_serialized_network would answer None."""
    with pytest.raises(ModelError, match="its sizes vary"):
        build_plan(order(trt_graphs.small(size_px=None)))


@pytest.mark.parametrize(
    "damage", [lambda raw: b"", lambda raw: b"not ONNX" * 9, lambda raw: raw[: len(raw) // 2], lambda raw: raw[9:]]
)
def test_a_damaged_onnx_file_is_refused_with_the_parsers_words(order, damage):
    """Empty, foreign, truncated, shifted."""
    with pytest.raises(ModelError, match=r"model\.onnx"):
        build_plan(order(damage(trt_graphs.small())))


def test_a_missing_onnx_file_is_named(order):
    """Before anything is built."""
    wanted = order(b"")
    wanted.onnx.unlink()
    with pytest.raises(ModelError, match=r"model\.onnx: cannot be read: No such file"):
        build_plan(wanted)


def test_an_operator_that_tensorrt_does_not_know_is_named(order):
    """The parser's own error, not the builder's None."""
    model = onnx.load_model_from_string(trt_graphs.small())
    model.graph.node[3].op_type = "Kaleidoscope"
    with pytest.raises(ModelError, match="Kaleidoscope"):
        build_plan(order(model.SerializeToString()))


def test_nms_in_the_graph_is_refused(order):
    """NonMaxSuppression does not build on RTX: that is why the model gives 100 candidates, and the CPU suppresses."""
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1,100,4] boxes, float[1,2,100] scores) => (int64[n,3] kept)'
        "{ kept = NonMaxSuppression (boxes, scores) }"
    )
    with pytest.raises(ModelError):
        build_plan(order(model.SerializeToString()))


@pytest.mark.parametrize(("have", "ask"), [("fp16", "fp32"), ("int8", "fp32"), ("int8", "fp16"), ("fp16", "int8")])
def test_a_file_in_another_precision_than_asked_for_is_refused(order, have, ask):
    """The file decides; a plan is never called something that it is not."""
    with pytest.raises(ModelError, match=rf"is {have}; asked for is {ask}"):
        build_plan(order(model_of("small", have), ask))


def test_an_fp32_file_is_brought_to_fp16_before_it_is_parsed(order, tmp_path):
    """Strong typing ignores a wish; so the file is converted, stem and tail kept, and the plan says so."""
    write_toy(tmp_path / "model.onnx")
    plan = build_plan(order((tmp_path / "model.onnx").read_bytes(), "fp16", sizes=[(96, 96)]))
    assert plan.manifest.types["float16"] > 10
    assert plan.manifest.types["float32"] > 10
    assert plan.manifest.converted == "to FP16, stem and tail kept"


@QUANTISED
def test_an_fp32_file_is_quantised_with_the_frames_of_a_folder(order, tmp_path):
    """--int8 --calib-dir: entropy ranges, Q/DQ, and a plan with INT8 layers."""
    write_toy(tmp_path / "model.onnx")
    boards = write_boards(tmp_path / "boards", 4, seed=1)
    steps = []

    class Watch(Progress):
        def step(self, phase, done):
            steps.append(phase)

    wanted = order((tmp_path / "model.onnx").read_bytes(), "int8", sizes=[(96, 96)], calibration=boards)
    plan = build_plan(wanted, Watch())
    assert plan.manifest.types["int8"] > 2
    assert plan.manifest.converted == "to INT8 with Q/DQ, entropy ranges of boards"
    assert steps.count("calibration") == 2 * 4


def test_int8_of_an_fp32_file_needs_frames(order):
    """Ranges come from somewhere or the build is refused."""
    with pytest.raises(ModelError, match="--calib-dir"):
        build_plan(order(trt_graphs.small(), "int8"))


@pytest.mark.parametrize(("version", "hinted"), [("1.4.0.76", True), ("1.6.1.120", True), ("1.7.1.116", False)])
def test_int8_before_rtx_1_7_says_which_version_does(version, hinted):
    """The builder's own words name a function of its library."""
    vendor = Vendor(SimpleNamespace(__version__=version), "tensorrt_rtx", None)
    asked = SimpleNamespace(precision="int8")
    assert ("from 1.7 on" in _hint(vendor, asked)) is hinted
    assert _hint(vendor, SimpleNamespace(precision="fp16")) == ""


def test_the_reference_model_builds_in_both_precisions_that_it_has(order, tmp_path):
    """The bundle of a line that has no trained one runs on the GPU too."""
    make_reference_model(tmp_path / "reference.onnx")
    raw = (tmp_path / "reference.onnx").read_bytes()
    assert build_plan(order(raw, sizes=[(640, 640)], target="sm86")).content


def test_progress_is_told_and_a_cancelled_build_ends(order):
    """TensorRT reports phases and steps from 10.x and RTX on; Ctrl-C ends it between two of them."""
    phases, steps = [], []

    class Watch(Progress):
        def start(self, phase, parent, count):
            phases.append((phase, parent))

        def step(self, phase, done):
            steps.append(phase)

        def finish(self, phase):
            phases.append((phase, "end"))

    build_plan(order(trt_graphs.small()), Watch())
    assert phases[0][1] is None and (phases[0][0], "end") in phases
    assert steps
    cancelled = Progress()
    cancelled.cancelled = True
    with pytest.raises(KeyboardInterrupt):
        build_plan(order(trt_graphs.small()), cancelled)


def test_a_timing_cache_is_left_alone_by_rtx(order, tmp_path):
    """It compiles on the target and times nothing here; its calls raise deprecation warnings and do nothing."""
    cache = tmp_path / "times"
    build_plan(order(trt_graphs.small(), timing_cache=cache))
    assert not cache.exists()


def test_with_no_gpu_the_target_must_be_named(order, monkeypatch):
    """Building for a GPU that is not there is the point; guessing one is not."""
    monkeypatch.setattr("aoi_daemon.engine.build.build.find_gpu", lambda index: None)
    with pytest.raises(ModelError, match=r"no GPU to build for; name one: --target sm75\|sm80"):
        build_plan(order(trt_graphs.small(), target=None))


def test_engines_go_into_a_bundle_and_are_found_by_the_machine_they_are_for(tmp_path):
    """The bundle's hash stays: records of all machines know it by the same name."""
    folder = write_bundle(tmp_path / "toy")
    before = load_bundle(folder).hash
    plans = build_for_bundle(folder, "sm75", ["fp32", "fp16"], [(96, 96), (128, 96)])
    bundle = load_bundle(folder)
    assert bundle.hash == before
    assert [plan.file.parent.name for plan in plans] == ["engines", "engines"]
    t4 = Machine("tensorrt_rtx", rtx.__version__, Gpu("Tesla T4", (7, 5)))
    found = choose_plan(bundle, "fp16", [(96, 128, 1)], t4)
    assert found.content == plans[1].content
    with pytest.raises(ModelError, match=r"sm75, this GPU .* is sm89"):
        choose_plan(bundle, "fp16", [(96, 128, 1)], t4._replace(gpu=Gpu("NVIDIA L4", (8, 9))))


def test_a_frame_that_the_bundle_does_not_take_is_refused_before_the_build(tmp_path):
    """TensorRT would only warn of a size that is no multiple of the stride."""
    folder = write_bundle(tmp_path / "toy")
    with pytest.raises(ModelError, match="100 x 96 px, bundle toy needs multiples of 16"):
        build_for_bundle(folder, "sm75", ["fp32"], [(100, 96)])
    assert not (folder / "engines").exists()


def test_a_plan_is_read_back_as_it_was_written_and_a_damaged_one_is_refused(order):
    """A real plan: whole, truncated, one bit flipped, another plan's bytes."""
    plan = build_plan(order(trt_graphs.small()))
    write_plan(plan)
    assert read_plan(plan.file) == plan
    flipped = bytearray(plan.content)
    flipped[len(flipped) // 2] ^= 8
    other = build_plan(order(trt_graphs.small(half=True), "fp16")).content
    for content in (plan.content[:-1], bytes(flipped), other, b""):
        plan.file.write_bytes(content)
        with pytest.raises(ModelError, match="truncated or damaged"):
            read_plan(plan.file)


def test_tensorrt_itself_answers_none_to_what_is_no_plan():
    """Why the return value is looked at: no exception comes, with a GPU or without."""
    vendor = load_vendor()
    runtime = vendor.api.Runtime(vendor.logger)
    vendor.logger.take()
    for content in (b"", b"no plan at all", bytes(4096)):
        assert runtime.deserialize_cuda_engine(content) is None
    assert vendor.logger.take()


def test_the_sidecar_is_json_that_a_person_can_read(order):
    """And that says all that decides whether the plan is used."""
    plan = build_plan(order(trt_graphs.small()))
    write_plan(plan)
    told = json.loads(plan.file.with_name("out.plan.json").read_text())
    assert told["onnx_sha256"] == hashlib.sha256(trt_graphs.small()).hexdigest()
    assert {"flavour", "flavour_version", "target", "sha256", "profiles", "types", "precision"} <= set(told)


def test_random_weights_are_the_same_each_time():
    """Or a cache, or a hash, would prove nothing."""
    assert trt_graphs.small() == trt_graphs.small()
    assert np.frombuffer(trt_graphs.small()[:64], np.uint8).any()
