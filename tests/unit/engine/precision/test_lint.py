"""Each rule is broken once, and found."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from aoi_daemon.engine.frames import list_frames
from aoi_daemon.engine.precision.calibrate import calibrate
from aoi_daemon.engine.precision.lint import lint_quantised
from aoi_daemon.engine.precision.quantize import quantise
from tests.unit.engine.toy_detector import insert_before


@pytest.fixture(scope="session")
def clean(prepared, boards):
    from aoi_daemon.config.recipe import Manifest, Model

    manifest = Manifest(name="x", classes=("a",), has_template=True, models={"fp32": Model(file="x", sha256="0" * 64)})
    frames = list_frames(boards, manifest)[:2]
    return quantise(prepared, calibrate(prepared, frames, threads=1, advance=lambda: None)["percentile"], frames[0])


@pytest.fixture
def model(clean):
    copy = onnx.ModelProto()
    copy.CopyFrom(clean)
    return copy


def node(model, name):
    return next(n for n in model.graph.node if n.name == name)


def replace(model, name, value):
    next(i for i in model.graph.initializer if i.name == name).CopyFrom(numpy_helper.from_array(value, name))


def test_what_we_write_is_clean(model):
    assert lint_quantised(model) == []


def test_a_float_model_is_not_quantised(prepared):
    assert lint_quantised(prepared)[0] == "model: has no QuantizeLinear, nothing is quantised"


def test_a_higher_opset_is_found(model):
    model.opset_import[0].version = 19
    assert lint_quantised(model) == ["model: opset 19; at most 17"]


def test_a_zero_point_off_zero_is_found_at_each_node(model):
    replace(model, "stem_r_zero_point", np.array(3, np.int8))
    assert lint_quantised(model) == [
        "QuantizeLinear stem_r_QuantizeLinear: has zero point 3; must be 0",
        "DequantizeLinear stem_r_DequantizeLinear: has zero point 3; must be 0",
    ]


def test_unsigned_bytes_are_found(model):
    replace(model, "stem_r_zero_point", np.array(0, np.uint8))
    assert lint_quantised(model)[0] == "QuantizeLinear stem_r_QuantizeLinear: is uint8; must be int8"


def test_a_missing_zero_point_means_unsigned(model):
    del node(model, "stem_r_QuantizeLinear").input[2]
    (problem,) = lint_quantised(model)
    assert problem.startswith("QuantizeLinear stem_r_QuantizeLinear: has no zero point, and so is uint8")


def test_half_precision_scales_are_found(model):
    replace(model, "stem_r_scale", np.array(0.1, np.float16))
    assert "QuantizeLinear stem_r_QuantizeLinear: its scale is float16; must be float32" in lint_quantised(model)


def test_a_scale_of_zero_is_found(model):
    replace(model, "stem_r_scale", np.array(0.0, np.float32))
    assert "QuantizeLinear stem_r_QuantizeLinear: its scale is 0; must be above 0" in lint_quantised(model)


def test_one_scale_for_all_channels_is_found(model):
    replace(model, "four_w_scale", np.full(1, 0.1, np.float32))
    replace(model, "four_w_zero_point", np.zeros(1, np.int8))
    assert lint_quantised(model) == ["Conv four: its weight has 1 scales for 8 channels; must be one a channel"]


def test_a_quantised_bias_is_found(model):
    scale = [helper.make_tensor("bias_scale", 1, [], [0.1]), helper.make_tensor("bias_zero", 3, [], [0])]
    model.graph.initializer.extend(scale)
    insert_before(
        model, "four",
        helper.make_node("QuantizeLinear", ["four_b", "bias_scale", "bias_zero"], ["bias_q"], name="bias_quantise"),
        helper.make_node("DequantizeLinear", ["bias_q", "bias_scale", "bias_zero"], ["bias_d"], name="bias_dequantise"),
    )  # fmt: skip
    node(model, "four").input[2] = "bias_d"
    assert lint_quantised(model) == ["Conv four: its bias bias_d is quantised; must be float"]


def test_a_weight_stored_as_bytes_is_found(model):
    quantised = helper.make_tensor("four_w_bytes", 3, [8, 8, 3, 3], [1] * 576)
    model.graph.initializer.append(quantised)
    node(model, "four_w_DequantizeLinear").input[0] = "four_w_bytes"
    (problem,) = lint_quantised(model)
    assert problem.startswith("DequantizeLinear four_w_DequantizeLinear: has no QuantizeLinear before it")


def test_a_residual_input_left_in_float_is_found(model):
    add = node(model, "joined")
    add.input[1] = "widen"
    assert lint_quantised(model) == ["Add joined: input widen is not quantised; both inputs must be"]


def test_half_a_convolution_is_found(model):
    node(model, "four").input[0] = "stem_r"
    assert lint_quantised(model) == ["Conv four: only its weight is quantised; both or none"]


@pytest.mark.parametrize(
    ("name", "part"), [("stem", "a first convolution (the stem)"), ("logits", "a last convolution (the head)")]
)
def test_a_quantised_stem_or_head_is_found(model, name, part):
    conv = node(model, name)
    source = "four_w" if name == "stem" else "side"
    for kind in ("QuantizeLinear", "DequantizeLinear"):
        copy = onnx.NodeProto()
        copy.CopyFrom(node(model, f"{source}_{kind}"))
        copy.name = f"extra_{kind}"
        copy.input[0] = conv.input[1] if kind == "QuantizeLinear" else "extra_q"
        copy.output[0] = "extra_q" if kind == "QuantizeLinear" else "extra_d"
        insert_before(model, name, copy)
    node(model, name).input[1] = "extra_d"
    kind = {"stem": "Conv stem", "logits": "Conv logits"}[name]
    assert f"{kind}: is {part} and quantised; must be float" in lint_quantised(model)


def test_a_layer_that_is_to_stay_in_float_and_is_quantised_is_found(model):
    assert lint_quantised(model, {"widen", "joined"}) == [
        "Conv widen: is to stay in float, and is quantised",
        "Add joined: is to stay in float, and an input is quantised; both or none",
    ]
