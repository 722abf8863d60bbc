"""What is spelled anew computes what it did, and nothing else is touched."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.exports.respelled import respelled
from aoi_daemon.engine.precision.graph import Graph, name_nodes
from aoi_daemon.infer.openvino.vendor import core

F32 = np.float32


def model_of(nodes, weights, *, given, made):
    graph = helper.make_graph(
        nodes,
        "exported",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("made", TensorProto.FLOAT, made)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def distances(weight, *, before="Softmax", rows=64):
    """Layers, then distributions (1, bins, 4, n) and the sum that makes distances of them; `weight` by bin."""
    bins = weight.size
    nodes = [
        helper.make_node("Conv", ["given", "layer"], ["layered"], "layer_conv"),
        helper.make_node("Reshape", ["layered", "apart"], ["parted"], "apart_reshape"),
        helper.make_node("Transpose", ["parted"], ["channels"], "transpose", perm=[0, 2, 1, 3]),
        helper.make_node(before, ["channels"], ["shares"], "shares", **({"axis": 1} if before == "Softmax" else {})),
        helper.make_node("Conv", ["shares", "sum"], ["made"], "dfl_conv"),
    ]
    layer = np.random.default_rng(0).normal(size=(4 * bins, 3, 1, 1)).astype(F32)
    weights = {"layer": layer, "apart": np.array([1, 4, bins, rows], np.int64), "sum": weight.reshape(1, bins, 1, 1)}
    return model_of(nodes, weights, given=[1, 3, 8, 8], made=[1, 1, 4, 64])


def run(model, given):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"given": given})[0]


@given(st.integers(2, 20), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_distributions_mean_is_the_same_as_a_product(bins, seed):
    model = distances(np.arange(bins, dtype=F32))
    given = np.random.default_rng(seed).normal(0, 3, (1, 3, 8, 8)).astype(F32)
    assert np.allclose(run(respelled(model), given), run(model, given), atol=1e-5)


def test_the_layer_before_a_distribution_is_the_last_one_then():
    """And so stays in float, where INT8 is made."""
    model = distances(np.arange(16, dtype=F32))
    assert [node.name for node in Graph(model).last] == ["dfl_conv"]
    spelled = respelled(model)
    name_nodes(spelled)
    assert [node.name for node in Graph(spelled).last] == ["layer_conv"]
    assert [node.name for node in Graph(model).last] == ["dfl_conv"], "the model that was given is left as it was"


@pytest.mark.parametrize(
    "make", [{"weight": np.linspace(0, 1, 16).astype(F32)}, {"weight": np.arange(16, dtype=F32), "before": "Relu"}]
)
def test_another_convolution_stays_one(make):
    spelled = respelled(distances(**make))
    assert [node.op_type for node in spelled.graph.node].count("Conv") == 2


@pytest.mark.parametrize(
    ("start", "end", "kinds"),
    [(0, 4, ["Gather", "GatherElements"]), (1, 5, ["Slice", "GatherElements"]), (0, 9, ["Slice", "GatherElements"])],
)
def test_a_leading_slice_of_what_is_gathered_is_gathered_too(start, end, kinds):
    """As OpenVINO takes it; another one, or one that says more than there is, stays."""
    count = min(end, 8) - start
    constants = {"start": [start], "end": [end], "axis": [2]}
    weights = {name: np.array(value, np.int64) for name, value in constants.items()}
    weights["places"] = np.random.default_rng(1).integers(0, 9, (1, 6, count))
    nodes = [
        helper.make_node("Slice", ["given", "start", "end", "axis"], ["cut"], "slice"),
        helper.make_node("GatherElements", ["cut", "places"], ["made"], "gathered", axis=1),
    ]
    model = model_of(nodes, weights, given=[1, 9, 8], made=[1, 6, count])
    given = np.random.default_rng(2).normal(size=(1, 9, 8)).astype(F32)
    spelled = respelled(model)
    assert [node.op_type for node in spelled.graph.node] == kinds
    assert np.array_equal(run(spelled, given), run(model, given))


def test_openvino_takes_what_it_would_not():
    """The rows of an end to end export with an angle: the box is the first four of eight columns."""
    pytest.importorskip("openvino")
    weights = {"start": [0], "end": [4], "axis": [2], "wide": [1, 6, 4]}
    nodes = [
        helper.make_node("ReduceMax", ["given"], ["tops"], "tops", axes=[2], keepdims=0),
        helper.make_node("TopK", ["tops", "many"], ["values", "order"], "topk", axis=1),
        helper.make_node("Unsqueeze", ["order", "axis"], ["column"], "column"),
        helper.make_node("Expand", ["column", "wide"], ["places"], "places"),
        helper.make_node("Slice", ["given", "start", "end", "axis"], ["cut"], "slice"),
        helper.make_node("GatherElements", ["cut", "places"], ["made"], "gathered", axis=1),
    ]
    weights = {**{name: np.array(value, np.int64) for name, value in weights.items()}, "many": np.array([6], np.int64)}
    model = respelled(model_of(nodes, weights, given=[1, 9, 8], made=[1, 6, 4]))
    compiled = core().compile_model(
        core().read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    given = np.random.default_rng(3).normal(size=(1, 9, 8)).astype(F32)
    assert np.allclose(next(iter(compiled([given]).values())), run(model, given), atol=1e-6)
