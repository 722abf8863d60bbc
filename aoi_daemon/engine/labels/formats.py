"""Which layout a folder's labels have, by what lies in it; and its parts, read by it.

Nothing is guessed: where a folder may be of two layouts, a person says which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np

from aoi_daemon.engine.labels import coco, voc, yolo
from aoi_daemon.engine.labels.deeppcb import read_pairs
from aoi_daemon.engine.labels.folders import folders_of, read_folders
from aoi_daemon.engine.labels.names import Names
from aoi_daemon.engine.labels.part import BoardsError, Pair
from aoi_daemon.errors import PictureError
from aoi_daemon.files.pairs import TEMPLATE, TEST, name_before
from aoi_daemon.pictures import list_pictures

Format = Literal["deeppcb", "yolo", "coco", "voc", "folders"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
_WORDS: Final[dict[Format, str]] = {
    "deeppcb": "NAME_test.png with NAME_temp.png and NAME.txt in px",
    "yolo": "NAME.png with NAME.txt in shares, images/ with labels/, or a data.yaml",
    "coco": "a JSON file of images, annotations, categories",
    "voc": "NAME.xml for each picture",
    "folders": "good/, bad/ or a folder for each class, with pictures",
}


@dataclass(frozen=True)
class Asked:
    """How labels are to be read.

    Attributes:
        classes: the model's, in its order.
        good: those of them that are no defect.
        layout: of the labels; None: by what lies in the folder.
        bits: depth of images whose samples have 16 bits; see `pictures`.
        need_templates: refuse a part without.
        need_defects: refuse a folder of good parts alone.
        named: whether a person said what the classes are: YOLO's numbers are of them, where no file says it.
        places: what of a bad part must be known. `boxes`: where each defect is; `any`: bad is enough; `frame`: it
            is of the complete picture, which is of the classes of its defects.
    """

    classes: tuple[str, ...]
    good: tuple[str, ...] = ()
    layout: Format | None = None
    bits: int | None = None
    need_templates: bool = True
    need_defects: bool = True
    named: bool = False
    places: Literal["boxes", "any", "frame"] = "boxes"


def read_labelled(folder: Path, asked: Asked) -> list[Pair]:
    """The labelled parts of a folder, every label checked against its picture.

    Raises:
        BoardsError: naming the file, its line or key, what is wrong and what to do.
    """
    if not folder.is_dir():
        raise BoardsError(f"{folder}: no such folder")
    layout = asked.layout or layout_of(folder)
    names = Names(asked.classes, asked.good)
    if layout == "deeppcb":
        pairs = read_pairs(
            folder, need_defects=False, class_count=len(asked.classes), need_templates=asked.need_templates
        )
        pairs = [_without_good(pair, names) for pair in pairs]
    elif layout == "yolo":
        pairs = yolo.read_yolo(folder, names, named=asked.named)
    else:
        pairs = {"coco": coco.read_coco, "voc": voc.read_voc, "folders": read_folders}[layout](folder, names)
    if asked.need_templates:
        for pair in pairs:
            _ = pair.template
    if asked.need_defects and all(pair.is_good for pair in pairs):
        if layout == "deeppcb":
            raise BoardsError(f"{folder}: all {len(pairs)} label files are empty, there is no defect to learn or test")
        raise BoardsError(f"{folder}: all {len(pairs)} parts are good, there is no defect to learn or test")
    return [replace(_placed(pair, asked), bits=asked.bits) for pair in pairs]


def layout_of(folder: Path) -> Format:
    """The layout of a folder's labels.

    Raises:
        BoardsError: it may be of several, or is of none that is read.
    """
    found = _evidence(folder)
    if len(found) > 1:
        each = "; ".join(f"{layout}: {_WORDS[layout]}" for layout in found)
        which = "|".join(found)
        raise BoardsError(f"{folder}: may be of {len(found)} layouts ({each}): say which with --labels {which}")
    if not found:
        each = "; ".join(f"{layout}: {words}" for layout, words in _WORDS.items())
        raise BoardsError(f"{folder}: holds no NAME_test.png, and no other labels that are read ({each})")
    return found[0]


def _evidence(folder: Path) -> list[Format]:
    try:
        pictures = list_pictures(folder)
    except PictureError as error:
        raise BoardsError(str(error)) from error
    tests = any(name_before(path, TEST) for path in pictures)
    found: list[Format] = ["deeppcb"] if tests else []
    found += ["yolo"] if yolo.place_of(folder) is not None else []
    found += ["coco"] if coco.files_of(folder) else []
    found += ["voc"] if voc.place_of(folder) is not None else []
    found += ["folders"] if not found and folders_of(folder) else []
    if not found and any(name_before(path, TEMPLATE) for path in pictures):
        return ["deeppcb"]  # what is missing of it, its reader says
    return found


def _without_good(pair: Pair, names: Names) -> Pair:
    """The pair without labels of what is no defect."""
    if not names.good:
        return pair
    kept = np.array([names.classes[kind] not in names.good for kind in pair.classes], np.bool_)
    return replace(pair, boxes=pair.boxes[kept], classes=pair.classes[kept])


def _placed(pair: Pair, asked: Asked) -> Pair:
    """The pair with as much of its places as is asked for."""
    if asked.places == "frame" and not pair.is_good:
        kinds = np.unique(pair.classes).astype(np.int32)
        boxes = np.tile(np.array([0, 0, pair.width_px, pair.height_px], np.int32), (len(kinds), 1))
        return replace(pair, boxes=boxes, classes=kinds, is_placed=True)
    if asked.places == "boxes" and not pair.is_placed:
        raise BoardsError(
            f"{pair.test_path}: nothing says where it is bad, and a detector is measured by that: draw "
            f"{pair.test_path.stem}_mask.png beside it, or give labels with boxes (yolo, coco, voc)"
        )
    return pair
