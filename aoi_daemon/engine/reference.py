"""A model without training: what differs from the golden template is a defect.

Process: offline. It is the bundle of the tests and of a line that has no trained
one yet, and shows the contract of infer/executor.py in a page of ONNX.

The template is spread to an envelope: at each place the darkest and brightest
gray within REACH_PX, so the board may lie that far beside its template. What of
the frame is darker or brighter still, by more than TOLERANCE of the template's
contrast, counts as different. The difference is averaged over some 8 x 8 px, so
that the roughness of an edge or a speck of dust is no defect, and its peak in each
cell of 16 x 16 px is one candidate. Every second row and column is looked at:
after the blur the others tell nothing new.

So it finds spots from about 8 x 8 px on, and not a break in a trace that is
narrower than that: for those a bundle is trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from aoi_daemon.config.recipe import GoldenPart, Manifest, Model
from aoi_daemon.infer.bundle import MANIFEST

REACH_PX: Final = 2
TOLERANCE: Final = 20.0
"""In gray levels, where the template spans 255."""
FULL_SCORE: Final = 220.0
"""The mean difference that scores 1, as TOLERANCE. Score 0.5 was set on 400 generated boards
(aoi_daemon/kit/boards, seed 21): 4.3 % of the good ones rejected, 1.1 % of the bad ones passed."""
LEAST_CONTRAST: Final = 50.0
"""In gray levels as they come: a template without a board on it is not stretched to show its noise."""

CLASS_NAME: Final = "difference"

# One grid step is two pixels; a cell is 8 x 8 steps. The last cells may be smaller (ceil_mode), so no
# size of frame leaves a strip unlooked at. 100 zeros stand behind the cells: TopK(100) needs as many.
_GRAPH: Final = """
<ir_version: 8, opset_import: ["" : 17]>
reference (uint8[1,{height},{width},{channels}] image, uint8[1,{height},{width},{channels}] template)
    => (float[1,100,4] boxes, float[1,100] scores, int32[1,100] classes)
    <int64[1] best = {{100}}>
{{
    image_float = Cast <to = 1> (image)
    template_float = Cast <to = 1> (template)
    image_planes = Transpose <perm = [0, 3, 1, 2]> (image_float)
    template_planes = Transpose <perm = [0, 3, 1, 2]> (template_float)
    {gray}
    seen = AveragePool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (image_gray)
    golden = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (template_gray)
    golden_negative = Neg (golden)
    golden_both = Concat <axis = 1> (golden, golden_negative)
    allowed = MaxPool <kernel_shape = [{side}, {side}], strides = [2, 2],
                       pads = [{reach}, {reach}, {reach}, {reach}]> (golden_both)
    seen_negative = Neg (seen)
    seen_both = Concat <axis = 1> (seen, seen_negative)
    beyond_both = Sub (seen_both, allowed)
    beyond = ReduceMax <axes = [1], keepdims = 1> (beyond_both)
    brightest = ReduceMax <keepdims = 1> (golden)
    darkest = ReduceMin <keepdims = 1> (golden)
    span = Sub (brightest, darkest)
    least = Constant <value_float = {least}> ()
    contrast = Max (span, least)
    white = Constant <value_float = 255.0> ()
    gain = Div (white, contrast)
    stretched = Mul (beyond, gain)
    tolerance = Constant <value_float = {tolerance}> ()
    beyond_tolerance = Sub (stretched, tolerance)
    difference = Relu (beyond_tolerance)
    evidence = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (difference)
    cells = MaxPool <kernel_shape = [8, 8], strides = [8, 8], ceil_mode = 1> (evidence)

    full = Constant <value_float = {full}> ()
    none = Constant <value_float = 0.0> ()
    one = Constant <value_float = 1.0> ()
    shares = Div (cells, full)
    cell_scores = Clip (shares, none, one)
    row = Constant <value_ints = [1, -1]> ()
    flat = Reshape (cell_scores, row)
    fill_shape = Constant <value_ints = [1, 100]> ()
    fill = ConstantOfShape (fill_shape)
    candidates = Concat <axis = 1> (flat, fill)
    scores, place = TopK <axis = 1> (candidates, best)
    nothing = Mul (scores, none)
    classes = Cast <to = 6> (nothing)

    cells_shape = Shape (cells)
    frame_shape = Shape (image)
    second = Constant <value_ints = [1]> ()
    third = Constant <value_ints = [2]> ()
    fourth = Constant <value_ints = [3]> ()
    rows_int = Gather (cells_shape, third)
    columns_int = Gather (cells_shape, fourth)
    height_int = Gather (frame_shape, second)
    width_int = Gather (frame_shape, third)
    rows = Cast <to = 1> (rows_int)
    columns = Cast <to = 1> (columns_int)
    height = Cast <to = 1> (height_int)
    width = Cast <to = 1> (width_int)
    count = Mul (rows, columns)
    last = Sub (count, one)
    place_float = Cast <to = 1> (place)
    cell = Min (place_float, last)
    cell_row = Div (cell, columns)
    cell_y = Floor (cell_row)
    before = Mul (cell_y, columns)
    cell_x = Sub (cell, before)
    size = Constant <value_float = 16.0> ()
    x1 = Mul (cell_x, size)
    y1 = Mul (cell_y, size)
    x1_next = Add (x1, size)
    y1_next = Add (y1, size)
    x2 = Min (x1_next, width)
    y2 = Min (y1_next, height)
    depth = Constant <value_ints = [2]> ()
    x1_column = Unsqueeze (x1, depth)
    y1_column = Unsqueeze (y1, depth)
    x2_column = Unsqueeze (x2, depth)
    y2_column = Unsqueeze (y2, depth)
    boxes = Concat <axis = 2> (x1_column, y1_column, x2_column, y2_column)
}}
"""
_GRAY: Final = {
    1: "image_gray = Identity (image_planes) template_gray = Identity (template_planes)",
    3: "image_gray = ReduceMean <axes = [1], keepdims = 1> (image_planes)"
    " template_gray = ReduceMean <axes = [1], keepdims = 1> (template_planes)",
}


class GoldenPair(NamedTuple):
    """A golden part in memory: (H, W) or (H, W, C) uint8 each, and the verdict that it must get."""

    image: NDArray[np.uint8]
    template: NDArray[np.uint8]
    passed: bool


def make_reference_model(
    file: Path,
    *,
    channels: int = 1,
    size_px: tuple[int, int] | None = None,
    tolerance: float = TOLERANCE,
    full_score: float = FULL_SCORE,
) -> None:
    """Write the graph to `file`, ONNX opset 17, IR version 8 (onnxruntime 1.13 and later).

    Args:
        file: overwritten.
        channels: 1, or 3 whose mean is looked at.
        size_px: (height, width) of frames; None: any size from 16 x 16 px.
        tolerance: what beyond the envelope counts as none; gray levels where the template spans 255.
        full_score: the mean difference that scores 1; the same.
    """
    height, width = size_px or ("H", "W")
    model = onnx.parser.parse_model(
        _GRAPH.format(
            height=height, width=width, channels=channels, gray=_GRAY[channels],
            reach=REACH_PX, side=2 * REACH_PX + 1, least=LEAST_CONTRAST,
            tolerance=float(tolerance), full=float(full_score),
        )
    )  # fmt: skip
    onnx.checker.check_model(model, full_check=True)
    file.write_bytes(model.SerializeToString())


def make_reference_bundle(
    folder: Path, golden: Iterable[GoldenPair] = (), *, channels: int = 1, name: str = "reference"
) -> Manifest:
    """Write a bundle of the reference model into `folder`, made where it is missing.

    The verdicts of the golden pairs are taken as given; whoever opens the
    bundle for a line holds the model to them.

    Returns:
        The manifest, as written to manifest.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "reference.onnx"
    make_reference_model(model, channels=channels)
    parts = []
    for number, pair in enumerate(golden):
        image, template = f"golden{number:03d}_test.png", f"golden{number:03d}_temp.png"
        parts.append(
            GoldenPart(
                image=image,
                sha256=_write(folder / image, pair.image),
                template=template,
                template_sha256=_write(folder / template, pair.template),
                passed=pair.passed,
            )
        )
    manifest = Manifest(
        name=name,
        classes=(CLASS_NAME,),
        channels=3 if channels == 3 else 1,
        has_template=True,
        models={"fp32": Model(file=model.name, sha256=hashlib.sha256(model.read_bytes()).hexdigest())},
        golden=tuple(parts),
    )
    # Last: a folder whose writer was killed has no manifest, and is refused.
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def _write(file: Path, image: NDArray[np.uint8]) -> str:
    """Write a PNG; its SHA-256."""
    done, png = cv2.imencode(".png", image)
    if not done:
        raise ValueError(f"{file}: an image of shape {image.shape} and {image.dtype} is no PNG")
    raw = png.tobytes()
    file.write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()
