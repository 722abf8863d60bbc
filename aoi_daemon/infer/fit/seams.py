"""A defect that several tiles see is one row, with the box of all of it. Pure.

Two rows of one class are one defect where what both tiles see of them is the same. That holds for a defect that lies
complete in one tile and is cut off in its neighbour, and for one that no tile has complete. Only of what has no such
partner and ends at its tile's border, a second question is asked: does it meet a row that ends at the border on the
other side, and has no partner either (a scratch that crosses at a slant); or does it lie within a row of the neighbour
(the end of one).

What is one gets the box around all of it and the greatest of the scores. So no defect is lost: a row that goes has
given its place to one of its class that contains it and scores no less. Two rows that one tile tells apart stay two,
whatever joins them elsewhere. Where it is doubtful, both stay: counted twice, a defect rejects what might be tolerated;
counted never, it would pass.

A model may see one thing many times, for the judgement to suppress. Such duplicates stay, but the box of each grows
as that of the best of them does, so that they are still duplicates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.infer.executor import Detections
from aoi_daemon.infer.fit.geometry import Plan

_AGREE: Final = 0.5
"""Intersection over union of what both tiles see of two rows."""
_GROWN_PX: Final = 2.0
"""On each side, before that is asked: a model's boxes are not exact, and of a strip of 1 px half would be missing."""
_AT_BORDER_PX: Final = 4.0
"""A box that ends so near to its tile's border is cut off there."""
_WITHIN: Final = 0.5
"""Share of a cut box that lies in a row of the neighbour."""
_SAME: Final = 0.5
"""Rows of one tile that overlap more are duplicates (IoU)."""
_MOST: Final = 3000
"""Rows; of more none is joined, which takes time that the part does not have. The judgement tells no more apart."""

_Boxes = NDArray[np.float32]
_Flags = NDArray[np.bool_]


class _Side(NamedTuple):
    """Of one tile: rows that are no duplicates of each other, their boxes (n, 4) and classes; and the tile."""

    rows: NDArray[np.intp]
    boxes: _Boxes
    classes: NDArray[np.int32]
    tile: _Boxes

    def meeting(self, area: _Boxes) -> _Side:
        """Those that reach into `area`."""
        meets = ((self.boxes[:, 2:] > area[:2]) & (self.boxes[:, :2] < area[2:])).all(axis=1)
        return _Side(self.rows[meets], self.boxes[meets], self.classes[meets], self.tile)


class Seams:
    """The tiles of one plan, and which of them see the same."""

    def __init__(self, plan: Plan) -> None:
        self._tiles = np.array(
            [(piece.x, piece.y, piece.x + piece.width, piece.y + piece.height) for piece in plan.pieces], np.float32
        )
        self._beside: list[tuple[int, int, _Boxes]] = []
        """Each pair of tiles that share something, and what: x1 y1 x2 y2."""
        for one in range(len(self._tiles)):
            for other in range(one + 1, len(self._tiles)):
                shared = _common(self._tiles[one], self._tiles[other])
                if (shared[2:] > shared[:2]).all():
                    self._beside.append((one, other, shared))

    def join(self, pieces: Sequence[Detections], least_score: float) -> Detections:
        """The rows of all tiles as rows of the frame; a defect that several see is one.

        Args:
            pieces: by tile, boxes in px of the frame.
            least_score: rows below count for no class, and stay as they are.
        """
        found = Detections(
            np.concatenate([piece.boxes for piece in pieces]),
            np.concatenate([piece.scores for piece in pieces]),
            np.concatenate([piece.classes for piece in pieces]),
        )
        asked = found.scores >= least_score
        # What is not finite is the judgement's to refuse: it looks at all rows.
        if not 2 <= np.count_nonzero(asked) <= _MOST or not np.isfinite(found.boxes).all():
            return found
        # A speck rejects the part as it is. It may stand for all that a model left out, and is lost in another's box.
        asked &= ~(np.abs(found.boxes[:, 2:] - found.boxes[:, :2]) < 1).all(axis=1)
        tile_of = np.repeat(np.arange(len(pieces)), [len(piece.scores) for piece in pieces])
        duplicates: dict[int, int] = {}
        sides: dict[int, _Side] = {}
        for tile in np.unique(tile_of[asked]).tolist():
            rows = _best_of(np.flatnonzero(asked & (tile_of == tile)), found, duplicates)
            sides[tile] = _Side(rows, found.boxes[rows], found.classes[rows], self._tiles[tile])
        groups = _Groups(tile_of, found.boxes)
        for one, other, shared in self._beside:
            if one in sides and other in sides:
                left, right = sides[one].meeting(shared), sides[other].meeting(shared)
                if left.rows.size and right.rows.size:
                    for a, b in _links(left, right, shared):
                        groups.link(a, b)
        return _joined(found, groups.members(), duplicates)


class _Groups:
    """Which rows are one: sets that are joined. Two of one tile that lie apart are not."""

    def __init__(self, tile_of: NDArray[np.intp], boxes: _Boxes) -> None:
        self._tile_of = tile_of
        self._boxes = boxes
        self._parent: dict[int, int] = {}
        self._rows: dict[int, list[int]] = {}

    def link(self, a: int, b: int) -> None:
        """The rows `a` and `b` are one, unless that would make one of two that a tile tells apart."""
        one, other = self._root(a), self._root(b)
        if one != other and not any(self._apart(i, j) for i in self._rows[one] for j in self._rows[other]):
            self._parent[one] = other
            self._rows[other] += self._rows.pop(one)

    def _apart(self, i: int, j: int) -> bool:
        if self._tile_of[i] != self._tile_of[j]:
            return False
        return not _areas(_common(_grown(self._boxes[i]), _grown(self._boxes[j])))

    def members(self) -> list[list[int]]:
        """Each set, of two or more."""
        return [rows for rows in self._rows.values() if len(rows) > 1]

    def _root(self, row: int) -> int:
        if row not in self._parent:
            self._parent[row] = row
            self._rows[row] = [row]
        while self._parent[row] != row:
            row = self._parent[row]
        return row


def _best_of(rows: NDArray[np.intp], found: Detections, duplicates: dict[int, int]) -> NDArray[np.intp]:
    """Of the `rows` of one tile those that are no duplicates; of which one each other is one, into `duplicates`."""
    rest = rows[np.argsort(-found.scores[rows], kind="stable")]
    kept = []
    while rest.size:
        best = rest[:1]
        kept.append(best[0])
        same = _iou(found.boxes[best], found.boxes[rest])[0] > _SAME
        same &= found.classes[rest] == found.classes[best]
        same[0] = True
        duplicates.update(dict.fromkeys(rest[same][1:].tolist(), int(best[0])))
        rest = rest[~same]
    return np.array(kept, np.intp)


def _links(left: _Side, right: _Side, shared: _Boxes) -> Iterator[tuple[int, int]]:
    """Which rows of two tiles are one, `shared` being what both see."""
    a, b = left.boxes, right.boxes
    same_class = left.classes[:, None] == right.classes
    a_seen, b_seen = _common(a, shared), _common(b, shared)
    free_a, free_b = np.ones(len(a), np.bool_), np.ones(len(b), np.bool_)
    agree = _iou(_grown(a_seen), _grown(b_seen)) * same_class
    for i, j in _mutual(agree, _AGREE):
        free_a[i] = free_b[j] = False
        yield int(left.rows[i]), int(right.rows[j])
    cut_a, cut_b = free_a & _cut(left, right), free_b & _cut(right, left)
    if not (cut_a.any() or cut_b.any()):
        return
    met = _areas(_common(a[:, None], b[None])) * same_class
    for i, j in _mutual(met * cut_a[:, None] * cut_b, 1e-6):
        cut_a[i] = cut_b[j] = False
        yield int(left.rows[i]), int(right.rows[j])
    within = met / np.maximum(_areas(a_seen), 1e-6)[:, None]
    for i in np.flatnonzero(cut_a & (within.max(axis=1) >= _WITHIN)).tolist():
        yield int(left.rows[i]), int(right.rows[within[i].argmax()])
    within = met / np.maximum(_areas(b_seen), 1e-6)
    for j in np.flatnonzero(cut_b & (within.max(axis=0) >= _WITHIN)).tolist():
        yield int(left.rows[within[:, j].argmax()]), int(right.rows[j])


def _mutual(values: NDArray[np.float32], least: float) -> list[tuple[int, int]]:
    """The pairs each of which is the other's greatest, and at least so much."""
    to, back = values.argmax(axis=1).tolist(), values.argmax(axis=0).tolist()
    return [(i, j) for i, j in enumerate(to) if back[j] == i and values[i, j] >= least]


def _cut(side: _Side, other: _Side) -> _Flags:
    """Whether each box ends at a border of its tile, and the `other` sees on there."""
    low = (side.boxes[:, :2] <= side.tile[:2] + _AT_BORDER_PX) & (other.tile[:2] < side.tile[:2])
    high = (side.boxes[:, 2:] >= side.tile[2:] - _AT_BORDER_PX) & (other.tile[2:] > side.tile[2:])
    return np.asarray((low | high).any(axis=1))


def _joined(found: Detections, groups: Sequence[Sequence[int]], duplicates: dict[int, int]) -> Detections:
    """One row for each group, the rest as it is; what is a duplicate of one of a group grows with it."""
    if not groups:
        return found
    boxes = found.boxes.copy()
    around: dict[int, _Boxes] = {}
    stays = np.ones(len(boxes), np.bool_)
    for rows in groups:
        box = np.concatenate((found.boxes[rows, :2].min(axis=0), found.boxes[rows, 2:].max(axis=0)))
        best = max(rows, key=lambda row: float(found.scores[row]))
        boxes[best] = box
        stays[rows] = False
        stays[best] = True
        around.update(dict.fromkeys(rows, box))
    for row, of in duplicates.items():
        if of in around:
            boxes[row, :2] = np.minimum(boxes[row, :2], around[of][:2])
            boxes[row, 2:] = np.maximum(boxes[row, 2:], around[of][2:])
    return Detections(boxes[stays], found.scores[stays], found.classes[stays])


def _common(a: _Boxes, b: _Boxes) -> _Boxes:
    """What boxes share; its corners are swapped where that is nothing."""
    return np.concatenate((np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])), axis=-1)


def _grown(boxes: _Boxes) -> _Boxes:
    return boxes + np.array((-_GROWN_PX, -_GROWN_PX, _GROWN_PX, _GROWN_PX), np.float32)


def _areas(boxes: _Boxes) -> NDArray[np.float32]:
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def _iou(a: _Boxes, b: _Boxes) -> NDArray[np.float32]:
    """(len(a), len(b)): intersection over union, 0..1."""
    shared = _areas(_common(a[:, None], b[None]))
    return np.asarray(shared / np.maximum(_areas(a)[:, None] + _areas(b)[None] - shared, 1e-6))
