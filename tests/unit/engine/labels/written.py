"""The same parts in each layout of labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

Image = np.ndarray


class Label(NamedTuple):
    """Corners in px, and the class's name."""

    x1: int
    y1: int
    x2: int
    y2: int
    kind: str


class Part(NamedTuple):
    """A picture (H, W) or (H, W, 3) uint8, and what is bad on it."""

    image: Image
    labels: Sequence[Label] = ()
    template: Image | None = None


Parts = Mapping[str, Part]


def write(folder: Path, layout: str, parts: Parts, classes: Sequence[str]) -> Path:
    """Write `parts` as `layout` has them; the folder that a command is to be given."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"deeppcb": _deeppcb, "yolo": _yolo, "coco": _coco, "voc": _voc, "folders": _folders}[layout](folder, parts, classes)


def _picture(folder: Path, name: str, part: Part, ending: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if part.template is not None:
        cv2.imwrite(str(folder / f"{name}_temp.png"), part.template)
    file = folder / f"{name}{ending}.png"
    assert cv2.imwrite(str(file), part.image)
    return file


def _deeppcb(folder: Path, parts: Parts, classes: Sequence[str]) -> Path:
    for name, part in parts.items():
        _picture(folder, name, part, "_test")
        lines = [f"{x1} {y1} {x2} {y2} {classes.index(kind) + 1}\n" for x1, y1, x2, y2, kind in part.labels]
        (folder / f"{name}.txt").write_text("".join(lines))
    return folder


def _yolo(folder: Path, parts: Parts, classes: Sequence[str]) -> Path:
    (folder / "labels").mkdir()
    for name, part in parts.items():
        _picture(folder / "images", name, part)
        height, width = part.image.shape[:2]
        lines = [
            f"{classes.index(kind)} {(x1 + x2) / 2 / width:.6f} {(y1 + y2) / 2 / height:.6f} {(x2 - x1) / width:.6f} {(y2 - y1) / height:.6f}\n"
            for x1, y1, x2, y2, kind in part.labels
        ]
        (folder / "labels" / f"{name}.txt").write_text("".join(lines))
    (folder / "data.yaml").write_text("train: images\nnames:\n" + "".join(f"  {i}: {name}\n" for i, name in enumerate(classes)))
    return folder


def _coco(folder: Path, parts: Parts, classes: Sequence[str]) -> Path:
    # Ids with gaps, as a data set has them that classes were taken out of.
    ids = {name: 3 + 5 * number for number, name in enumerate(classes)}
    images, annotations = [], []
    for number, (name, part) in enumerate(parts.items()):
        file = _picture(folder, name, part)
        height, width = part.image.shape[:2]
        images.append({"id": 10 + number, "file_name": file.name, "width": width, "height": height})
        for x1, y1, x2, y2, kind in part.labels:
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append({"id": len(annotations), "image_id": 10 + number, "category_id": ids[kind], "bbox": box, "iscrowd": 0})
    categories = [{"id": key, "name": name} for name, key in ids.items()]
    (folder / "_annotations.coco.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return folder


def _voc(folder: Path, parts: Parts, _: Sequence[str]) -> Path:
    for name, part in parts.items():
        file = _picture(folder, name, part)
        height, width = part.image.shape[:2]
        objects = "".join(
            f"<object><name>{kind}</name><difficult>0</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>"
            f"<ymax>{y2}</ymax></bndbox></object>"
            for x1, y1, x2, y2, kind in part.labels
        )
        size = f"<size><width>{width}</width><height>{height}</height><depth>1</depth></size>"
        (folder / f"{name}.xml").write_text(f"<annotation><filename>{file.name}</filename>{size}{objects}</annotation>")
    return folder


def _folders(folder: Path, parts: Parts, _: Sequence[str]) -> Path:
    """A part goes into the folder of its first label's class; its mask marks all of them."""
    for name, part in parts.items():
        place = folder / (part.labels[0].kind if part.labels else "good")
        _picture(place, name, part)
        if part.labels:
            mask = np.zeros(part.image.shape[:2], np.uint8)
            for x1, y1, x2, y2, _kind in part.labels:
                mask[y1:y2, x1:x2] = 255
            cv2.imwrite(str(place / f"{name}_mask.png"), mask)
    return folder
