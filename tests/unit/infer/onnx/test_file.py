"""What is read from an ONNX file without the package `onnx`."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.infer.onnx.file import declared, default_opset, has_half_scales, weights_elsewhere

_QUANTISED = """
<ir_version: 9, opset_import: [{domains}]>
q ({dtype}[1,8] x, {dtype} scale, int8 zero) => ({dtype}[1,8] y)
{{
    xq = QuantizeLinear (x, scale, zero)
    y = DequantizeLinear (xq, scale, zero)
}}
"""


def model(domains='"" : 17', dtype="float"):
    return onnx.parser.parse_model(_QUANTISED.format(domains=domains, dtype=dtype)).SerializeToString()


@pytest.mark.parametrize("version", [11, 17, 19, 200])
def test_the_opset_is_read(version):
    """Also one that takes two bytes, and beside other domains."""
    assert default_opset(model(f'"" : {version}')) == version
    assert default_opset(model(f'"com.microsoft" : 1, "" : {version}')) == version


@pytest.mark.parametrize("damaged", [b"", b"no model at all", b"\xff" * 40, model()[:-3], bytes(range(256))])
def test_a_damaged_file_has_no_opset(damaged):
    """Opening it tells what is wrong; this does not."""
    assert default_opset(damaged) in (0, 17)


def test_half_scales_are_possible_from_opset_19_on():
    """Ours are 17 at most and keep the fast kernels; a model without Q/DQ keeps them as well."""
    assert not has_half_scales(model('"" : 17'))
    assert has_half_scales(model('"" : 19', "float16"))
    plain = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 19]> p (float[1] x) => (float[1] y) { y = Neg (x) }'
    )
    assert not has_half_scales(plain.SerializeToString())


# -- what a file says of itself ---------------------------------------------------------------------

_FORKED = """
<ir_version: 8, opset_import: ["" : 17]>
forked (uint8[1,H,480,3] image, float[2] weight) => (float[1,6,any] heads, int64[1] label)
<float[2] weight = {1.0, 2.0}>
{
    floats = Cast <to = 1> (image)
    raw = Sigmoid (floats)
    handed = Identity (raw)
    heads = Identity (handed)
    label = ArgMax (weight)
}
"""


def test_inputs_outputs_and_what_they_come_out_of_are_read():
    """Weights that are listed as inputs, as old exporters do, are none."""
    forked = onnx.parser.parse_model(_FORKED)
    onnx.helper.set_model_props(forked, {"task": "detect", "names": "{0: 'Ö'}"})
    found = declared(forked.SerializeToString())
    assert found.inputs == (("image", "uint8", (1, None, 480, 3)),)
    assert found.outputs == (("heads", "float32", (1, 6, None)), ("label", "int64", (1,)))
    assert found.metadata == {"task": "detect", "names": "{0: 'Ö'}"}
    assert found.makers == {"heads": "Sigmoid", "label": "ArgMax"}


def tensor(name="w", location=None):
    """A weight that lies in the file, or in another."""
    made = onnx.numpy_helper.from_array(np.ones(2, np.float32), name)
    if location:
        made.ClearField("raw_data")
        made.data_location = onnx.TensorProto.EXTERNAL
        made.external_data.add(key="location", value=location)
    return made


def holding(where, made):
    """A model that has the tensor `made` at one of the places where tensors lie."""
    helper = onnx.helper
    graph = helper.make_graph([], "g", [], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    inner = helper.make_graph([], "inner", [], [], [made])
    if where == "initializer":
        model.graph.initializer.append(made)
    elif where == "constant":
        model.graph.node.append(helper.make_node("Constant", [], ["c"], value=made))
    elif where == "loop in a branch":
        loop = helper.make_node("Loop", ["n", "c", "x"], ["y"], body=inner)
        branch = helper.make_graph([loop], "branch", [], [])
        model.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=helper.make_graph([], "other", [], [])))
    elif where == "list of tensors":
        model.graph.node.append(helper.make_node("Custom", [], ["c"], domain="x", values=[made]))
    elif where == "list of graphs":
        model.graph.node.append(helper.make_node("Custom", [], ["c"], domain="x", bodies=[inner]))
    elif where == "function":
        node = helper.make_node("Constant", [], ["c"], value=made)
        model.functions.append(helper.make_function("x", "f", [], ["c"], [node], [helper.make_opsetid("", 17)]))
    elif where == "sparse":
        sparse = onnx.SparseTensorProto(values=made, indices=tensor("i"), dims=[9])
        model.graph.sparse_initializer.append(sparse)
    elif where == "training":
        model.training_info.add().algorithm.CopyFrom(inner)
    return model.SerializeToString()


PLACES = ("initializer", "constant", "loop in a branch", "list of tensors", "list of graphs", "function", "sparse", "training")


@pytest.mark.parametrize("where", PLACES)
def test_weights_in_another_file_are_found_wherever_they_stand(where):
    """By name."""
    assert weights_elsewhere(holding(where, tensor("far", "w.data"))) == ["far"]
    assert weights_elsewhere(holding(where, tensor("near"))) == []


def test_either_mark_of_it_is_enough():
    """A runtime may go by the place alone, or by the location."""
    only_place, only_location = tensor("a"), tensor("b")
    only_place.data_location = onnx.TensorProto.EXTERNAL
    only_location.external_data.add(key="location", value="w.data")
    assert weights_elsewhere(holding("initializer", only_place)) == ["a"]
    assert weights_elsewhere(holding("initializer", only_location)) == ["b"]


@settings(deadline=None)
@given(st.sampled_from([model(), holding("loop in a branch", tensor())]), st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(raw, data):
    """Cut, or with some bytes changed."""
    damaged = bytearray(raw[: data.draw(st.integers(0, len(raw)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for read in (declared, weights_elsewhere):
        try:
            read(bytes(damaged))
        except ValueError:
            pass
    assert default_opset(bytes(damaged)) >= 0


@pytest.mark.parametrize("raw", [b"no model at all", b"\xff" * 40, model()[:-3]])
def test_a_file_that_is_cut_or_none_is_refused(raw):
    for read in (declared, weights_elsewhere):
        with pytest.raises(ValueError):
            read(raw)
