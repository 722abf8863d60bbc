"""Read folders of labelled parts for training: boards with their templates, or parts without, boxes or masks.

Layout: `NAME_test.png`, its labels in `NAME.txt` as of DeepPCB (`x1 y1 x2 y2 class` a line, classes from 1, empty:
good) or in `NAME_mask.png`, and `NAME_temp.png` where parts are compared with a template. In a mask a pixel's level is
its class from 1, or any one level but 0 where there is one class; each connected piece becomes a box.

Why boxes: the line judges boxes and areas, and one head for all parts has one decoder, one INT8 calibration and one
agreement to prove on every back end. What a mask says beyond its box would be learnt and then thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import PictureError
from aoi_daemon.files.pairs import NamesError, name_before, parts_in
from aoi_daemon.kit.boards.labels import (
    CLASS_NAMES,
    BoardsError,
    Pair,
    image_size,
    read_image,
    read_label,
    read_pairs,
)
from aoi_daemon.kit.boards.options import DEEPPCB_MARGIN_PX
from aoi_daemon.pictures import list_pictures

MASK: Final = "_mask"


@dataclass(frozen=True)
class Asked:
    """What to read of a folder.

    Attributes:
        classes: names; ids in label files and levels in masks are 1 to their number.
        template: every part must have its template; else templates are left alone.
        bits: depth of all images whose samples have 16 bits.
        margin_px: on each side of a mask's piece, to make its box. As with the labels of DeepPCB and of generated
            boards, a box holds what is around the damage.
    """

    classes: tuple[str, ...] = CLASS_NAMES
    template: bool = True
    bits: int | None = None
    margin_px: int = DEEPPCB_MARGIN_PX


def read_parts(folder: Path, asked: Asked | None = None) -> list[Pair]:
    """List the folder's parts, sorted by name, every label checked against its image.

    Raises:
        BoardsError: no such folder, nothing in it, no defect in it, or a part without labels, with both kinds, or with
            labels that do not fit; with the template as `read_pairs` says.
    """
    asked = asked or Asked()
    try:
        pictures = sorted(list_pictures(folder)) if folder.is_dir() else []
    except PictureError as e:
        raise BoardsError(str(e)) from e
    masks = {name: path for path in pictures if (name := name_before(path, MASK)) is not None}
    if asked.template and not masks:
        return read_pairs(folder, class_count=len(asked.classes), bits=asked.bits)
    if not folder.is_dir():
        raise BoardsError(f"{folder}: no such folder")
    pairs = _parts(folder, pictures, masks, asked)
    if all(pair.is_good for pair in pairs):
        raise BoardsError(f"{folder}: none of the {len(pairs)} parts has a defect, there is nothing to learn or test")
    return pairs


def boxes_of(mask: NDArray[np.uint8], classes: int, margin_px: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Boxes int32 [N, 4] around a mask's connected pieces (8 neighbours), and their classes int32 [N], 0-based.

    Args:
        mask: uint8 (height_px, width_px), 0 good; a level is a class from 1, with one class it may be any one level.
        classes: how many there are.
        margin_px: grown on each side, cut at the image's border.

    Raises:
        BoardsError: a level beyond the classes, or with one class several levels (a JPEG's, or another's classes).
    """
    height_px, width_px = mask.shape
    levels = [int(level) for level in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)) if level]
    if classes > 1 and levels and levels[-1] > classes:
        raise BoardsError(
            f"level {levels[-1]}: with {classes} classes, levels are 0 (good) and 1 to {classes}, one a class"
        )
    if classes == 1 and len(levels) > 1:
        raise BoardsError(
            f"levels {', '.join(map(str, levels[:8]))}{', ...' if len(levels) > 8 else ''}: with one class a mask has "
            "0 and one other level; name all --classes, or save it as PNG without smoothing"
        )
    rows = []
    for kind, piece in [(0, mask > 0)] if classes == 1 else [(level - 1, mask == level) for level in levels]:
        count, _, stats, _ = cv2.connectedComponentsWithStats(piece.astype(np.uint8), connectivity=8)
        for x, y, width, height, _ in stats[1:count].tolist():
            low = max(0, x - margin_px), max(0, y - margin_px)
            rows.append((*low, min(width_px, x + width + margin_px), min(height_px, y + height + margin_px), kind))
    table = np.array(rows, np.int32).reshape(-1, 5)
    return np.ascontiguousarray(table[:, :4]), np.ascontiguousarray(table[:, 4])


def _parts(folder: Path, pictures: list[Path], masks: dict[str, Path], asked: Asked) -> list[Pair]:
    try:
        found = parts_in(pictures, sorted(entry for entry in folder.iterdir() if entry.is_file()))
    except NamesError as e:
        raise BoardsError(str(e)) from e
    if not found.tests:
        raise BoardsError(f"{folder}: holds no NAME_test.png")
    for name, path in sorted(masks.items()):
        if name not in found.tests:
            raise BoardsError(f"{path}: its part {name}_test.png is missing")
    pairs = []
    for name, test in sorted(found.tests.items()):
        if asked.template and name not in found.templates:
            raise BoardsError(f"{test}: its template {name}_temp.png is missing; parts without have --no-template")
        size = image_size(test)
        boxes, kinds = _labels(test, size, found.labels.get(name), masks.get(name), asked)
        template = found.templates.get(name) if asked.template else None
        pairs.append(Pair(name, test, cast("Any", template), boxes, kinds, *size, asked.bits))
    return pairs


def _labels(
    test: Path, size: tuple[int, int], label: Path | None, mask: Path | None, asked: Asked
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    if label is not None and mask is not None:
        raise BoardsError(f"{mask}: {label.name} has labels of the same part; take one of them away")
    if label is not None:
        return read_label(label, *size, len(asked.classes))
    if mask is None:
        raise BoardsError(f"{test}: it has neither NAME.txt nor NAME_mask.png (an empty NAME.txt means a good part)")
    levels = read_image(mask)
    if levels.shape[::-1] != size:
        raise BoardsError(f"{mask}: is {levels.shape[1]}x{levels.shape[0]} px, but {test.name} is {size[0]}x{size[1]}")
    try:
        return boxes_of(levels, len(asked.classes), asked.margin_px)
    except BoardsError as e:
        raise BoardsError(f"{mask}: {e}") from e
