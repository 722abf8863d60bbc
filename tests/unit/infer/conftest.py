"""Small ONNX models, and the manifests that fit them."""

import gc
import hashlib
import os

import onnx
import pytest

from aoi_daemon.config.recipe import Manifest, Model

# The contract: cheap, and its answer tells what it was given. Row 0 is a box at the brightest pixel's gray.
_PLAIN = """
<ir_version: 8, opset_import: ["" : 17]>
plain (uint8[1,{h},{w},{c}] image) => (float[1,100,4] boxes, float[1,100] scores, int32[1,100] classes)
{{
    bright = Cast <to = 1> (image)
    top = ReduceMax <keepdims = 0> (bright)
    box_shape = Constant <value_ints = [1, 100, 4]> ()
    row_shape = Constant <value_ints = [1, 100]> ()
    boxes = Expand (top, box_shape)
    scale = Constant <value_float = 255.0> ()
    share = Div (top, scale)
    scores = Expand (share, row_shape)
    none = Constant <value_float = 0.0> ()
    zeros = Mul (scores, none)
    classes = Cast <to = 6> (zeros)
}}
"""

# The same after {trips} matrix products of 128 x 128, none of which can be left out.
_SLOW = """
<ir_version: 8, opset_import: ["" : 17]>
slow (uint8[1,H,W,1] image) => (float[1,100,4] boxes, float[1,100] scores, int32[1,100] classes)
{{
    bright = Cast <to = 1> (image)
    top = ReduceMax <keepdims = 0> (bright)
    side = Constant <value_ints = [128, 128]> ()
    start = Expand (top, side)
    trips = Constant <value_int = {trips}> ()
    go = Constant <value_int = 1> ()
    keep = Cast <to = 9> (go)
    end = Loop (trips, keep, start) <body = work (int64 i, bool on, float[128,128] x)
        => (bool on_out, float[128,128] y) {{
        on_out = Identity (on)
        scale = Constant <value_float = 0.0078125> ()
        product = MatMul (x, x)
        y = Mul (product, scale)
    }}>
    none = Constant <value_float = 0.0> ()
    low = ReduceMin <keepdims = 0> (end)
    zero = Clip (low, none, none)
    box_shape = Constant <value_ints = [1, 100, 4]> ()
    row_shape = Constant <value_ints = [1, 100]> ()
    boxes = Expand (zero, box_shape)
    scores = Expand (zero, row_shape)
    classes = Cast <to = 6> (scores)
}}
"""


def write(file, text):
    file.write_bytes(onnx.parser.parse_model(text).SerializeToString())
    return file


@pytest.fixture
def manifest():
    """A manifest of one class; keywords replace what it says."""

    def make(**settings):
        model = Model(file="model.onnx", sha256=hashlib.sha256(b"").hexdigest())
        return Manifest(
            **{"name": "t", "classes": ("d",), "has_template": False, "models": {"fp32": model}, **settings}
        )

    return make


@pytest.fixture
def plain_model(tmp_path):
    """A file with the plain model; `text` is its source, to be changed."""

    def make(h="H", w="W", c=1, edit=lambda text: text):
        return write(tmp_path / "plain.onnx", edit(_PLAIN.format(h=h, w=w, c=c)))

    return make


@pytest.fixture
def slow_model(tmp_path):
    """A file with a model that takes `trips` times some 50 us."""

    def make(trips):
        return write(tmp_path / "slow.onnx", _SLOW.format(trips=trips))

    return make


@pytest.fixture
def thread_count():
    """How many threads this process has, those of libraries too."""
    # Sessions that an earlier test's traceback holds would end their threads in the middle of this one.
    gc.collect()
    return lambda: len(os.listdir("/proc/self/task"))
