"""The boards as files, as the programs want them: YOLO's text, folders of classes, maps.

boards/DATA/images/{train,val}/*.png   with labels/ beside images/; DATA: outlines, turned
boards/classes/{train,val}/CLASS/*.png
boards/maps/{train,val}/*.png          0 good, else 1 + label, beside the pictures of `outlines`
boards/parts/{good,bad,masks}/*.png    good ones to learn from, and bad ones with masks
boards/{test,one}/{exact,larger,square}/*.{png,jpg}: what is compared; `one`: each of one class
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from tools.models.boards import CLASSES, GOOD, Board, boards, label_map

SEEDS: Final = {"train": 100, "val": 200, "exact": 300, "larger": 400, "square": 500}
TESTS: Final = 120
"""Pictures of each set that is compared."""
_STAMP: Final = "boards.json"


def write_boards(folder: Path, size_px: int, count: int) -> None:
    """Write all sets into `folder`, unless those are there already.

    Args:
        folder: made where it is missing.
        size_px: of the models: pictures are squares of it; those of `larger` are wider and higher, those of `square`
            are larger squares.
        count: to train with.
    """
    stamp = json.dumps({"size_px": size_px, "count": count, "tests": TESTS, "version": 2})
    if (folder / _STAMP).is_file() and (folder / _STAMP).read_text() == stamp:
        return
    for part, number in (("train", count), ("val", max(16, count // 20))):
        found = list(boards(number, size_px, size_px, SEEDS[part]))
        for data in ("outlines", "turned"):
            _write_yolo(folder / data, part, found, turned=data == "turned")
        for place, board in enumerate(found):
            _save(folder / "maps" / part / f"{place:05}.png", label_map(board))
        _write_classes(folder / "classes" / part, size_px, number, SEEDS[part] + 1)
    _write_parts(folder / "parts", size_px, max(32, count // 10))
    larger = (size_px * 3 // 2, size_px * 5 // 4)
    square = (size_px * 3 // 2, size_px * 3 // 2)
    for part, (width, height) in (("exact", (size_px, size_px)), ("larger", larger), ("square", square)):
        _write_tests(folder / "test" / part, boards(TESTS, width, height, SEEDS[part]))
        for place in range(TESTS):
            only = place % (len(CLASSES) + 1) - 1
            _write_tests(folder / "one" / part, boards(1, width, height, SEEDS[part] + 1000 + place, only=only), place)
    (folder / _STAMP).write_text(stamp)


def _write_yolo(folder: Path, part: str, found: Iterable[Board], *, turned: bool) -> None:
    for place, board in enumerate(found):
        _save(folder / "images" / part / f"{place:05}.png", board.image)
        height, width = board.image.shape[:2]
        lines = []
        for defect in board.defects:
            points = (defect.corners if turned else defect.outline) / (width, height)
            lines.append(" ".join([str(defect.label), *(f"{value:.6f}" for value in np.clip(points, 0, 1).ravel())]))
        file = folder / "labels" / part / f"{place:05}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines))
    names = {label: name for label, name in enumerate(CLASSES)}
    # JSON is YAML.
    data = {"path": str(folder.resolve()), "train": "images/train", "val": "images/val", "names": names}
    (folder / "data.yaml").write_text(json.dumps(data))


def _write_classes(folder: Path, size_px: int, count: int, seed: int) -> None:
    for place in range(count):
        only = place % (len(CLASSES) + 1) - 1
        name = GOOD if only < 0 else CLASSES[only]
        for board in boards(1, size_px, size_px, seed * 1_000_000 + place, only=only):
            _save(folder / name / f"{place:05}.png", board.image)


def _write_parts(folder: Path, size_px: int, count: int) -> None:
    for place, board in enumerate(boards(count, size_px, size_px, SEEDS["train"] + 2, only=-1)):
        _save(folder / "good" / f"{place:05}.png", board.image)
    for place, board in enumerate(boards(max(16, count // 4), size_px, size_px, SEEDS["val"] + 2)):
        if board.defects:
            _save(folder / "bad" / f"{place:05}.png", board.image)
            _save(folder / "masks" / f"{place:05}.png", (label_map(board) > 0).astype(np.uint8) * 255)


def _write_tests(folder: Path, found: Iterable[Board], first: int = 0) -> None:
    """Each second one as JPEG: two readers must give the same picture."""
    for place, board in enumerate(found, first):
        _save(folder / f"{place:05}.{'jpg' if place % 2 else 'png'}", board.image)


def _save(file: Path, image: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(file), image):
        raise OSError(f"{file}: cannot be written")
