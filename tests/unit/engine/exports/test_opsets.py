"""Any opset from 11 to 22, for the steps and back ends that read 13 to 17."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

from aoi_daemon.engine.exports.opsets import to_common
from aoi_daemon.engine.precision.graph import opset

_BODY = "y = Relu (x)"


def parsed(version, body=_BODY, sizes="1,4,6,8"):
    return onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {version}], metadata_props: ["task": "classify"]>'
        f"g (float[1,4,6,8] x) => (float[{sizes}] y) {{ {body} }}"
    )


def answer(model, x):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("version", range(11, 23))
def test_each_opset_is_brought_to_one_that_everything_reads(version):
    """And what the exporter says beside the graph stays: a bundle is checked against it."""
    made, note = to_common(parsed(version))
    assert 13 <= opset(made) <= 17
    assert bool(note) == (not 13 <= version <= 17)
    assert {entry.key: entry.value for entry in made.metadata_props} == {"task": "classify"}


@pytest.mark.parametrize("version", [9, 10, 23, 25])
def test_other_opsets_are_refused_with_the_one_to_export(version):
    with pytest.raises(ValueError, match=rf"opset {version}; export it with opset 17"):
        to_common(parsed(version))


def test_a_softmax_of_before_13_keeps_its_meaning():
    """It was over all dimensions behind its axis then, and is over that axis alone now."""
    model = parsed(11, "y = Softmax <axis = 1> (x)")
    x = np.random.default_rng(0).standard_normal((1, 4, 6, 8), np.float32)
    made, note = to_common(model)
    assert note == "opset 11 was brought to 13"
    assert np.allclose(answer(made, x), answer(model, x), atol=1e-6)
    assert answer(made, x).sum() == pytest.approx(1, abs=1e-4)


def test_what_cannot_be_brought_down_keeps_its_opset_and_says_what_that_costs():
    made, note = to_common(parsed(18, "y = ReduceMean <noop_with_empty_axes = 1> (x)"))
    assert opset(made) == 18
    assert "opset 18 is kept (ReduceMean over no axes): TensorRT 8.6 reads 17 at most, and there is no INT8" in note


def test_functions_of_the_file_are_spelled_out():
    """Names get a prefix, and steps look for operators, in the graph alone."""
    model = parsed(17)
    double = helper.make_function(
        "mine", "Double", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    model.functions.append(double)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    model.graph.node[0].CopyFrom(helper.make_node("Double", ["x"], ["y"], domain="mine"))
    made, _ = to_common(model)
    assert [node.op_type for node in made.graph.node] == ["Add"]
    assert not made.functions
