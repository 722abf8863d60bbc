"""Read YOLO's labels: `class cx cy w h` a line, shares of the picture from 0 to 1; or a class and a polygon's corners.

Pictures and labels lie beside each other (NAME.png, NAME.txt), in `images` and `labels` of the folder, or the folder
is one of pictures below an `images` that has the same place below `labels`. What a class number means, data.yaml or
classes.txt says, in the folder or up to two above; or a person does, with --classes in the model's order. An empty
NAME.txt says that the part is good.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aoi_daemon.engine.labels.collected import Collected
from aoi_daemon.engine.labels.data_yaml import names_in
from aoi_daemon.engine.labels.files import (
    labels_of,
    pictures_of,
    refuse_turned,
    refuse_unlabelled,
    sizes_of,
    text_of,
)
from aoi_daemon.engine.labels.names import Names
from aoi_daemon.engine.labels.part import BoardsError, Pair

_NUMBER: Final = re.compile(r"[0-9]{0,6}\.?[0-9]{0,20}(?:[eE][+-]?[0-9]{1,2})?")
_NAMES: Final = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt")
_NO_LABELS: Final = frozenset({"classes", "readme.dataset", "readme.roboflow", "readme", "train", "val", "test"})
"""Texts that YOLO's tools leave beside the labels."""
_ROUNDING: Final = 1e-4
"""So far beyond 0 and 1 a share may be: six digits are written, centre and size each rounded."""


def place_of(folder: Path) -> tuple[Path, Path] | None:
    """Where pictures and labels of a YOLO data set lie; None: `folder` is none."""
    if (folder / "images").is_dir() and (folder / "labels").is_dir():
        return folder / "images", folder / "labels"
    parts = folder.absolute().parts
    if "images" in parts:
        at = len(parts) - 1 - parts[::-1].index("images")
        labels = Path(*parts[:at], "labels", *parts[at + 1 :])
        if labels.is_dir():
            return folder, labels
    if not folder.is_dir():
        return None
    texts = {name for name in labels_of(folder, ".txt") if name.lower() not in _NO_LABELS}
    beside = any(path.stem in texts and not path.stem.lower().endswith("_test") for path in folder.iterdir()
                 if path.suffix.lower() != ".txt")  # fmt: skip
    return (folder, folder) if beside or _names_file(folder, above=0) is not None else None


def read_yolo(folder: Path, names: Names, *, named: bool) -> list[Pair]:
    """The parts of a YOLO data set, board2 before board10.

    Args:
        folder: see the module.
        names: the model's classes.
        named: whether a person has said what they are: class numbers are of that list then, where no file says it.

    Raises:
        BoardsError: naming the file, line and value that is wrong.
    """
    pictures, labels = place_of(folder) or (folder, folder)
    found = pictures_of(pictures)
    if not found.parts:
        inside = sorted(path.name for path in pictures.iterdir() if path.is_dir())
        which = f"; name one of {', '.join(str(pictures / name) for name in inside[:5])}" if inside else ""
        raise BoardsError(f"{pictures}: holds no picture{which}")
    kinds = _kinds(folder, names, named=named)
    texts = {name: file for name, file in labels_of(labels, ".txt").items() if name.lower() not in _NO_LABELS}
    missing = f"its label file {{}}.txt is missing in {labels} (an empty one means a good part)"
    refuse_unlabelled(found.parts.values(), texts, missing)
    pairs = []
    for name, picture in found.parts.items():
        template = found.templates.get(name)
        width_px, height_px = sizes_of(picture, template)
        boxes, classes = _read(texts[picture.stem], picture, Collected(width_px, height_px), kinds).arrays()
        pairs.append(Pair(name, picture, template, boxes, classes, width_px, height_px))
    return pairs


class _Kinds:
    """What the class numbers of a data set mean."""

    def __init__(self, said: tuple[str, ...], names: Names) -> None:
        self._said, self._names = said, names

    def of(self, number: int, where: str) -> int | None:
        if number >= len(self._said):
            there = f"0 to {len(self._said) - 1}: {', '.join(self._said[:20])}"
            raise BoardsError(f"{where}: class {number}, allowed are {there}")
        return self._names.index(self._said[number], where)


def _kinds(folder: Path, names: Names, *, named: bool) -> _Kinds:
    file = _names_file(folder, above=2)
    if file is None and not named:
        raise BoardsError(
            f"{folder}: nothing says what the class numbers of these YOLO labels mean: put the data.yaml that the "
            "model was trained with into it, or say --classes a,b,c in the model's order"
        )
    return _Kinds(names.classes if file is None else names_in(file, text_of(file)), names)


def _names_file(folder: Path, *, above: int) -> Path | None:
    for place in (folder, *folder.absolute().parents[:above]):
        for name in _NAMES:
            if (place / name).is_file():
                return place / name
    return None


def _read(file: Path, picture: Path, into: Collected, kinds: _Kinds) -> Collected:
    width, height = sizes_of(picture, None)
    labelled = False
    for number, line in enumerate(text_of(file).split("\n"), 1):
        fields = line.split()
        if not fields:
            continue
        where = f"{file}:{number}"
        if not labelled:
            refuse_turned(picture)
            labelled = True
        shares = _shares(fields, where)
        if len(shares) == 4:
            (cx, cy, w, h) = shares
            box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
        else:
            box = (min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2]))
        if min(box) < -_ROUNDING or max(box) > 1 + _ROUNDING:
            raise BoardsError(f"{where}: {line.strip()[:80]!r} reaches beyond the picture: shares of it end at 0 and 1")
        corners = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
        into.add(where, corners, kinds.of(int(fields[0]), where))
    return into


def _shares(fields: list[str], where: str) -> list[float]:
    """The numbers behind the class: four, or a polygon's corners. Raises BoardsError."""
    layout = "a line is `class cx cy w h`, or a class and at least three corners `x y`, shares of the picture"
    if not re.fullmatch(r"[0-9]{1,4}", fields[0]):
        raise BoardsError(f"{where}: {fields[0][:40]!r} is no class number; {layout}")
    for text in fields[1:]:
        if not (_NUMBER.fullmatch(text) and any(char.isdecimal() for char in text)):
            raise BoardsError(f"{where}: {text[:40]!r} is no number from 0 to 1; {layout}")
    if len(fields) != 5 and (len(fields) < 7 or len(fields) % 2 == 0):
        raise BoardsError(f"{where}: the line has {len(fields)} numbers; {layout}")
    shares = [float(text) for text in fields[1:]]
    if max(shares) > 1 + _ROUNDING:
        raise BoardsError(
            f"{where}: {max(shares):g} is no share of the picture, 0 to 1: are these px, as DeepPCB's `x1 y1 x2 y2 "
            f"class` (--labels deeppcb)? {layout}"
        )
    return shares
