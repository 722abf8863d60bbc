"""Read folders of labelled boards in DeepPCB's layout: test image, golden template, label file.

Layout: `NAME_test.png`, `NAME_temp.png` and `NAME.txt` with `x1 y1 x2 y2 class` a line, classes from 1.
An empty `NAME.txt` says that the board is good; a missing one is an error.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.labels.part import BoardsError, Pair, image_size
from aoi_daemon.errors import PictureError
from aoi_daemon.files.boxes import LabelError, read_boxes
from aoi_daemon.files.pairs import NamesError, Parts, parts_in
from aoi_daemon.pictures import list_pictures

CLASS_NAMES: Final = ("open", "short", "mousebite", "spur", "copper", "pin-hole")


def read_pairs(
    folder: Path, *, need_defects: bool = True, class_count: int = len(CLASS_NAMES), bits: int | None = None,
    need_templates: bool = True,
) -> list[Pair]:  # fmt: skip
    """List the folder's boards, sorted by name, every label checked against its images.

    Args:
        folder: holds the files directly; anything else in it is left alone.
        need_defects: refuse a folder in which every label file is empty.
        class_count: label ids are 1 to this.
        bits: see `Pair`.
        need_templates: refuse a board without; else it is one that has none.

    Raises:
        BoardsError: no such folder, nothing in it, a file of a trio is missing, unreadable or of another
            size, or a label line is not a box inside the image with a class from 1 to `class_count`.
    """
    tests, templates, labels = _list(folder)
    for name, path in sorted(tests.items()):
        if need_templates and name not in templates:
            raise BoardsError(f"{path}: its template {name}_temp.png is missing")
        if name not in labels:
            raise BoardsError(f"{path}: its label file {name}.txt is missing (an empty one means a good board)")
    for name, path in sorted(templates.items()):
        if name not in tests:
            raise BoardsError(f"{path}: its board {name}_test.png is missing")
    pairs = [
        replace(_read_pair(name, tests[name], templates.get(name), labels[name], class_count), bits=bits)
        for name in sorted(tests)
    ]
    if need_defects and all(pair.is_good for pair in pairs):
        raise BoardsError(f"{folder}: all {len(pairs)} label files are empty, there is no defect to learn or test")
    return pairs


def read_label(
    path: Path, width_px: int, height_px: int, class_count: int = len(CLASS_NAMES)
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Parse one label file into boxes int32 [N, 4] and 0-based classes int32 [N].

    Raises:
        BoardsError: a line that is not `x1 y1 x2 y2 class` with the box inside the image; with line and column.
    """
    try:
        boxes = read_boxes(path)
    except LabelError as error:
        raise BoardsError(str(error)) from error
    rows = []
    for line, columns, x1, y1, x2, y2, kind in boxes:
        inside = (0 <= x1 < width_px, 0 <= y1 < height_px, x1 < x2 <= width_px, y1 < y2 <= height_px)
        if not all(inside):
            raise BoardsError(
                f"{path}:{line}:{columns[inside.index(False)]}: box {x1} {y1} {x2} {y2} is not inside the image of "
                f"{width_px}x{height_px} px"
            )
        if not 1 <= kind <= class_count:
            raise BoardsError(f"{path}:{line}:{columns[4]}: class {kind}, allowed are 1 to {class_count}")
        rows.append((x1, y1, x2, y2, kind - 1))
    table = np.array(rows, np.int32).reshape(-1, 5)
    return np.ascontiguousarray(table[:, :4]), np.ascontiguousarray(table[:, 4])


def _list(folder: Path) -> Parts:
    """Test images, templates and label files of `folder`, each by board name."""
    try:
        files = sorted(entry for entry in folder.iterdir() if entry.is_file())
    except OSError as e:
        raise BoardsError(f"{folder}: no such folder" if not folder.exists() else f"{folder}: {e.strerror}") from e
    try:
        found = parts_in(list_pictures(folder), files)
    except (PictureError, NamesError) as error:
        raise BoardsError(str(error)) from error
    if not found.tests and not found.templates:
        raise BoardsError(f"{folder}: holds no NAME_test.png")
    return found


def _read_pair(name: str, test: Path, template: Path | None, label: Path, class_count: int) -> Pair:
    width_px, height_px = image_size(test)
    other = (width_px, height_px) if template is None else image_size(template)
    if other != (width_px, height_px):
        raise BoardsError(f"{template}: is {other[0]}x{other[1]} px, but {test.name} is {width_px}x{height_px}")
    boxes, classes = read_label(label, width_px, height_px, class_count)
    return Pair(name, test, template, boxes, classes, width_px, height_px)
