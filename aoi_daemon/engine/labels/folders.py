"""Read parts that are sorted into folders: `good` and `bad`, or one for each class; with masks where there are some.

A mask is NAME_mask.png beside NAME.png, or in `ground_truth/FOLDER` beside the folder of these folders, as MVTec's
data sets have it. Without one nothing says where a part is bad.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from aoi_daemon.engine.labels.files import MASK, Pictures, pictures_of, sizes_of
from aoi_daemon.engine.labels.masks import read_mask, refuse_marked
from aoi_daemon.engine.labels.names import Names
from aoi_daemon.engine.labels.part import BoardsError, Pair

GOOD: Final = "good"
BAD: Final = "bad"
_OTHERS: Final = frozenset({"ground_truth", "images", "labels", "annotations", "jpegimages"})
"""Of other layouts, or of this one's masks."""


def folders_of(folder: Path) -> list[Path]:
    """The folders in `folder` that may hold sorted parts."""
    if not folder.is_dir():
        return []
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path for path in found if path.name.lower() not in _OTHERS and pictures_of(path).parts]


def read_folders(folder: Path, names: Names) -> list[Pair]:
    """The parts of all folders, named FOLDER-NAME.

    Raises:
        BoardsError: a folder is named after no class, or a mask is wrong; naming it.
    """
    folders = folders_of(folder)
    if not folders:
        raise BoardsError(f"{folder}: holds no folder of pictures: {GOOD}, {BAD}, or one named after each class")
    return [pair for each in folders for pair in _read(each, folder, names)]


def _read(folder: Path, above: Path, names: Names) -> list[Pair]:
    found = pictures_of(folder)
    masks = {**_elsewhere(above, folder.name), **found.masks}
    for name, mask in masks.items():
        if name not in found.parts:
            raise BoardsError(f"{mask}: the part that it is the mask of, {folder / name}.png, is missing")
    is_good = folder.name == GOOD or folder.name in names.good
    kind = None if is_good else _kind(folder, names)
    return [_pair(name, found, masks.get(name), names, folder=folder.name, kind=kind) for name in found.parts]


def _kind(folder: Path, names: Names) -> int | None:
    """The class of what lies in a folder of bad parts; None: only their masks can say it."""
    if folder.name in names.classes:
        return names.classes.index(folder.name)
    # A model of one class knows bad from good, whatever the defects are called.
    if len(names.defects) == 1:
        return names.only(str(folder))
    if folder.name != BAD:
        names.index(folder.name, str(folder))
    return None


def _pair(name: str, found: Pictures, mask: Path | None, names: Names, *, folder: str, kind: int | None) -> Pair:
    picture, template = found.parts[name], found.templates.get(name)
    size = sizes_of(picture, template)
    is_good = folder == GOOD or folder in names.good
    boxes, classes, is_placed = np.zeros((0, 4), np.int32), np.zeros(0, np.int32), True
    if is_good:
        if mask is not None:
            refuse_marked(mask, picture, size)
    elif mask is not None:
        boxes, classes = read_mask(mask, picture, names, kind, size).arrays()
    else:
        which = names.only(str(picture)) if kind is None else kind
        boxes, classes, is_placed = np.array([[0, 0, *size]], np.int32), np.array([which], np.int32), False
    return Pair(f"{folder}-{name}", picture, template, boxes, classes, *size, is_placed=is_placed)


def _elsewhere(above: Path, name: str) -> dict[str, Path]:
    """Masks of MVTec's layout."""
    place = above.absolute().parent / "ground_truth" / name
    if not place.is_dir():
        return {}
    shown = pictures_of(place)
    return {**{key.removesuffix(MASK): path for key, path in shown.parts.items()}, **shown.masks}
