"""Boards from folders: which to train on and which to test with, and tiles of one size for the GPU.

Holds no torch: arrays are numpy, and files are decoded by a few threads (OpenCV releases the GIL).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.labels import Asked, read_labelled
from aoi_daemon.kit.boards.labels import BoardsError, Pair, read_image

TILE_PX: Final = 640
# Label slots of a tile. DeepPCB has 15 at most, generated boards 11 by default.
SLOTS: Final = 32
NO_LABEL: Final = -1
IGNORE: Final = -2
# Bare substrate, where a tile reaches beyond a small board.
SUBSTRATE: Final = 255
# A label cut by a tile's rim is ignored rather than learnt, unless this part of it is inside.
ENOUGH: Final = 0.999


@dataclass(frozen=True)
class Tiles:
    """Training samples of one size.

    Attributes:
        images: uint8 [N, C, TILE_PX, TILE_PX], test and template, or C 1 and the test alone.
        boxes: float32 [N, SLOTS, 4], px.
        classes: int64 [N, SLOTS], 0-based, `NO_LABEL` where empty, `IGNORE` where cut by the rim.
        binary: bool [N], one-bit scans: only the levels 0 and 255 occur.
        areas: float32 [N, 4], x1 y1 x2 y2 px: where the part is; the rest is filled up.
    """

    images: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    binary: NDArray[np.bool_]
    areas: NDArray[np.float32]

    def chosen(self, places: Any) -> Tiles:
        """Those at `places`, an index or a slice."""
        return Tiles(*(getattr(self, field.name)[places] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.images)


def empty_tiles(count: int, channels: int = 2) -> Tiles:
    """Allocate tiles without labels."""
    return Tiles(
        np.zeros((count, channels, TILE_PX, TILE_PX), np.uint8),
        np.zeros((count, SLOTS, 4), np.float32),
        np.full((count, SLOTS), NO_LABEL, np.int64),
        np.zeros(count, np.bool_),
        np.tile(np.array([0, 0, TILE_PX, TILE_PX], np.float32), (count, 1)),
    )


def read_folders(folders: Iterable[Path], asked: Asked) -> list[Pair]:
    """Read several folders of parts, each sorted by name.

    Raises:
        BoardsError: as `read_labelled`, or the same folder is named twice.
    """
    pairs: list[Pair] = []
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() in seen:
            raise BoardsError(f"{folder}: named twice")
        seen.add(folder.resolve())
        pairs += read_labelled(folder, asked)
    return pairs


def split(pairs: Sequence[Pair], part: float) -> tuple[list[Pair], list[Pair]]:
    """Split off about `part` of the boards: of each 1 / part in name order, the last.

    0.2 takes every fifth. The split depends on the names alone, so it is the same on every machine.

    Raises:
        BoardsError: the part leaves one side empty.
    """
    step = round(1 / part) if 0.0 < part <= 0.5 else 0
    if step < 2 or len(pairs) < step:
        raise BoardsError(f"holdout: {part} of {len(pairs)} boards leaves nothing to train on or to test with")
    rest = [pair for i, pair in enumerate(pairs) if i % step != step - 1]
    return rest, [pair for i, pair in enumerate(pairs) if i % step == step - 1]


def read_both(pair: Pair, template: bool = True) -> NDArray[np.uint8]:
    """Decode test and template, uint8 [2, height_px, width_px]; without `template` the test alone, [1, ...].

    Raises:
        BoardsError: an image is unreadable or not of the size that its header said.
    """
    images = []
    for path in (pair.test_path, pair.template) if template else (pair.test_path,):
        image = read_image(path, pair.bits)
        if image.shape != (pair.height_px, pair.width_px):
            raise BoardsError(
                f"{path}: decodes to {image.shape[1]}x{image.shape[0]} px, "
                f"its header says {pair.width_px}x{pair.height_px}"
            )
        images.append(image)
    return np.stack(images)


def check_images(pairs: Sequence[Pair], threads: int, template: bool = True) -> None:
    """Decode all images and forget them.

    Raises:
        BoardsError: as `read_both`.
    """
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for _ in pool.map(partial(read_both, template=template), pairs):
            pass


def load_tiles(pairs: Sequence[Pair], threads: int, template: bool = True) -> Tiles:
    """Decode boards and cut them into tiles that cover them.

    Raises:
        BoardsError: an unreadable image, or more defects than `SLOTS` on one tile.
    """
    with ThreadPoolExecutor(max(1, threads)) as pool:
        parts = list(pool.map(partial(_cut, template=template), pairs))
    tiles = empty_tiles(sum(len(part) for part in parts), 1 + template)
    place = 0
    for part in parts:
        span = slice(place, place + len(part))
        tiles.images[span], tiles.boxes[span] = part.images, part.boxes
        tiles.classes[span], tiles.binary[span], tiles.areas[span] = part.classes, part.binary, part.areas
        place += len(part)
    return tiles


def fill_labels(tiles: Tiles, index: int, boxes: NDArray[np.int32], classes: NDArray[np.int32], name: str) -> None:
    """Write the labels of one tile; boxes are in the tile's px and may reach beyond it.

    Raises:
        BoardsError: more than `SLOTS` labels.
    """
    kept_boxes, kept_classes = [], []
    for box, kind in zip(boxes.astype(np.float32), classes, strict=True):
        inner = np.clip(box, 0, TILE_PX)
        area = float(np.prod(box[2:] - box[:2]))
        seen = float(np.prod(inner[2:] - inner[:2]))
        if seen <= 0:
            continue
        kept_boxes.append(inner)
        kept_classes.append(int(kind) if seen >= ENOUGH * area else IGNORE)
    if len(kept_boxes) > SLOTS:
        raise BoardsError(f"{name}: {len(kept_boxes)} defects on {TILE_PX}x{TILE_PX} px, at most {SLOTS} fit")
    tiles.classes[index] = NO_LABEL
    if kept_boxes:
        tiles.boxes[index, : len(kept_boxes)] = kept_boxes
        tiles.classes[index, : len(kept_classes)] = kept_classes


def is_binary(image: NDArray[np.uint8]) -> bool:
    """Are black and white the only levels? uint8 of any shape."""
    levels = np.bincount(image.ravel(), minlength=256)
    return int(levels[0] + levels[255]) == image.size


def _cut(pair: Pair, template: bool) -> Tiles:
    both = read_both(pair, template)
    starts_x, starts_y = _starts(pair.width_px), _starts(pair.height_px)
    tiles = empty_tiles(len(starts_x) * len(starts_y), len(both))
    tiles.images[:] = SUBSTRATE
    tiles.binary[:] = is_binary(both)
    for i, (y, x) in enumerate((y, x) for y in starts_y for x in starts_x):
        view = both[:, y : y + TILE_PX, x : x + TILE_PX]
        tiles.images[i, :, : view.shape[1], : view.shape[2]] = view
        tiles.areas[i, 2:] = view.shape[2], view.shape[1]
        shifted = pair.boxes - np.array([x, y, x, y], np.int32)
        fill_labels(tiles, i, shifted, pair.classes, str(pair.test_path))
    return tiles


def _starts(size_px: int) -> list[int]:
    """Where tiles begin to cover `size_px`, evenly overlapping."""
    count = math.ceil(size_px / TILE_PX)
    if count <= 1:
        return [0]
    return [round(i * (size_px - TILE_PX) / (count - 1)) for i in range(count)]
