"""aoi_daemon/engine/precision/sparsity.py: which layers are 2:4, and which could be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.precision.sparsity import Layer, layers_of, mask_of

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 3).map(lambda n: 4 * n), st.integers(1, 3), st.integers(1, 3))
WEIGHTS = SHAPES.flatmap(lambda shape: arrays.arrays(np.float32, shape, elements=st.integers(-3, 3)))


def nvidia_says(weights):
    """The rule of TensorRT's developer guide, as loops over [K, C, R, S]."""
    outputs, inputs, rows, columns = weights.shape
    return all(
        np.count_nonzero(weights[k, four : four + 4, r, s]) <= 2
        for k in range(outputs) for r in range(rows) for s in range(columns) for four in range(0, inputs, 4)
    )  # fmt: skip


@given(WEIGHTS)
def test_a_layer_is_sparse_where_nvidias_rule_says_so(weights):
    assert Layer("l", "w", 1, weights).is_sparse is nvidia_says(weights)


@given(WEIGHTS)
def test_what_is_masked_is_sparse_and_keeps_the_two_greatest_of_four(weights):
    mask = mask_of(weights, 1)
    assert Layer("l", "w", 1, weights * mask).is_sparse
    groups = np.moveaxis(mask, 1, -1).reshape(-1, 4)
    assert (groups.sum(axis=1) == 2).all()
    sizes = np.abs(np.moveaxis(weights, 1, -1)).reshape(-1, 4)
    kept = np.where(groups, sizes, np.inf).min(axis=1)
    gone = np.where(groups, -np.inf, sizes).max(axis=1)
    assert (kept >= gone).all()


def test_channels_that_are_no_multiple_of_four_are_never_sparse():
    """Zeros or not: the kernels take them four by four."""
    assert not Layer("l", "w", 1, np.zeros((8, 6, 1, 1), np.float32)).is_sparse


def conv(name, weights, source="x", groups=1):
    return helper.make_node("Conv", [source, weights], [f"{name}_out"], name=name, group=groups)


def model_of(nodes, tensors):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )  # fmt: skip
    return helper.make_model(graph)


@pytest.mark.parametrize(
    ("shape", "groups", "why"),
    [
        ((32, 32, 3, 3), 1, None),
        ((8, 16, 1, 1), 1, None),
        ((16, 3, 3, 3), 1, "has 3 input channels, no multiple of 16"),
        ((4, 32, 1, 1), 1, "has 4 output channels, no multiple of 8"),
        ((32, 1, 3, 3), 32, "has 32 groups"),
    ],
)
def test_why_a_layer_is_not_pruned_is_said(shape, groups, why):
    (layer,) = layers_of(model_of([conv("a", "w", groups=groups)], {"w": np.ones(shape, np.float32)}))
    assert (layer.name, layer.why_not) == ("a", why)


def test_weights_of_two_layers_are_not_pruned():
    """Each would want others of them."""
    nodes = [conv("a", "w"), conv("b", "w", "a_out")]
    layers = layers_of(model_of(nodes, {"w": np.ones((16, 16, 1, 1), np.float32)}))
    assert [layer.why_not for layer in layers] == ["shares its weights with another"] * 2


def test_weights_are_found_behind_q_dq_and_casts():
    """As an INT8 file and a half-precision one have them."""
    nodes = [
        helper.make_node("QuantizeLinear", ["w", "scale"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale"], ["dq"]),
        conv("a", "dq"),
    ]
    (layer,) = layers_of(model_of(nodes, {"w": np.zeros((8, 16, 1, 1), np.float32), "scale": np.float32(1)}))
    assert (layer.tensor, layer.is_sparse) == ("w", True)


def test_the_input_channels_of_a_product_are_where_onnx_has_them():
    """MatMul: (in, out); Gemm: (in, out), (out, in) where it is transposed."""
    tensors = {"m": np.ones((16, 8), np.float32), "t": np.ones((24, 8), np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "m"], ["y"], name="m"),
        helper.make_node("Gemm", ["y", "t"], ["z"], name="t", transB=1),
    ]
    first, second = layers_of(model_of(nodes, tensors))
    assert (first.inputs, first.outputs, second.inputs, second.outputs) == (16, 8, 8, 24)
