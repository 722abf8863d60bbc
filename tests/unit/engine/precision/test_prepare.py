import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.precision.graph import Graph, stride
from aoi_daemon.engine.precision.prepare import convert_fp16, prepare_fp32, prepare_model
from aoi_daemon.engine.reference import make_reference_model
from aoi_daemon.errors import ModelError
from tests.unit.engine.toy_detector import FLOAT, INT32, UINT8, tensor_types, toy_model, write_toy

WIDE = (96, 4096)


def answer(model, image, template):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["boxes", "scores", "classes"], {"image": image, "template": template})


def wide_scene():
    """Patches up to the far end of a frame 4096 px wide."""
    template = np.full((1, *WIDE, 1), 128, np.uint8)
    image = template.copy()
    for x in range(101, 4000, 300):
        image[:, 30:54, x : x + 24] = 255
    return image, template


def test_preparing_changes_nothing_that_is_computed(toy, prepared):
    image, template = wide_scene()
    for before, after in zip(answer(onnx.load(toy), image, template), answer(prepared, image, template), strict=True):
        assert np.array_equal(before, after)


def test_a_prepared_model_has_names_types_and_no_dead_nodes(tmp_path):
    model = toy_model()
    for node in model.graph.node:
        node.name = ""
    model.graph.node.append(helper.make_node("Neg", ["stem_r"], ["unused"]))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "unused_weight"))
    file = tmp_path / "m.onnx"
    onnx.save(model, str(file))
    prepared = prepare_fp32(file)
    names = [node.name for node in prepared.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    assert not any(node.op_type == "Neg" for node in prepared.graph.node)
    assert "unused_weight" not in {item.name for item in prepared.graph.initializer}
    assert {value.name for value in prepared.graph.value_info} >= {"stem_r", "upper", "joined"}


def test_constants_become_weights(tmp_path):
    # The reference model is written with Constant nodes of every kind.
    file = tmp_path / "reference.onnx"
    make_reference_model(file)
    assert not any(node.op_type == "Constant" for node in prepare_fp32(file).graph.node)


def test_the_parts_of_a_graph_are_told_by_its_convolutions(prepared):
    graph = Graph(prepared)
    assert [node.name for node in graph.first] == ["stem"]
    assert {node.name for node in graph.last} == {"logits", "log_reach"}
    assert {node.op_type for node in graph.stem} == {"Cast", "Transpose", "Mul", "Add", "Sub", "Abs", "Concat"}
    assert {"scores", "boxes", "best", "reach_cells"} <= {node.name for node in graph.tail}
    assert {node.name for node in graph.residual_adds()} == {"joined", "lateral"}
    assert {node.name for node in graph.quantizable()} == {
        "four", "squeeze", "widen", "eight", "deep", "down", "side", "class_tower", "reach_tower", "joined", "lateral",
    }  # fmt: skip


def test_the_stride_is_that_of_the_deepest_stage(prepared):
    assert stride(Graph(prepared)) == 16


def test_half_precision_keeps_every_input_and_output_type(prepared):
    half = convert_fp16(prepared)
    assert tensor_types(half) == {
        "image": UINT8, "template": UINT8, "boxes": FLOAT, "scores": FLOAT, "classes": INT32,
    }  # fmt: skip
    weights = {item.name: item.data_type for item in half.graph.initializer}
    assert weights["four_w_fp16"] == TensorProto.FLOAT16
    assert "four_w" not in weights
    assert weights["twice"] == weights["thousand"] == TensorProto.FLOAT


def test_half_precision_computes_the_core_and_nothing_else(prepared):
    half = onnx.shape_inference.infer_shapes(convert_fp16(prepared))
    types = {value.name: value.type.tensor_type.elem_type for value in half.graph.value_info}
    for name in ("stem_r", "joined", "upper", "lateral_r", "logits"):
        assert types[name] == TensorProto.FLOAT16
    for name in ("seen", "probability", "reach_log", "x", "y_cells"):
        assert types[name] == TensorProto.FLOAT


def test_half_precision_boxes_are_exact_beyond_2048_px(prepared):
    image, template = wide_scene()
    boxes, scores, _ = answer(prepared, image, template)
    half_boxes, half_scores, _ = answer(convert_fp16(prepared), image, template)
    count = 13
    assert (scores[0, :count] > 0.5).all()
    order, half_order = np.argsort(boxes[0, :count, 0]), np.argsort(half_boxes[0, :count, 0])
    assert boxes[0, order[-1], 0] > 3600
    # The box sides come from the core, in half precision; places would be off by up to 1 px if the tail were too.
    assert np.abs(boxes[0, order] - half_boxes[0, half_order]).max() < 0.05
    assert np.abs(np.sort(scores) - np.sort(half_scores)).max() < 0.01


def test_a_weight_beyond_half_precision_is_named(tmp_path):
    model = toy_model()
    for item in model.graph.initializer:
        if item.name == "four_w":
            item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item) * np.float32(1e6), "four_w"))
    file = tmp_path / "m.onnx"
    onnx.save(model, str(file))
    with pytest.raises(ModelError, match="weight four_w reaches"):
        convert_fp16(prepare_fp32(file))


def test_a_model_without_convolutions_has_no_half_precision(tmp_path):
    file = tmp_path / "reference.onnx"
    make_reference_model(file)
    with pytest.raises(ModelError, match="no convolution"):
        convert_fp16(prepare_fp32(file))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"m\.onnx: cannot be read: No such file"):
        prepare_fp32(tmp_path / "m.onnx")


@pytest.mark.parametrize("raw", [b"", b"no protobuf at all", b"\x08\x08"])
def test_a_file_that_is_no_onnx_is_refused(tmp_path, raw):
    (tmp_path / "m.onnx").write_bytes(raw)
    with pytest.raises(ModelError, match=r"m\.onnx: is not an ONNX model"):
        prepare_fp32(tmp_path / "m.onnx")


def test_a_truncated_file_is_refused(tmp_path, toy):
    raw = toy.read_bytes()
    (tmp_path / "m.onnx").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ModelError, match=r"m\.onnx: "):
        prepare_fp32(tmp_path / "m.onnx")


def test_a_broken_graph_is_refused_in_the_checkers_words(tmp_path):
    model = toy_model()
    model.graph.node[12].input[0] = "nobody_makes_this"
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"m\.onnx: ONNX's checker refuses it: .*nobody_makes_this"):
        prepare_fp32(tmp_path / "m.onnx")


@pytest.mark.parametrize("opset", [12, 18])
def test_an_opset_that_tensorrt_8_does_not_read_is_refused(tmp_path, opset):
    model = toy_model()
    model.opset_import[0].version = opset
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=f"opset {opset}; export it with 17"):
        prepare_fp32(tmp_path / "m.onnx")


def test_a_model_that_is_no_fp32_is_refused(tmp_path, prepared):
    onnx.save(convert_fp16(prepared), str(tmp_path / "m.onnx"))
    with pytest.raises(ModelError, match="is not in FP32"):
        prepare_fp32(tmp_path / "m.onnx")


def test_weights_in_another_file_are_refused(tmp_path):
    model = toy_model()
    item = next(item for item in model.graph.initializer if item.name == "stem_w")
    item.external_data.add(key="location", value="elsewhere.bin")
    item.data_location = TensorProto.EXTERNAL
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"keeps 1 weights in a file beside it \(stem_w\)"):
        prepare_fp32(tmp_path / "m.onnx")


def test_operators_of_a_vendor_are_refused(tmp_path):
    model = toy_model()
    model.graph.node[0].domain = "com.vendor"
    model.opset_import.add(domain="com.vendor", version=1)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"operators of com\.vendor"):
        prepare_fp32(tmp_path / "m.onnx")


def test_writing_the_toy_twice_gives_the_same_bytes(tmp_path):
    assert write_toy(tmp_path / "a.onnx").read_bytes() == write_toy(tmp_path / "b.onnx").read_bytes()


def test_what_a_branch_takes_from_outside_is_kept():
    """torchvision's detectors have branches and loops: they read values of the graph around them by name alone."""
    text = """<ir_version: 8, opset_import: ["" : 17]>
        branched (float[1,3] x, bool yes) => (float[1,3] y)
        <float[3] w = {1, 2, 3}, float[3] unused = {1, 2, 3}>
        {
            outside = Mul (x, w)
            y = If (yes) <then_branch = a () => (float[1,3] t) { t = Identity (outside) },
                          else_branch = b () => (float[1,3] e) { e = Neg (x) }>
        }"""
    made = prepare_model(onnx.parser.parse_model(text), "branched.onnx")
    assert [item.name for item in made.graph.initializer] == ["w"]
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.ones((1, 3), np.float32), "yes": np.array(True)})
    assert found.tolist() == [[1, 2, 3]]
