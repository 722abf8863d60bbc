"""What a tensor is worth, where no picture goes into it."""

import numpy as np
import onnx
import pytest

from aoi_daemon.engine.exports.constants import constant_value

_GRAPH = onnx.parser.parse_model(
    """<ir_version: 8, opset_import: ["" : 17]>
    g (float[2] x) => (float[2] y)
    <float one = {1.0}>
    {
        half = Constant <value = float {0.5}> ()
        rest = Sub (one, half)
        as_is = Identity (rest)
        seen = Add (x, rest)
        y = Mul (seen, as_is)
    }"""
).graph


@pytest.mark.parametrize(("name", "value"), [("one", 1.0), ("half", 0.5), ("rest", 0.5), ("as_is", 0.5)])
def test_what_is_computed_of_constants_is_one(name, value):
    """An exporter that folds none leaves `1 - sensitivity` as it was written."""
    assert constant_value(_GRAPH, name) == value


@pytest.mark.parametrize("name", ["x", "seen", "y", "of no graph"])
def test_what_a_picture_goes_into_is_none(name):
    assert constant_value(_GRAPH, name) is None


def test_a_long_computation_is_not_followed():
    """A file may say what it likes."""
    nodes = "".join(f"a{i + 1} = Add (a{i}, a{i}) " for i in range(100))
    graph = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g (float[1] x) => (float y) <float a0 = {{1.0}}> '
        f"{{ {nodes} y = Identity (a100) }}"
    ).graph
    assert constant_value(graph, "y") is None
    assert constant_value(graph, "a20") == np.float32(2**20)
