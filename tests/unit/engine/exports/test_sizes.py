"""What an export leaves open of its sizes."""

import onnx
import pytest

from aoi_daemon.engine.exports.sizes import batch_of, fix_sizes

_TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[{given}] x) => (float[{out}] y)
<float[{inner}] a>
{{ a = Relu (x) y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a) }}
"""


def parsed(given, out, inner=None):
    return onnx.parser.parse_model(_TEXT.format(given=given, out=out, inner=inner or given))


def sizes(value):
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims]


def test_a_batch_that_varies_is_one_everywhere():
    made = fix_sizes(parsed("N,3,H,W", "N,3,P,Q"), "x", "NCHW")
    assert sizes(made.graph.input[0]) == [1, 3, "H", "W"]
    assert sizes(made.graph.output[0]) == [1, 3, "P", "Q"]
    assert all(sizes(value)[0] == 1 for value in made.graph.value_info)


def test_the_frames_size_is_fixed_where_it_is_told():
    made = fix_sizes(parsed("N,3,H,W", "N,3,P,Q"), "x", "NCHW", (32, 48))
    assert sizes(made.graph.input[0]) == [1, 3, 32, 48]
    assert [sizes(v) for v in made.graph.value_info if v.name == "a"] == [[1, 3, 32, 48]]


def test_a_size_that_nothing_infers_is_fixed_by_its_name():
    """Behind an operator of which the sizes are not known; the name is the file's own word for them."""
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17, "mine" : 1]> '
        "g (float[N,3,H,W] x) => (float[N,3,H,W] y) { y = mine.Same (x) }"
    )
    assert sizes(fix_sizes(model, "x", "NCHW", (32, 48)).graph.output[0]) == [1, 3, 32, 48]


def test_what_was_noted_inside_at_another_size_is_forgotten():
    """Of the picture that the exporter was shown."""
    made = fix_sizes(parsed("N,3,H,W", "N,3,P,Q", inner="1,3,8,8"), "x", "NCHW", (32, 48))
    assert [sizes(v) for v in made.graph.value_info if v.name == "a"] == [[1, 3, 32, 48]]


def test_a_picture_of_channels_last_is_fixed_in_its_own_places():
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[N,H,W,3] x) => (float[N,H,W,3] y) { y = Relu (x) }'
    )
    made = fix_sizes(model, "x", "NHWC", (32, 48))
    assert sizes(made.graph.input[0]) == sizes(made.graph.output[0]) == [1, 32, 48, 3]


def test_a_picture_without_a_batch_is_fixed_too():
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[3,H,W] x) => (float[3,H,W] y) { y = Relu (x) }'
    )
    assert sizes(fix_sizes(model, "x", "NCHW", (32, 48)).graph.input[0]) == [3, 32, 48]
    assert batch_of(model, "x") == 1


def test_what_is_fixed_already_stays():
    model = parsed("2,3,32,48", "2,3,16,24")
    assert sizes(fix_sizes(model, "x", "NCHW").graph.input[0]) == [2, 3, 32, 48]
    assert batch_of(model, "x") == 2
    assert batch_of(parsed("N,3,H,W", "N,3,P,Q"), "x") is None


def test_another_size_than_the_files_is_refused():
    with pytest.raises(ValueError, match=r"takes pictures of 48 x 32 px alone, none of 64 x 32 px; export it"):
        fix_sizes(parsed("N,3,32,48", "N,3,16,24"), "x", "NCHW", (32, 64))


def test_a_size_that_the_inside_contradicts_is_refused():
    """Where a file left it open and its graph does not take it: said here, and not by the first part."""
    model = parsed("N,3,H,W", "N,3,16,24")
    with pytest.raises(ValueError, match=r"does not take one picture of 64 x 32 px .*export it for one picture"):
        fix_sizes(model, "x", "NCHW", (32, 64))


def test_what_was_given_is_left_as_it_is():
    model = parsed("N,3,H,W", "N,3,P,Q")
    before = model.SerializeToString()
    fix_sizes(model, "x", "NCHW", (32, 48))
    assert model.SerializeToString() == before
