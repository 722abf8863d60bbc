"""What of any export is refused, and that all of it is said at once."""

import pytest
from onnx import TensorProto, helper

from aoi_daemon.engine.exports.recognise import recognise
from aoi_daemon.errors import ModelError
from tests.unit.engine.exports import layouts
from tests.unit.engine.exports.layouts import written


def refusal(tmp_path, model):
    with pytest.raises(ModelError) as error:
        recognise(written(tmp_path, model))
    return str(error.value)


@pytest.mark.parametrize(("version", "is_taken"), [(10, False), (11, True), (22, True), (23, False)])
def test_opsets_have_bounds(tmp_path, version, is_taken):
    model = layouts.classify()
    model.opset_import[0].version = version
    if is_taken:
        recognise(written(tmp_path, model))
    else:
        assert f"is of opset {version}; export it with opset 17" in refusal(tmp_path, model)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
def test_weights_of_another_precision_are_refused(tmp_path, kind):
    model = layouts.yolo()
    model.graph.initializer.append(helper.make_tensor("half", kind, [4], [1.0] * 4))
    assert "export it in float32" in refusal(tmp_path, model)


@pytest.mark.parametrize(
    ("domain", "kind", "remedy"),
    [
        ("com.microsoft", "FusedConv", "optimised or fused by ONNX Runtime"),
        ("", "EfficientNMS_TRT", "plugins of TensorRT"),
        ("mmdeploy", "NMSRotated", "export it with ONNX's own operators"),
        ("", "NoSuchOperator", "export it with ONNX's own operators"),
    ],
)
def test_operators_of_others_are_named(tmp_path, domain, kind, remedy):
    net, made = layouts.heads()
    net.out(net.put(kind, made, domain=domain), "output0", (1, 7, 525))
    said = refusal(tmp_path, net.model(layouts.said()))
    assert kind in said
    assert remedy in said


def test_all_of_it_is_said_at_once(tmp_path):
    net, made = layouts.heads(net=layouts.Net(opset=23))
    scale = (net.weight(0.1), net.weight(0))
    net.out(net.put("DequantizeLinear", net.put("Odd", made), *scale), "output0", (1, 7, 525))
    said = refusal(tmp_path, net.model(layouts.said()))
    assert all(words in said for words in ("opset 23", "quantised already (DequantizeLinear)", "not ONNX's (Odd)"))


@pytest.mark.parametrize("lost", range(0, 13, 3))
def test_a_graph_that_does_not_hang_together_is_damaged(tmp_path, lost):
    model = layouts.yolo()
    del model.graph.node[lost]
    assert "is damaged: " in refusal(tmp_path, model)


@pytest.mark.parametrize(
    ("task", "words"),
    [("pose", "key points are not judged here"), ("depth", "depth is not judged here"), ("semantic", "class of each place alone"),
     ("track", "known are detect, segment, obb and classify")],
)  # fmt: skip
def test_tasks_that_are_not_judged_are_named_with_what_is(tmp_path, task, words):
    net, made = layouts.heads()
    net.out(made, "output0", (1, 7, 525))
    assert words in refusal(tmp_path, net.model(layouts.said(task)))
