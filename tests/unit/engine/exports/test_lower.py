"""Opset 18 to 22, written as 17 has it."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from aoi_daemon.engine.exports.lower import lowered
from aoi_daemon.engine.precision.graph import opset

_TEXT = """
<ir_version: 8, opset_import: ["" : {opset}]>
g (float[1,4,6,8] x) => (float[{sizes}] y) {{ {body} }}
"""
_GRID = "grid = Constant <value = float[1,2,2,2] {-0.9, -0.5, 0.3, 0.1, 0.7, -0.2, 0.4, 1.0}> ()"

SAME = [
    (18, "1,4,1,1", "axes = Constant <value = int64[2] {2, 3}> () y = ReduceMean <keepdims = 1> (x, axes)"),
    (18, "1,4,1,8", "axes = Constant <value = int64[1] {-2}> () y = ReduceMax <noop_with_empty_axes = 1> (x, axes)"),
    (20, "1,1,1,1", "y = ReduceMin (x)"),
    (22, "1,4,6,8", "axes = Constant <value = int64[1] {1}> () a = ReduceL2 (x, axes) y = Div (x, a)"),
    (18, "1,2,6,8", "y, rest = Split <axis = 1, num_outputs = 2> (x)"),
    (18, "1,1,6,8", "parts = Constant <value = int64[2] {1, 3}> () y, rest = Split <axis = 1> (x, parts)"),
    (18, "1,4,8,8", "pads = Constant <value = int64[8] {0,0,1,0,0,0,1,0}> () y = Pad (x, pads)"),
    (
        19, "1,4,12,16",
        "scales = Constant <value = float[4] {1.0, 1.0, 2.0, 2.0}> () "
        'y = Resize <mode = "linear", antialias = 0, keep_aspect_ratio_policy = "stretch"> (x, , scales)',
    ),
    (20, "1,4,2,2", f'{_GRID} y = GridSample <mode = "linear", padding_mode = "zeros"> (x, grid)'),
    (20, "1,4,2,2", f'{_GRID} y = GridSample <mode = "cubic"> (x, grid)'),
    (18, "1,4,2,2", f'{_GRID} y = GridSample <mode = "bilinear"> (x, grid)'),
    (20, "1,4,6,8", "y = Gelu (x)"),
    (20, "1,4,6,8", 'y = Gelu <approximate = "tanh"> (x)'),
    (22, "1,4,6,8", "y = Mish (x)"),
    (22, "1,4,5,7", "y = AveragePool <kernel_shape = [2, 2], dilations = [1, 1]> (x)"),
    (21, "1,4,6,8", "whole = Cast <to = 7, saturate = 1> (x) y = Cast <to = 1> (whole)"),
    (22, "4,48", "sizes = Constant <value = int64[2] {4, 48}> () y = Reshape (x, sizes)"),
    (
        18, "1,4,6,8",
        "yes = Constant <value = bool {1}> () "
        "y = If (yes) <then_branch = t () => (float[1,4,6,8] a) { axes = Constant <value = int64[1] {1}> () "
        "m = ReduceMean (x, axes) a = Sub (x, m) }, else_branch = e () => (float[1,4,6,8] b) { b = Identity (x) }>",
    ),
]  # fmt: skip
"""(opset, sizes of what comes out, graph): what means the same in 17, in the main graph or in one inside."""

OTHER = [
    (18, "1,4,6,8", 'pads = Constant <value = int64[2] {0, 0}> () axes = Constant <value = int64[1] {2}> () '
     "y = Pad (x, pads, , axes)", "Pad with axes"),
    (19, "1,4,8,8", 'pads = Constant <value = int64[8] {0,0,1,0,0,0,1,0}> () y = Pad <mode = "wrap"> (x, pads)', "wrap"),
    (18, "1,2,6,8", "y, b, c = Split <axis = 1, num_outputs = 3> (x)", "Split by number"),
    (18, "1,4,6,8", "y = ReduceMean <noop_with_empty_axes = 1> (x)", "no axes"),
    (18, "1,4,3,4", "scales = Constant <value = float[4] {1.0, 1.0, 0.5, 0.5}> () "
     'y = Resize <mode = "linear", antialias = 1> (x, , scales)', "antialias"),
    (18, "1,4,12,16", "scales = Constant <value = float[2] {2.0, 2.0}> () "
     'y = Resize <mode = "linear", axes = [2, 3]> (x, , scales)', "axes"),
    (19, "1,4,12,16", "scales = Constant <value = float[4] {1.0, 1.0, 2.0, 2.0}> () "
     'y = Resize <mode = "linear", coordinate_transformation_mode = "half_pixel_symmetric"> (x, , scales)',
     "half_pixel_symmetric"),
    (19, "1,4,4,6", "y = AveragePool <kernel_shape = [2, 2], dilations = [2, 2]> (x)", "dilations"),
    (18, "1,4,6,8", "a = Cast <to = 6> (x) b = BitwiseNot (a) y = Cast <to = 1> (b)", "BitwiseNot is not in opset 17"),
]  # fmt: skip
"""The same, and what of it opset 17 does not have."""


def parsed(version, sizes, body):
    return onnx.parser.parse_model(_TEXT.format(opset=version, sizes=sizes, body=body))


def answer(model):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.random.default_rng(1).standard_normal((1, 4, 6, 8), np.float32)})[0]


@pytest.mark.parametrize(("version", "sizes", "body"), SAME)
def test_what_17_can_say_is_said_so_and_means_the_same(version, sizes, body):
    model = parsed(version, sizes, body)
    made = lowered(model, 17)
    assert opset(made) == 17
    assert np.allclose(answer(made), answer(model), atol=1e-6)
    assert opset(model) == version, "what was given is left as it is"


@pytest.mark.parametrize(("version", "sizes", "body", "why"), OTHER)
def test_what_17_cannot_say_is_not_left_out(version, sizes, body, why):
    """A graph that only looks alike would be served with other numbers."""
    with pytest.raises(ValueError, match=why):
        lowered(parsed(version, sizes, body), 17)


def test_axes_that_are_computed_cannot_become_an_attribute():
    body = (
        "shape = Shape (x) one = Constant <value = int64[1] {1}> () axes = Mod (shape, one) "
        "some = Slice (axes, zero, one) y = ReduceMean (x, some)"
    )
    body = "zero = Constant <value = int64[1] {0}> () " + body
    with pytest.raises(ValueError, match="ReduceMean over axes that are computed"):
        lowered(parsed(18, "1,4,6,8", body), 17)
