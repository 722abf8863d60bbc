"""Plans for every task, built by the real TensorRT-RTX, no GPU: fixed and varying sizes, FP32 and FP16, old and new GPUs."""

import hashlib

import onnx
import pytest

from aoi_daemon.engine.build import build as module
from aoi_daemon.engine.build.bundle import build_for_bundle
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.executor import TensorInfo, outputs_of
from aoi_daemon.infer.trt.vendor import dtype_name, load_vendor
from tests.unit.infer.trt.need_rtx import need_rtx
from tools.gpu.task_bundles import make_bundle

need_rtx()
SIZES = [(192, 160), (256, 192)]


def network_outputs(model):
    """(name, type, sizes; -1 where they vary) of what TensorRT's parser makes of an ONNX file."""
    vendor = load_vendor()
    builder = vendor.make("Builder", "no builder")
    network = builder.create_network(0)
    assert vendor.api.OnnxParser(network, vendor.logger).parse(model.read_bytes())
    tensors = [network.get_output(index) for index in range(network.num_outputs)]
    return [(tensor.name, dtype_name(tensor.dtype), tuple(tensor.shape)) for tensor in tensors]


# The oldest GPU and the newest in turn: each build takes a second.
@pytest.mark.parametrize(
    ("kind", "target"), [("yolo", "sm75"), ("classify", "sm90"), ("segment", "sm75"), ("anomaly", "sm90")]
)
def test_a_bundle_of_each_task_gets_plans_for_two_sizes_in_both_precisions(tmp_path, kind, target):
    """An exact profile for each product; half precision where it was asked for, and float outputs as the task says."""
    manifest = make_bundle(tmp_path / kind, kind, SIZES[0], golden=False)
    plans = build_for_bundle(tmp_path / kind, target, ["fp32", "fp16"], SIZES)
    assert [len(plan.manifest.profiles) for plan in plans] == [2, 2]
    assert ["float16" in plan.manifest.types for plan in plans] == [False, True]
    assert all(plan.manifest.serves((height, width, 1)) for plan in plans for width, height in SIZES)
    for precision in ("fp32", "fp16"):
        found = network_outputs(load_bundle(tmp_path / kind).model_path(precision))
        assert [(name, dtype) for name, dtype, _ in found] == [(t.name, t.dtype) for t in outputs_of(manifest)]


def test_a_model_of_one_size_gets_a_plan_without_profiles(tmp_path):
    """As detectors are mostly exported."""
    make_bundle(tmp_path / "b", "yolo", SIZES[0], fixed=True, golden=False)
    (plan,) = build_for_bundle(tmp_path / "b", "sm86", ["fp32"], [SIZES[0]])
    assert plan.manifest.profiles == () and plan.manifest.serves((160, 192, 1))
    with pytest.raises(ModelError, match="does not take 1x192x256x1"):
        build_for_bundle(tmp_path / "b", "sm86", ["fp32"], SIZES)


def edited(folder, edit):
    """The bundle in `folder` with its FP32 model changed, and its hash with it."""
    file, manifest = folder / "fp32.onnx", folder / "manifest.json"
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    model = onnx.load(file)
    edit(model)
    file.write_bytes(model.SerializeToString())
    manifest.write_text(manifest.read_text().replace(before, hashlib.sha256(file.read_bytes()).hexdigest()))


@pytest.fixture
def networks(monkeypatch):
    """Outputs (name, type, sizes) of each network as the builder gets it."""
    seen, add = [], module.add_peaks

    def keep(vendor, network, *others):
        held = add(vendor, network, *others)
        tensors = [network.get_output(index) for index in range(network.num_outputs)]
        seen.append([TensorInfo(tensor.name, dtype_name(tensor.dtype), tuple(tensor.shape)) for tensor in tensors])
        return held

    monkeypatch.setattr(module, "add_peaks", keep)
    return seen


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(
    ("kind", "of_all", "of_one"),
    [
        ("yolo", (1, 3, -1), (1, 3, 20 * 24 + 10 * 12 + 5 * 6)), ("segment", (1, 2, -1), (1, 2, 3 * 160 + 192)),
        ("anomaly", (1, 1, -1), (1, 1, 3 * 80 + 96)), ("classify", None, None),
    ],
)  # fmt: skip
def test_networks_of_heads_and_maps_put_out_peaks_beside_them(tmp_path, networks, kind, fixed, of_all, of_one):
    """In float32 at both precisions, of the size that the frame's follow from; no other task has them."""
    manifest = make_bundle(tmp_path / "b", kind, SIZES[0], fixed=fixed, golden=False)
    build_for_bundle(tmp_path / "b", "sm86", ["fp32", "fp16"], SIZES[:1])
    expected = [] if of_all is None else [TensorInfo("peaks", "float32", of_one if fixed else of_all)]
    assert [outputs[1:] for outputs in networks] == [expected] * 2
    assert {outputs[0].name for outputs in networks} == {outputs_of(manifest)[0].name}


def half_output(model):
    model.graph.node[-1].output[0] = "full"
    to = onnx.TensorProto.FLOAT16
    model.graph.node.append(onnx.helper.make_node("Cast", ["full"], [model.graph.output[0].name], to=to))
    model.graph.output[0].type.tensor_type.elem_type = to


def other_name(model):
    model.graph.node[-1].output[0] = model.graph.output[0].name = "masks"


@pytest.mark.parametrize(("edit", "said"), [(half_output, "float16"), (other_name, "are masks")])
@pytest.mark.parametrize("kind", ["segment", "classify"])
def test_a_model_that_is_not_its_task_is_refused_before_the_build(tmp_path, kind, edit, said):
    """Not on the line PC, minutes later, by the executor."""
    make_bundle(tmp_path / "b", kind, SIZES[0], golden=False)
    edited(tmp_path / "b", edit)
    with pytest.raises(ModelError, match=rf"fp32\.onnx: output.*{said}.*expected (maps|scores) float32"):
        build_for_bundle(tmp_path / "b", "sm86", ["fp32"], SIZES)
    assert not (tmp_path / "b/engines").exists()
