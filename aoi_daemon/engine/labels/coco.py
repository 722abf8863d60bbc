"""Read COCO's labels: one JSON file with `images`, `annotations` and `categories`.

It lies in the folder of the pictures, in its `annotations`, or in an `annotations` beside the folder under a name that
ends with the folder's (`instances_val2017.json` of `val2017`). Categories go by their names, so their ids may have
gaps. An image without annotations is a good part; boxes are taken from `bbox`, x y width height in px.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from aoi_daemon.engine.labels.collected import Collected
from aoi_daemon.engine.labels.files import Pictures, pictures_of, refuse_turned, sizes_of, text_of
from aoi_daemon.engine.labels.names import Names
from aoi_daemon.engine.labels.part import BoardsError, Pair

_MOST_BYTES: Final = 2**29
_KEYS: Final = ("images", "annotations", "categories")


def files_of(folder: Path) -> list[Path]:
    """The JSON files that may hold the labels of a folder, in the first place where there are any."""
    if not folder.is_dir():
        return []
    beside = folder.absolute().parent / "annotations"
    for place, pattern in ((folder, "*.json"), (folder / "annotations", "*.json"), (beside, f"*{folder.name}.json")):
        found = sorted(path for path in place.glob(pattern) if path.is_file() and not path.name.startswith("."))
        if found:
            return found
    return []


def read_coco(folder: Path, names: Names) -> list[Pair]:
    """The parts of a COCO data set, in the file's order.

    Raises:
        BoardsError: naming the file, the key and the value that is wrong.
    """
    files = files_of(folder)
    if len(files) != 1:
        there = f"which of {', '.join(path.name for path in files[:5])} is meant" if files else "holds no JSON file"
        raise BoardsError(f"{folder}: {there}: one file of COCO's is wanted, with the pictures that it is of")
    return _Reader(files[0], folder, names).read()


class _Image(NamedTuple):
    at: int
    name: Any
    size: tuple[int, int]


class _Label(NamedTuple):
    where: str
    row: dict[str, Any]


class _Reader:
    """One file, checked as it is read."""

    def __init__(self, file: Path, folder: Path, names: Names) -> None:
        self._file, self._folder, self._names = file, folder, names
        self._shown: dict[Path, Pictures] = {}
        """By folder: all that lies in those that the file names."""

    def read(self) -> list[Pair]:
        whole = self._parsed()
        categories = self._categories(whole["categories"])
        images = self._images(whole["images"])
        labels = self._labels(whole["annotations"], images)
        pairs: dict[str, Pair] = {}
        for key, image in images.items():
            where = f"images[{image.at}]"
            picture = self._picture(image.name, f"{where}.file_name")
            pair = self._pair(picture, image, labels[key], categories)
            if pairs.setdefault(pair.name, pair) is not pair:
                self._refuse(f"{where}.file_name", f"{image.name!r} is there already, or another of that name is")
        self._refuse_unnamed({pair.test_path for pair in pairs.values()})
        return list(pairs.values())

    def _parsed(self) -> dict[str, Any]:
        def no_number(text: str) -> NoReturn:
            raise ValueError(f"{text} is no number that JSON knows")

        try:
            whole = json.loads(text_of(self._file, _MOST_BYTES), parse_constant=no_number)
        except (ValueError, RecursionError) as error:
            raise BoardsError(f"{self._file}: is not JSON: {error}") from error
        for key in _KEYS:
            if not isinstance(whole, dict) or not isinstance(whole.get(key), list):
                self._refuse(key, "is no list: this is not a file of COCO's (images, annotations, categories)")
            for at, row in enumerate(whole[key]):
                if not isinstance(row, dict):
                    self._refuse(f"{key}[{at}]", "is no object")
        return dict(whole)

    def _categories(self, rows: Iterable[dict[str, Any]]) -> dict[int, str]:
        found: dict[int, str] = {}
        for at, row in enumerate(rows):
            key, name = self._whole(row, "id", f"categories[{at}]"), row.get("name")
            if not isinstance(name, str) or not name:
                self._refuse(f"categories[{at}].name", f"{name!r} is no name")
            if key in found or name in found.values():
                self._refuse(f"categories[{at}]", f"id {key} or name {name!r} is there already")
            found[key] = name
        return found

    def _images(self, rows: Iterable[dict[str, Any]]) -> dict[int, _Image]:
        found: dict[int, _Image] = {}
        for at, row in enumerate(rows):
            key = self._whole(row, "id", f"images[{at}]")
            if key in found:
                self._refuse(f"images[{at}].id", f"{key} is there already")
            size = self._whole(row, "width", f"images[{at}]"), self._whole(row, "height", f"images[{at}]")
            found[key] = _Image(at, row.get("file_name"), size)
        if not found:
            self._refuse("images", "are none")
        return found

    def _labels(self, rows: Iterable[dict[str, Any]], images: Iterable[int]) -> dict[int, list[_Label]]:
        found: dict[int, list[_Label]] = {key: [] for key in images}
        ids = set()
        for at, row in enumerate(rows):
            key, image = (self._whole(row, name, f"annotations[{at}]") for name in ("id", "image_id"))
            where = f"annotations[{at}] (id {key})"
            if key in ids:
                self._refuse(where, "the id is there already")
            ids.add(key)
            if image not in found:
                self._refuse(where, f"image_id {image} is none of the images")
            if row.get("iscrowd", 0) != 0:
                self._refuse(where, "iscrowd: is of several defects at once: label each of them, or take it out")
            found[image].append(_Label(where, row))
        return found

    def _pair(self, picture: Path, image: _Image, labels: Iterable[_Label], categories: dict[int, str]) -> Pair:
        if picture.parent not in self._shown:
            self._shown[picture.parent] = pictures_of(picture.parent)
        shown = self._shown[picture.parent]
        name = next((name for name, path in shown.parts.items() if path == picture), None)
        if name is None:
            self._refuse(f"images[{image.at}].file_name", f"{picture.name} is no picture that is read, or a template")
        template = shown.templates.get(name)
        size = sizes_of(picture, template)
        if size != image.size:
            found, said = (f"{width}x{height}" for width, height in (size, image.size))
            self._refuse(
                f"images[{image.at}]", f"says {said} px, {picture} is {found}: label it again, or export anew"
            )
        if labels:
            refuse_turned(picture)
        into = Collected(*size)
        for where, row in labels:
            category = self._whole(row, "category_id", where)
            if category not in categories:
                there = ", ".join(map(str, categories))
                self._refuse(where, f"category_id {category} is none of the categories ({there})")
            place = f"{self._file}: {where}"
            x, y, w, h = self._bbox(row.get("bbox"), where)
            into.add(place, (x, y, x + w, y + h), self._names.index(categories[category], place))
        inside = picture.parent.relative_to(self._folder).parts
        return Pair("-".join((*inside, name)), picture, template, *into.arrays(), *size)

    def _bbox(self, value: Any, where: str) -> tuple[float, ...]:
        numbers = isinstance(value, list) and len(value) == 4 and all(type(each) in (int, float) for each in value)
        if not numbers:
            self._refuse(f"{where}.bbox", f"{str(value)[:60]} is not four numbers, x y width height in px")
        return tuple(float(each) for each in value)

    def _picture(self, name: Any, where: str) -> Path:
        if not isinstance(name, str) or not name or Path(name).is_absolute() or ".." in Path(name).parts:
            self._refuse(where, f"{name!r} is no name of a picture in {self._folder}")
        found = next((path for path in (self._folder / name, self._folder / "images" / name) if path.is_file()), None)
        if found is None:
            self._refuse(where, f"the picture {self._folder / name} is missing")
        return found

    def _refuse_unnamed(self, named: Collection[Path]) -> None:
        """A picture beside those of the file that it does not name: nobody has said what is on it."""
        for shown in self._shown.values():
            for path in shown.parts.values():
                if path not in named:
                    raise BoardsError(f"{path}: is none of the images of {self._file.name}: label it, or take it away")

    def _whole(self, row: dict[str, Any], key: str, where: str) -> int:
        value = row.get(key)
        if type(value) is not int or value < 0:
            self._refuse(f"{where}.{key}", f"{str(value)[:40]!r} is no whole number from 0 up")
        return value

    def _refuse(self, where: str, what: str) -> NoReturn:
        raise BoardsError(f"{self._file}: {where}: {what}")
