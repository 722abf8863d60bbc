"""Read Pascal VOC's labels: NAME.xml for each picture, beside it or in `Annotations` with the pictures in `JPEGImages`.

A file without objects says that the part is good. Boxes are `bndbox`, px; whether a tool counts the first pixel as 0 or
as 1 is one pixel, which no rule here looks at. Entities are refused before anything is parsed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NoReturn
from xml.etree import ElementTree

from aoi_daemon.engine.labels.collected import Collected
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

_NUMBER: Final = re.compile(r"-?[0-9]{1,6}(?:\.[0-9]{1,12})?")


def place_of(folder: Path) -> tuple[Path, Path] | None:
    """Where pictures and labels of a VOC data set lie; None: `folder` is none."""
    if (folder / "JPEGImages").is_dir() and (folder / "Annotations").is_dir():
        return folder / "JPEGImages", folder / "Annotations"
    return (folder, folder) if labels_of(folder, ".xml") else None


def read_voc(folder: Path, names: Names) -> list[Pair]:
    """The parts of a VOC data set, board2 before board10.

    Raises:
        BoardsError: naming the file, the object and the key that is wrong.
    """
    pictures, labels = place_of(folder) or (folder, folder)
    found, texts = pictures_of(pictures), labels_of(labels, ".xml")
    if not found.parts:
        raise BoardsError(f"{pictures}: holds no picture")
    missing = f"its label file {{}}.xml is missing in {labels} (one without objects means a good part)"
    refuse_unlabelled(found.parts.values(), texts, missing)
    pairs = []
    for name, picture in found.parts.items():
        template = found.templates.get(name)
        size = sizes_of(picture, template)
        boxes, classes = _Annotation(texts[picture.stem], picture, size, names).read().arrays()
        pairs.append(Pair(name, picture, template, boxes, classes, *size))
    return pairs


class _Annotation:
    """One file, checked as it is read."""

    def __init__(self, file: Path, picture: Path, size: tuple[int, int], names: Names) -> None:
        self._file, self._picture, self._size, self._names = file, picture, size, names

    def read(self) -> Collected:
        root = self._parsed()
        said = (root.findtext("filename") or "").strip()
        if said and Path(said.replace("\\", "/")).stem != self._picture.stem:
            self._refuse("filename", f"says {said[:60]!r}, and it is beside {self._picture.name}: of which one is it?")
        size = (int(self._number(root, "size/width", "")), int(self._number(root, "size/height", "")))
        if size != self._size:
            found, told = (f"{width}x{height}" for width, height in (self._size, size))
            self._refuse("size", f"says {told} px, {self._picture} is {found}: label it again, or export anew")
        into = Collected(*self._size)
        objects = root.findall("object")
        if objects:
            refuse_turned(self._picture)
        for number, each in enumerate(objects, 1):
            place = f"object {number}"
            name = (each.findtext("name") or "").strip()
            if (each.findtext("difficult") or "0").strip() != "0":
                self._refuse(
                    place, "difficult: who labelled it was not sure: take it out, or say 0 where it is a defect"
                )
            corners = [self._number(each, f"bndbox/{key}", f"{place}: ") for key in ("xmin", "ymin", "xmax", "ymax")]
            where = f"{self._file}: {place}"
            into.add(where, corners, self._names.index(name, where))
        return into

    def _parsed(self) -> ElementTree.Element:
        text = text_of(self._file)
        # As text, so that no encoding hides one: an entity may be a file of this machine, or a billion characters.
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise BoardsError(f"{self._file}: has a DOCTYPE or an ENTITY, which no labels have: take it out")
        try:
            root = ElementTree.fromstring(text)
        except (ElementTree.ParseError, ValueError) as error:
            raise BoardsError(f"{self._file}: is not XML: {error}") from error
        if root.tag != "annotation":
            self._refuse(root.tag[:40], "is no `annotation`: this is not a file of Pascal VOC's")
        return root

    def _number(self, of: ElementTree.Element, key: str, place: str) -> float:
        text = (of.findtext(key) or "").strip()
        if not _NUMBER.fullmatch(text):
            self._refuse(f"{place}{key}", f"{text[:40]!r} is no number of px")
        return float(text)

    def _refuse(self, where: str, what: str) -> NoReturn:
        raise BoardsError(f"{self._file}: {where}: {what}")
