"""A detector whose weights are written by hand, and boards that it can judge.

The graph has what the trained one has: bytes in, cast, layout and scale, a difference to the template, a
stem, residual Adds, an upsampled branch, two towers, peaks, TopK(100) and boxes in pixels. Its classes
are `bright` and `dark`: a patch brighter or darker than the template. A seeded share of every weight is
noise, so that precisions differ.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.engine.precision.prepare import convert_fp16, prepare_fp32

CLASSES = ("bright", "dark")
HALF_BOX_PX = 12
WIDTH = 8

_TEXT = """
<ir_version: 8, opset_import: ["" : {opset}]>
toy (uint8[1,{height},{width},1] image, uint8[1,{height},{width},1] template)
    => (float[1,100,4] boxes, float[1,100] scores, int32[1,100] classes)
{{
    image_float = Cast <to = 1> (image)
    template_float = Cast <to = 1> (template)
    image_planes = Transpose <perm = [0, 3, 1, 2]> (image_float)
    template_planes = Transpose <perm = [0, 3, 1, 2]> (template_float)
    image_scaled = Mul (image_planes, scale)
    template_scaled = Mul (template_planes, scale)
    image_normal = Add (image_scaled, shift)
    template_normal = Add (template_scaled, shift)
    signed = Sub (image_normal, template_normal)
    difference = Abs (signed)
    seen = Concat <axis = 1> (image_normal, template_normal, difference)
    stem = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (seen, stem_w, stem_b)
    stem_r = Relu (stem)
    four = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (stem_r, four_w, four_b)
    four_r = Relu (four)
    squeeze = Conv (four_r, squeeze_w, squeeze_b)
    squeeze_r = Relu (squeeze)
    widen = Conv <pads = [1, 1, 1, 1]> (squeeze_r, widen_w, widen_b)
    joined = Add (four_r, widen)
    joined_r = Relu (joined)
    eight = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (joined_r, eight_w, eight_b)
    eight_r = Relu (eight)
    deep = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (eight_r, deep_w, deep_b)
    deep_r = Relu (deep)
    down = Conv (deep_r, down_w, down_b)
    upper = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">
        (down, , twice)
    side = Conv (eight_r, side_w, side_b)
    lateral = Add (side, upper)
    lateral_r = Relu (lateral)
    class_tower = Conv <pads = [1, 1, 1, 1]> (lateral_r, class_tower_w, class_tower_b)
    class_tower_r = Relu (class_tower)
    logits = Conv (class_tower_r, class_w, class_b)
    reach_tower = Conv <pads = [1, 1, 1, 1]> (lateral_r, reach_tower_w, reach_tower_b)
    reach_tower_r = Relu (reach_tower)
    log_reach = Conv (reach_tower_r, reach_w, reach_b)

    best = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (logits)
    below = Sub (logits, best)
    sharp = Mul (below, thousand)
    above = Add (sharp, one)
    peak = Relu (above)
    probability = Sigmoid (logits)
    peaks = Mul (probability, peak)
    flat = Reshape (peaks, row)
    scores, top = TopK <axis = 1> (flat, hundred)
    index = Cast <to = 6> (top)
    logits_shape = Shape (logits)
    rows_long = Gather (logits_shape, two)
    columns_long = Gather (logits_shape, three)
    rows = Cast <to = 6> (rows_long)
    columns = Cast <to = 6> (columns_long)
    cells = Mul (rows, columns)
    classes = Div (index, cells)
    before = Mul (classes, cells)
    cell = Sub (index, before)
    cell_row = Div (cell, columns)
    row_start = Mul (cell_row, columns)
    cell_column = Sub (cell, row_start)
    row_float = Cast <to = 1> (cell_row)
    column_float = Cast <to = 1> (cell_column)
    y_cells = Add (row_float, half)
    x_cells = Add (column_float, half)
    x = Mul (x_cells, cell_px)
    y = Mul (y_cells, cell_px)
    reach_flat = Reshape (log_reach, four_rows)
    cell_one = Unsqueeze (cell, one_axis)
    cell_four = Concat <axis = 1> (cell_one, cell_one, cell_one, cell_one)
    reach_log = GatherElements <axis = 2> (reach_flat, cell_four)
    reach_cells = Exp (reach_log)
    reach = Mul (reach_cells, cell_px)
    left, up, right, low = Split <axis = 1> (reach)
    left_r = Reshape (left, row)
    up_r = Reshape (up, row)
    right_r = Reshape (right, row)
    low_r = Reshape (low, row)
    x1 = Sub (x, left_r)
    y1 = Sub (y, up_r)
    x2 = Add (x, right_r)
    y2 = Add (y, low_r)
    x1_u = Unsqueeze (x1, last_axis)
    y1_u = Unsqueeze (y1, last_axis)
    x2_u = Unsqueeze (x2, last_axis)
    y2_u = Unsqueeze (y2, last_axis)
    boxes = Concat <axis = 2> (x1_u, y1_u, x2_u, y2_u)
}}
"""


def toy_model(
    *, size_px: tuple[int, int] | None = None, noise: float = 0.02, gain: float = 16.0, opset: int = 17
) -> onnx.ModelProto:
    """The detector. `size_px` (height, width) or any; `gain` is how steeply a difference scores."""
    height, width = size_px or ("H", "W")
    model = onnx.parser.parse_model(_TEXT.format(height=height, width=width, opset=opset))
    rng = np.random.default_rng(3)
    values: dict[str, object] = {
        "scale": np.float32(2 / 255), "shift": np.float32(-1), "thousand": np.float32(1000),
        "one": np.float32(1), "half": np.float32(0), "cell_px": np.float32(8),
        "row": np.array([1, -1]), "hundred": np.array([100]), "two": np.array(2), "three": np.array(3),
        "four_rows": np.array([1, 4, -1]), "one_axis": np.array([1]), "last_axis": np.array([2]),
        "twice": np.array([1, 1, 2, 2], np.float32),
    }  # fmt: skip

    def conv(name, outputs, inputs, kernel, paths, bias=None):
        """A convolution that averages channel `source` into channel `target`, times a factor."""
        weight = rng.normal(0, noise, (outputs, inputs, kernel, kernel)).astype(np.float32)
        for target, source, factor in paths:
            weight[target, source] += factor / kernel**2
        values[f"{name}_w"] = weight
        values[f"{name}_b"] = np.zeros(outputs, np.float32) if bias is None else np.array(bias, np.float32)

    keep = [(0, 0, 1.0), (1, 1, 1.0)]
    # Image minus template is positive in channel 0, negative in channel 1: the bright and the dark.
    conv("stem", WIDTH, 3, 3, [(0, 0, 1.0), (0, 1, -1.0), (1, 0, -1.0), (1, 1, 1.0)])
    conv("four", WIDTH, WIDTH, 3, keep)
    conv("squeeze", WIDTH // 2, WIDTH, 1, keep)
    conv("widen", WIDTH, WIDTH // 2, 3, [(0, 0, 0.2), (1, 1, 0.2)])
    conv("eight", WIDTH, WIDTH, 3, keep)
    conv("deep", WIDTH, WIDTH, 3, keep)
    conv("down", WIDTH, WIDTH, 1, [(0, 0, 0.1), (1, 1, 0.1)])
    conv("side", WIDTH, WIDTH, 1, keep)
    conv("class_tower", WIDTH, WIDTH, 3, keep)
    conv("reach_tower", WIDTH, WIDTH, 3, [])
    conv("class", 2, WIDTH, 1, [(0, 0, gain), (1, 1, gain)], [-5.0, -5.0])
    conv("reach", 4, WIDTH, 1, [], [math.log(HALF_BOX_PX / 8)] * 4)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in values.items())
    for node in model.graph.node:
        node.name = node.output[0]
    onnx.checker.check_model(model, full_check=True)
    return model


def write_toy(file: Path, **options) -> Path:
    """Write the detector to `file`."""
    file.write_bytes(toy_model(**options).SerializeToString())
    return file


def write_bundle(folder: Path) -> Path:
    """Write a bundle of the detector in FP32 and FP16, without engines and golden parts."""
    folder.mkdir(parents=True, exist_ok=True)
    fp32 = prepare_fp32(write_toy(folder / "fp32.onnx"))
    (folder / "fp32.onnx").write_bytes(fp32.SerializeToString())
    (folder / "fp16.onnx").write_bytes(convert_fp16(fp32).SerializeToString())
    models = {
        name: Model(file=f"{name}.onnx", sha256=hashlib.sha256((folder / f"{name}.onnx").read_bytes()).hexdigest())
        for name in ("fp32", "fp16")
    }
    manifest = Manifest(name="toy", classes=CLASSES, has_template=True, stride_px=16, models=models)
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


def write_boards(folder: Path, count: int, *, seed: int, size_px: int = 96, good_every: int = 3) -> Path:
    """Write `count` boards with bright and dark patches; each `good_every`th is good."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    cells = size_px // 8
    for number in range(count):
        template = np.full((size_px, size_px), 128, np.uint8)
        template[:, (np.arange(size_px) // 12) % 2 == 0] = 100
        image = template.astype(np.int64) + rng.integers(-8, 9, template.shape)
        lines = []
        if number % good_every:
            # Far enough apart that no two are one: patches of 24 px on a grid of 48.
            places = [(r, c) for r in range(2, cells - 1, 6) for c in range(2, cells - 1, 6)]
            for k in rng.permutation(len(places))[: 1 + number % 3]:
                y, x = (8 * p + int(rng.integers(-2, 3)) for p in places[k])
                kind = int(rng.integers(2))
                patch = (slice(y - HALF_BOX_PX, y + HALF_BOX_PX), slice(x - HALF_BOX_PX, x + HALF_BOX_PX))
                image[patch] += (1, -1)[kind] * int(rng.integers(50, 100))
                lines.append(f"{x - HALF_BOX_PX} {y - HALF_BOX_PX} {x + HALF_BOX_PX} {y + HALF_BOX_PX} {kind + 1}\n")
        cv2.imwrite(str(folder / f"b{number:03d}_test.png"), np.clip(image, 0, 255).astype(np.uint8))
        cv2.imwrite(str(folder / f"b{number:03d}_temp.png"), template)
        (folder / f"b{number:03d}.txt").write_text("".join(lines))
    return folder


def insert_before(model: onnx.ModelProto, name: str, *nodes: onnx.NodeProto) -> None:
    """Put `nodes` in front of the node `name`, which keeps the graph in order."""
    order = list(model.graph.node)
    at = next(i for i, n in enumerate(order) if n.name == name)
    order[at:at] = nodes
    copies = [onnx.NodeProto.FromString(n.SerializeToString()) for n in order]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def tensor_types(model: onnx.ModelProto) -> dict[str, int]:
    """Element type by name of every input and output of the graph."""
    return {v.name: v.type.tensor_type.elem_type for v in (*model.graph.input, *model.graph.output)}


UINT8, FLOAT, INT32 = TensorProto.UINT8, TensorProto.FLOAT, TensorProto.INT32
make_node = helper.make_node
