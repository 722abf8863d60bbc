"""Models whose run is long, in many nodes, and a small bundle."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.reference import make_reference_bundle

SIDE = 256


@pytest.fixture(scope="session")
def plain_bundle(tmp_path_factory):
    """The reference bundle, whose model has a template."""
    folder = tmp_path_factory.mktemp("reference")
    make_reference_bundle(folder)
    return folder


@pytest.fixture(scope="session")
def chain_model(tmp_path_factory):
    """A file whose score is the frame's brightest pixel, handed through `layers` products with a permutation."""

    def make(layers):
        moved = np.eye(SIDE, dtype=np.float32)[np.random.default_rng(0).permutation(SIDE)]
        weights = {
            "w": moved, "side": np.array([SIDE, SIDE]), "low": np.float32(-1), "high": np.float32(1),
            "full": np.float32(255), "box_shape": np.array([1, 100, 4]), "row_shape": np.array([1, 100]),
        }  # fmt: skip
        steps = [("MatMul", (f"x{i}", "w"), f"m{i}") for i in range(layers)]
        clips = [("Clip", (f"m{i}", "low", "high"), f"x{i + 1}") for i in range(layers)]
        nodes = [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["float"], ["top"], keepdims=0),
            helper.make_node("Div", ["top", "full"], ["share"]),
            helper.make_node("Expand", ["share", "side"], ["x0"]),
            *(helper.make_node(op, given, [made]) for pair in zip(steps, clips, strict=True) for op, given, made in pair),
            helper.make_node("ReduceMean", [f"x{layers}"], ["mean"], keepdims=0),
            helper.make_node("Expand", ["mean", "row_shape"], ["scores"]),
            helper.make_node("Expand", ["top", "box_shape"], ["boxes"]),
            helper.make_node("Sub", ["scores", "scores"], ["none"]),
            helper.make_node("Cast", ["none"], ["classes"], to=TensorProto.INT32),
        ]
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes, "chain", [value("image", TensorProto.UINT8, [1, "h", "w", 1])],
            [value("boxes", TensorProto.FLOAT, [1, 100, 4]), value("scores", TensorProto.FLOAT, [1, 100]),
             value("classes", TensorProto.INT32, [1, 100])],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
        )  # fmt: skip
        file = tmp_path_factory.mktemp("chain") / f"chain{layers}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
        return file

    return make
