"""aoi_daemon/engine/precision/prune.py: what is pruned is 2:4, what is left is repaired; and `bundle make --prune`."""

import copy
import json
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.precision import variants
from aoi_daemon.engine.precision.prune import Pruned, _patches, check_prunable, prune
from aoi_daemon.engine.precision.sparsity import Layer, layers_of
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import load_bundle

SIDE = 24


class Scene:
    """A frame in memory: smooth, as activations of a real frame hang together."""

    def __init__(self, seed):
        self.image = f"scene {seed}"
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 256, (SIDE // 4, SIDE // 4, 1), np.uint8)
        self._pixels = np.kron(coarse, np.ones((4, 4, 1), np.uint8))

    def read(self):
        return self._pixels, None


def network(*, bias=True, transposed=True):
    """Bytes, 16 channels, a strided 3 x 3 layer with bias, a 1 x 1, and a product over channels."""
    rng = np.random.default_rng(3)
    tensors = {
        "first": rng.normal(size=(16, 1, 5, 5)), "wide": rng.normal(size=(32, 16, 3, 3)) / 12,
        "wide_b": rng.normal(size=32), "deep": rng.normal(size=(16, 32, 1, 1)) / 5,
        "full": rng.normal(size=(8, 16) if transposed else (16, 8)) / 4, "scale": np.array(1 / 64),
    }  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["image"], ["bytes"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["bytes", "scale"], ["small"]),
        helper.make_node("Transpose", ["small"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["a"], name="first", pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["a"], ["ar"]),
        helper.make_node(
            "Conv", ["ar", "wide", *(["wide_b"] if bias else [])], ["b"], name="wide", pads=[1, 1, 1, 1], strides=[2, 2]
        ),
        helper.make_node("Relu", ["b"], ["br"]),
        helper.make_node("Conv", ["br", "deep"], ["c"], name="deep"),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "full"], ["out"], name="full", transB=int(transposed)),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIDE, SIDE, 1])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 8])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answers(model, scenes):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.stack([session.run(None, {"image": scene.read()[0][None]})[0] for scene in scenes])


FRAMES = [Scene(seed) for seed in range(24)]
OTHERS = [Scene(seed) for seed in range(100, 120)]


@pytest.mark.parametrize(("bias", "transposed"), [(True, True), (False, False)])
def test_what_is_pruned_is_sparse_and_the_repair_brings_most_back_on_frames_that_it_has_not_seen(bias, transposed):
    model = network(bias=bias, transposed=transposed)
    before = model.SerializeToString()
    done = []
    found = prune(model, FRAMES, threads=1, advance=lambda: done.append(1))
    assert model.SerializeToString() == before
    assert found.pruned == ("wide", "deep", "full")
    assert found.kept == {"first": "has 1 input channels, no multiple of 16"}
    assert len(done) == 1 + len(check_prunable(model))
    for made in (found.bare, found.repaired):
        assert [layer.is_sparse for layer in layers_of(made)] == [False, True, True, True]
        assert np.array_equal(layers_of(made)[0].weights, layers_of(model)[0].weights)
    dense = answers(model, OTHERS)
    bare, repaired = (np.square(answers(made, OTHERS) - dense).mean() for made in (found.bare, found.repaired))
    assert repaired < bare / 4


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(1, 2), st.tuples(*[st.integers(0, 2)] * 4)
)  # fmt: skip
def test_what_is_gathered_times_the_weights_is_what_onnx_runtime_puts_out(kernel, down, across, dilation, pads):
    """Whatever stride, padding and dilation: else the repair would fit other numbers than the layer computes."""
    rng = np.random.default_rng(1)
    value, weights = rng.normal(size=(1, 3, 9, 11)).astype(np.float32), rng.normal(size=(2, 3, kernel, 2))
    weights = weights.astype(np.float32)
    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], pads=list(pads), strides=[down, across], dilations=[dilation, 1]
    )
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 9, 11])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    out = session.run(None, {"x": value})[0]
    places = np.arange(out.shape[2] * out.shape[3])
    gathered = _patches(node, Layer("y", "w", 1, weights), value, places)
    np.testing.assert_allclose(gathered @ weights.reshape(2, -1).T, out[0].reshape(2, -1).T, atol=1e-4)


def test_a_model_without_a_layer_to_prune_is_refused_with_the_reasons():
    model = network()
    del model.graph.node[5:]
    model.graph.output[0].name = "ar"
    with pytest.raises(ModelError, match="no layer can be pruned: first has 1 input channels, no multiple of 16"):
        check_prunable(model)


def test_narrow_layers_may_be_kept_dense_and_the_reason_is_said():
    found = prune(network(), FRAMES[:2], threads=1, advance=lambda: None, least=32)
    assert found.pruned == ("deep",)
    assert found.kept["wide"] == "has 16 input channels, fewer than 32"
    assert [layer.is_sparse for layer in layers_of(found.repaired)] == [False, False, True, False]


def test_a_layer_of_a_form_that_is_not_read_is_kept_dense():
    model = network()
    next(node for node in model.graph.node if node.name == "wide").attribute.append(
        helper.make_attribute("auto_pad", "SAME_UPPER")
    )
    assert [layer.name for layer in check_prunable(model)] == ["deep", "full"]


class TestMake:
    """`bundle make --prune 2:4`; what pruning comes to is put in, for the toy's channels are few."""

    @pytest.fixture
    def pruned_to(self, monkeypatch):
        def put(change):
            calls = []

            def prune(model, frames, *, threads, advance, least):
                calls.append(least)
                made = copy.deepcopy(model)
                for tensor in made.graph.initializer:
                    change(tensor)
                return Pruned(made, made, ("a",), {"b": "has 3 input channels"}, 0.5)

            monkeypatch.setattr(variants, "prune", prune)
            layers = [SimpleNamespace(inputs=inputs) for inputs in (16, 64)]
            monkeypatch.setattr(variants, "check_prunable", lambda model: layers)
            monkeypatch.setattr("aoi_daemon.engine.bundle.make.check_prunable", lambda model: None)
            return calls

        return put

    def test_what_keeps_up_is_shipped_and_said_to_be_sparse(self, make, pruned_to, tmp_path):
        pruned_to(lambda tensor: None)
        code, out, _ = make("--prune", "2:4", "--precisions", "fp32,fp16")
        assert code == 0
        folder = tmp_path / "out" / "demo"
        models = load_bundle(folder).manifest.models
        assert {precision: model.sparsity for precision, model in models.items()} == {"fp32": None, "fp16": "2:4"}
        assert "2:4 fp16: mAP" in out
        notes = json.loads((folder / "report.json").read_text())["notes"]
        assert notes["2:4 pruned"] == "1 of 2 layers, 50.0% of their weights; not: b has 3 input channels; repaired on 6 frames, without labels"
        assert notes["2:4 after the repair"].endswith("; on 60 boards")
        assert "--prune 2:4" in notes["command"]
        assert sorted(file.name for file in folder.glob("*.onnx")) == ["fp16.onnx", "fp32.onnx"]

    def test_what_does_not_is_not_in_the_bundle_and_the_dense_one_is(self, make, pruned_to, tmp_path):
        def spoil(tensor):
            if tensor.name == "class_w":
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 0, tensor.name))

        calls = pruned_to(spoil)
        code, out, _ = make("--prune", "2:4", "--precisions", "fp32,fp16")
        assert code == 0
        folder = tmp_path / "out" / "demo"
        models = load_bundle(folder).manifest.models
        assert {precision: model.sparsity for precision, model in models.items()} == {"fp32": None, "fp16": None}
        assert calls == [0, 64]
        assert "2:4 after the repair: fp32 mAP" in out
        assert "2:4 after the repair, wide layers alone: fp32 mAP" in out
        assert "; refused: " in out
        assert "2:4 fp16: left out" not in out
        assert sorted(file.name for file in folder.glob("*.onnx")) == ["fp16.onnx", "fp32.onnx"]

    @pytest.mark.parametrize(
        ("words", "changed", "said"),
        [
            (["--precisions", "fp32"], {}, "--prune 2:4 is of fp16 and int8"),
            (["--precisions", "fp32,fp16"], {"calibration": None}, "--prune 2:4 needs --calibration DIR"),
            ([], {}, "toy.onnx: --prune 2:4: no layer can be pruned: stem has"),
        ],
    )
    def test_what_cannot_be_pruned_is_said_before_any_work(self, make, tmp_path, words, changed, said):
        code, _, err = make("--prune", "2:4", *words, **changed)
        assert code == 2
        assert said in err
        assert list((tmp_path / "out").iterdir()) == []

    def test_another_pattern_is_no_choice(self, make, capsys):
        with pytest.raises(SystemExit, match="2"):
            make("--prune", "1:4")
        assert "invalid choice: '1:4'" in capsys.readouterr().err
