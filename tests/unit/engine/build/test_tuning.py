"""aoi_daemon/engine/build/tuning.py: what the builder is told beside, and what is refused by name before it works."""

import argparse
import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.build import build as module
from aoi_daemon.engine.build import tuning as tuning_module
from aoi_daemon.engine.build.arguments import add_parser, check
from aoi_daemon.engine.build.build import Order, build_plan
from aoi_daemon.engine.build.target import choose_target
from aoi_daemon.engine.build.tuning import Tuning, check_tuning
from aoi_daemon.engine.precision.sparsity import mask_of
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.trt.driver import Gpu
from aoi_daemon.infer.trt.plan import PlanManifest
from aoi_daemon.infer.trt.vendor import load_vendor, vendor_of
from tests.unit.infer.trt.need_rtx import need_rtx
from tests.unit.infer.trt.test_binding_names import RELEASES, RTX
from tests.unit.infer.trt.trt_builder_fakes import FakeBuilderApi

A10 = Gpu("NVIDIA A10", (8, 6))
TENSORRT = [release for release in RELEASES if release not in RTX]
WORDS = ("build-engine", "--onnx-model", "m.onnx", "--output-engine", "m.plan")


def conv_model(*, sparse, inputs=32):
    """Half precision: bytes in, a 1 x 1 convolution to `inputs` channels, and one 3 x 3 whose weights may be 2:4."""
    rng = np.random.default_rng(5)
    first = rng.normal(size=(inputs, 1, 1, 1)).astype(np.float16)
    weights = rng.normal(size=(32, inputs, 3, 3)).astype(np.float32)
    if sparse:
        weights *= mask_of(weights, 1)
    nodes = [
        helper.make_node("Cast", ["image"], ["bytes"], to=TensorProto.FLOAT16),
        helper.make_node("Transpose", ["bytes"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["wide"], name="widen"),
        helper.make_node("Conv", ["wide", "weights"], ["half"], name="deep", pads=[1, 1, 1, 1]),
        helper.make_node("Cast", ["half"], ["out"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 64, 64, 1])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 32, 64, 64])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(weights.astype(np.float16), "weights")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture
def file(tmp_path):
    """A model whose second layer is 2:4."""
    path = tmp_path / "sparse.onnx"
    path.write_bytes(conv_model(sparse=True))
    return path


@pytest.fixture
def using(monkeypatch, tmp_path):
    """Build with TensorRT of a release on an A10; SimpleNamespace(manifest, api)."""

    def run(release, **tuning):
        api = FakeBuilderApi(release)
        monkeypatch.setattr(module, "load_vendor", lambda: vendor_of(api, "tensorrt"))
        monkeypatch.setattr(module, "find_gpu", lambda index: A10)
        monkeypatch.setattr(tuning_module, "_check_sparse", lambda target, onnx: None)
        model = tmp_path / "m.onnx"
        told = {"inputs": [["image", "UINT8", [1, 16, 16, 1]]], "layers": [["CONVOLUTION", "HALF"]]}
        model.write_text(json.dumps(told))
        plan = build_plan(Order(model, tmp_path / "out.plan", "fp16", tuning=Tuning(**tuning)))
        return SimpleNamespace(manifest=plan.manifest, api=api)

    return run


@pytest.mark.parametrize("release", TENSORRT)
class TestEachRelease:
    """8.6 to 11: the bindings' own names, no others."""

    def test_each_option_is_told_and_is_in_the_sidecar(self, using, release):
        built = using(release, sparse_weights=True, optimization_level=5, version_compatible=True)
        assert {"SPARSE_WEIGHTS", "VERSION_COMPATIBLE"} <= built.api.flags
        assert built.api.config.builder_optimization_level == 5
        found = built.manifest
        assert (found.sparse_weights, found.optimization_level, found.version_compatible) == (True, 5, True)

    def test_none_is_told_unless_asked_for(self, using, release):
        built = using(release)
        assert not {"SPARSE_WEIGHTS", "VERSION_COMPATIBLE"} & built.api.flags
        assert "builder_optimization_level" not in built.api.config._values
        assert built.manifest.optimization_level is None

    def test_only_a_version_compatible_plan_may_run_code_of_its_own(self, using, release):
        """The types of the finished engine are read with it."""
        assert using(release, version_compatible=True).api.runtime.engine_host_code_allowed is True
        assert "engine_host_code_allowed" not in using(release).api.runtime._values


@pytest.mark.parametrize(
    ("tuning", "said"),
    [
        (Tuning(sparse_weights=True), "--sparse-weights: tensorrt 8.4.3 has no BuilderFlag.SPARSE_WEIGHTS"),
        (Tuning(version_compatible=True), "--version-compatible: tensorrt 8.4.3 has no BuilderFlag.VERSION_COMPATIBLE"),
        (Tuning(optimization_level=4), "--optimization-level: tensorrt 8.4.3 has no builder_optimization_level"),
    ],
)
def test_what_a_package_lacks_is_said_with_package_version_and_option(file, tuning, said):
    """An old one, which has the modules and not the names."""
    api = FakeBuilderApi("8.6.1")
    api.__version__ = "8.4.3"
    api.BuilderFlag, api.IBuilderConfig = SimpleNamespace(FP16=1), SimpleNamespace()
    with pytest.raises(ModelError, match=said):
        check_tuning(tuning, vendor_of(api, "tensorrt"), "sm86", file)


class TestSparse:
    def test_a_gpu_without_sparse_tensor_cores_is_named(self, file):
        with pytest.raises(ModelError, match="--sparse-weights: sm75 has no sparse Tensor Cores, sm80 and later have"):
            check_tuning(Tuning(sparse_weights=True), vendor_of(FakeBuilderApi("10.3.0"), "tensorrt"), "sm75", file)

    def test_a_model_that_is_not_sparse_is_refused_with_what_would_make_it_so(self, tmp_path):
        file = tmp_path / "dense.onnx"
        file.write_bytes(conv_model(sparse=False))
        with pytest.raises(ModelError, match=r"dense\.onnx: none of its 2 layers .* is 2:4.*bundle make --prune 2:4"):
            check_tuning(Tuning(sparse_weights=True), vendor_of(FakeBuilderApi("10.3.0"), "tensorrt"), "sm86", file)


class TestRtx:
    """The real package: it builds with no GPU."""

    def build(self, file, **tuning):
        need_rtx()
        return build_plan(Order(file, file.with_name("out.plan"), "fp16", target="sm86", tuning=Tuning(**tuning)))

    def test_it_builds_with_sparse_kernels_allowed_and_at_each_level(self, file):
        for level in (0, 5):
            manifest = self.build(file, sparse_weights=True, optimization_level=level).manifest
            assert (manifest.sparse_weights, manifest.optimization_level) == (True, level)
            assert manifest.flavour == "tensorrt_rtx"

    def test_version_compatible_is_refused_and_without_us_the_builder_gives_none(self, file, monkeypatch):
        with pytest.raises(ModelError, match=r"--version-compatible: tensorrt_rtx 1\.\S+ has no such plans"):
            self.build(file, version_compatible=True)
        monkeypatch.setattr(module, "check_tuning", lambda *whatever: None)
        with pytest.raises(ModelError, match="libnvinfer_lean"):
            self.build(file, version_compatible=True)
        load_vendor().logger.take()


def test_the_lean_runtime_builds_nothing():
    """And says where a plan for it is built."""
    vendor = vendor_of(FakeBuilderApi("11.4.0.106"), "tensorrt_lean")
    with pytest.raises(ModelError, match=r"tensorrt_lean 11\.4\.0\.106 runs plans and builds none.*--version-compatible"):
        choose_target(vendor, None, A10)


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args([*WORDS, *words])
    check(arguments)
    return arguments


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fp32", "--sparse-weights"], "--sparse-weights goes with --fp16 or --int8"),
        (["--fp16", "--version-compatible", "--target", "sm86"], "--target is TensorRT-RTX's"),
        (["--fp16", "--optimization-level", "6"], "'6': must be 0 to 5"),
        (["--fp16", "--optimization-level", "-1"], "must be 0 to 5"),
        (["--fp16", "--optimization-level", "٣"], "must be 0 to 5"),
        (["--fp16", "--optimization-level", "fast"], "must be 0 to 5"),
    ],
)
def test_options_that_contradict_or_are_out_of_range_end_with_2(capsys, words, said):
    with pytest.raises(SystemExit, match="2"):
        parsed(*words)
    assert said in capsys.readouterr().err


@given(st.integers(0, 5))
def test_each_level_is_taken(level):
    assert parsed("--fp16", "--optimization-level", str(level)).optimization_level == level


def test_a_sidecar_of_before_these_options_is_read_as_without_them():
    """Plans that lie on line PCs."""
    old = {
        "plan": "x.plan", "sha256": "0" * 64, "onnx": "m.onnx", "onnx_sha256": "0" * 64, "precision": "fp16",
        "flavour": "tensorrt", "flavour_version": "10.3.0", "target": "sm86", "gpu": None,
        "inputs": {"image": [1, 64, 64, 1]}, "types": {}, "types_from": "network", "workspace_mb": 1024, "build_s": 1.0,
    }  # fmt: skip
    found = PlanManifest.model_validate_json(json.dumps(old))
    assert (found.sparse_weights, found.optimization_level, found.version_compatible) == (False, None, False)
