"""Instance segmentations (segment): the masks of the best candidates become the task segment's maps. Pure.

A mask is what Ultralytics draws at the prototypes' size: where coefficients times prototypes are above 0, within the
candidate's box; a candidate without such a place has that of its centre, so that none vanishes. Each place of a class's
map holds the greatest score of the candidates whose masks cover it. So at any threshold the areas are the masks of the
candidates that reach it, and an area scores what its best candidate does. Duplicates need no suppression, and boxes
and areas are in steps of the prototypes' places, 4 px of the frame. Masks of one class that touch are one area.

Masks are drawn for the BEST candidates; a map holds everywhere at least what the best of the rest scores in its class.
Where that reaches the threshold, all of the map does, and the part is rejected whatever the recipe tolerates
(infer/decode/maps.py): what was left out may count, too. Decisions 53 and 54.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from aoi_daemon.config.tasks import ModelOutput
from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.described import Described, Tensor
from aoi_daemon.engine.exports.names import classes_of, good_of
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.told import NOTHING, Told
from aoi_daemon.engine.exports.yolo.heads import PLACES, count_of
from aoi_daemon.engine.exports.yolo.rows import BEYOND, between, scores_of
from aoi_daemon.errors import ModelError

BEST: Final = 100
"""Candidates whose masks are drawn: some ten for each thing that is seen."""
_BESIDE: Final = PLACES + 2
"""Columns of rows that are no coefficients: corners, score, class."""
_ROUNDING: Final = 1e-3


class _Candidates(NamedTuple):
    """Of n candidates, by tensor.

    Attributes:
        boxes: (1, 4, n), centre x and y, width and height in px.
        scores: (1, classes, n).
        coefficients: (1, k, n).
        dropped: (1, 1, 1), what the export itself left out scores no more; "": it left out nothing.
    """

    boxes: str
    scores: str
    coefficients: str
    dropped: str


def adapt_masks(sewn: Sewn, described: Described, told: Told = NOTHING) -> Adapted:
    """The task segment of [1, 4 + classes + k, n] or rows [1, n, 6 + k], and prototypes [1, k, h, w].

    Args:
        sewn: the file's graph behind the frame.
        described: what it is.
        told: classes in the model's order, and the good ones.

    Raises:
        ModelError: the outputs are others, leave sizes open, or do not fit the classes.
    """
    table, prototypes = _outputs(sewn, described)
    depth, height, width = prototypes.shape[1:]
    sizes = (sewn.height_px, sewn.width_px, depth, height, width, *table.shape[1:])
    if depth is None or height is None or width is None or None in sizes:
        raise ModelError(
            f"{sewn.source}: leaves open for what sizes it is; masks are drawn at a fixed one: give the frame's size, "
            "or export it for one (Ultralytics: imgsz, dynamic=False)"
        )
    candidates, names, n = _read(sewn, described, told, table, depth)
    good = good_of(names, told.good)
    task = ModelOutput(task="segment", classes=names, good_classes=good, best_only=True)
    counting = np.array([name not in good for name in names], np.float32).reshape(1, -1, 1)
    best, rest = _best(sewn, candidates, counting, n)
    masks = _masks(sewn, best, sewn.output(prototypes.name), (depth, height, width))
    maps = _maps(sewn, best, masks, len(names))
    doubt = _doubt(sewn, [*candidates[:3], sewn.output(prototypes.name)], candidates.scores)
    maps = sewn.put("Add", sewn.put("Max", maps, rest), doubt)
    maps = sewn.put("Reshape", maps, sewn.constant(np.array([1, len(names), height, width], np.int64)))
    model = sewn.finished({"maps": (maps, TensorProto.FLOAT, (1, len(names), height, width))})
    return Adapted(model, task, described.stride_px)


def _outputs(sewn: Sewn, described: Described) -> tuple[Tensor, Tensor]:
    """Candidates and prototypes, with the sizes that they have in the graph."""
    found = [Tensor(each.name, each.dtype, sewn.sizes_of(each.name)) for each in described.outputs]
    tables = [each for each in found if len(each.shape) == 3]
    prototypes = [each for each in found if len(each.shape) == 4]
    if len(tables) != 1 or len(prototypes) != 1:
        there = ", ".join(f"{each.name} {list(each.shape)}" for each in found)
        raise ModelError(
            f"{sewn.source}: outputs are {there}; expected candidates [1, .., n] and prototypes [1, k, h, w]"
        )
    return tables[0], prototypes[0]


def _read(
    sewn: Sewn, described: Described, told: Told, table: Tensor, depth: int
) -> tuple[_Candidates, tuple[str, ...], int]:
    """The candidates, the classes' names, and how many candidates there are."""
    rows, columns = table.shape[1:]
    # Candidates of heads are hundreds at least: no frame has as few as a row has columns.
    assert rows is not None and columns is not None
    if columns != _BESIDE + depth:
        count = count_of(sewn, table, rows, PLACES + depth)
        names = classes_of(told.classes, described.classes, count, sewn.source)
        sizes = sewn.constant(np.array([PLACES, count, depth], np.int64))
        boxes, scores, coefficients = sewn.put_several("Split", sewn.output(table.name), sizes, count=3, axis=1)
        return _Candidates(boxes, scores, coefficients, ""), names, columns
    names = classes_of(told.classes, described.classes, None, sewn.source)
    across = sewn.put("Transpose", sewn.output(table.name), perm=[0, 2, 1])
    sizes = sewn.constant(np.array([2, 2, 1, 1, depth], np.int64))
    first, last, score, label, coefficients = sewn.put_several("Split", across, sizes, count=5, axis=1)
    boxes = sewn.put("Concat", *between(sewn, first, last), axis=1)
    dropped = sewn.along("ReduceMin", score, 2)
    return _Candidates(boxes, scores_of(sewn, score, label, len(names)), coefficients, dropped), names, rows


def _best(sewn: Sewn, found: _Candidates, counting: NDArray[np.float32], n: int) -> tuple[_Candidates, str]:
    """The BEST candidates in the classes that count; and what the best of the rest score, (1, classes, 1)."""
    scores = sewn.put("Mul", found.scores, sewn.constant(counting))
    best, rest = found, ""
    if n > BEST:
        tops = sewn.along("ReduceMax", scores, 1, keeps=False)
        how_many = sewn.constant(np.array([BEST + 1], np.int64))
        values, places = sewn.put_several("TopK", tops, how_many, count=2, axis=1, largest=1, sorted=1)
        cut = sewn.constant(np.array([BEST, 1], np.int64))
        _, following = sewn.put_several("Split", values, cut, count=2, axis=1)
        kept, _ = sewn.put_several("Split", places, cut, count=2, axis=1)
        kept = sewn.put("Reshape", kept, sewn.constant(np.array([BEST], np.int64)))
        boxes, of_classes, coefficients = (sewn.put("Gather", each, kept, axis=2) for each in found[:3])
        best = _Candidates(boxes, of_classes, coefficients, found.dropped)
        # Equal scores may lie on both sides: those that were kept are counted as left out, never the other way.
        is_rest = sewn.put("Cast", sewn.put("LessOrEqual", tops, following), to=TensorProto.FLOAT)
        rest = sewn.along("ReduceMax", sewn.put("Mul", scores, is_rest), 2)
    if found.dropped:
        dropped = sewn.put("Mul", found.dropped, sewn.constant(counting))
        rest = sewn.put("Max", rest, dropped) if rest else dropped
    return best, rest or sewn.constant(np.zeros(counting.shape, np.float32))


def _masks(sewn: Sewn, best: _Candidates, prototypes: str, sizes: tuple[int, int, int]) -> str:
    """0 or 1 for each place and candidate, float32 (1, h * w, k)."""
    depth, height, width = sizes
    flat = sewn.put("Reshape", prototypes, sewn.constant(np.array([1, depth, height * width], np.int64)))
    # Candidates come last: ONNX Runtime finds the greatest along the last axis in a tenth of the time.
    logits = sewn.put("MatMul", sewn.put("Transpose", flat, perm=[0, 2, 1]), best.coefficients)
    zero, one = (sewn.constant(np.array(value, np.float32)) for value in (0, 1))
    drawn = sewn.put("Cast", sewn.put("Greater", logits, zero), to=TensorProto.FLOAT)
    assert sewn.width_px is not None and sewn.height_px is not None
    sides = sewn.constant(np.array([1, 1, 1, 1], np.int64))
    x, y, over, down = sewn.put_several("Split", best.boxes, sides, count=4, axis=1)
    in_x, at_x = _along(sewn, x, over, width, width / sewn.width_px)
    in_y, at_y = _along(sewn, y, down, height, height / sewn.height_px)
    masks = sewn.put("Mul", drawn, _rectangle(sewn, in_y, in_x, height * width))
    places = sewn.put("MatMul", sewn.constant(np.ones((1, 1, height * width), np.float32)), masks)
    is_empty = sewn.put("Sub", one, sewn.put("Min", places, one))
    return sewn.put("Max", masks, _rectangle(sewn, sewn.put("Mul", at_y, is_empty), at_x, height * width))


def _along(sewn: Sewn, centre: str, size: str, places: int, scale: float) -> tuple[str, str]:
    """Of candidates (1, 1, k), by place along one side, float32 (1, places, k): the box covers it; it is its centre."""
    numbers = sewn.constant(np.arange(places, dtype=np.float32).reshape(1, places, 1))
    by, half = sewn.constant(np.array(scale, np.float32)), sewn.constant(np.array(scale / 2, np.float32))
    middle, reach = sewn.put("Mul", centre, by), sewn.put("Mul", size, half)
    # As Ultralytics crops a mask: from the first place not before the box to the last one before its end.
    after = sewn.put("GreaterOrEqual", numbers, sewn.put("Sub", middle, reach))
    before = sewn.put("Less", numbers, sewn.put("Add", middle, reach))
    within = sewn.put("Cast", sewn.put("And", after, before), to=TensorProto.FLOAT)
    ends = [sewn.constant(np.array(value, np.float32)) for value in (0, places - 1)]
    nearest = sewn.put("Clip", sewn.put("Floor", middle), *ends)
    return within, sewn.put("Cast", sewn.put("Equal", numbers, nearest), to=TensorProto.FLOAT)


def _rectangle(sewn: Sewn, rows: str, columns: str, places: int) -> str:
    """The product of (1, h, k) and (1, w, k), (1, h * w, k)."""
    rows = sewn.put("Unsqueeze", rows, sewn.constant(np.array([2], np.int64)))
    columns = sewn.put("Unsqueeze", columns, sewn.constant(np.array([1], np.int64)))
    product = sewn.put("Mul", rows, columns)
    return sewn.put("Reshape", product, sewn.constant(np.array([1, places, -1], np.int64)))


def _maps(sewn: Sewn, best: _Candidates, masks: str, count: int) -> str:
    """(1, classes, h * w). Class by class: all at once they would be masks times classes, 1 GB for 100 classes."""
    sizes = sewn.constant(np.ones(count, np.int64))
    rows = sewn.put_several("Split", best.scores, sizes, count=count, axis=1)
    maps = [sewn.along("ReduceMax", sewn.put("Mul", masks, row), 2, keeps=False) for row in rows]
    axes = sewn.constant(np.array([1], np.int64))
    return sewn.put("Concat", *(sewn.put("Unsqueeze", each, axes) for each in maps), axis=1)


def _doubt(sewn: Sewn, tensors: list[str], scores: str) -> str:
    """0; no number where one of `tensors` holds none; far beyond 1 where a score is below 0: comparing loses both."""
    nothing = sewn.constant(np.array(0, np.float32))
    doubt = nothing
    for tensor in tensors:
        doubt = sewn.put("Add", doubt, sewn.put("Mul", sewn.put("ReduceSum", tensor, keepdims=0), nothing))
    rounding, beyond = (sewn.constant(np.array(value, np.float32)) for value in (_ROUNDING, BEYOND))
    below = sewn.put("Sub", sewn.put("Neg", sewn.put("ReduceMin", scores, keepdims=0)), rounding)
    return sewn.put("Add", doubt, sewn.put("Mul", sewn.put("Relu", below), beyond))
