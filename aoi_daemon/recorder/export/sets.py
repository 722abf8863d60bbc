"""Recorded parts as a data set for training: COCO, YOLO, or the boards that `qualify` and `bundle make` read.

Every set has its pictures copied into it; nothing in it points back to the records.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from aoi_daemon.recorder.export.labelling import Labelled, class_order, label
from aoi_daemon.records.database import RecordsError
from aoi_daemon.records.rows import Part
from aoi_daemon.records.times import iso

Sizes = Callable[[str], "tuple[int, int] | None"]
"""(width_px, height_px) of a picture's file; None: it is gone."""


def choose(
    parts: Iterable[Part], size_of: Sizes, *, unreviewed: bool, template: bool
) -> tuple[list[Labelled], Counter[str]]:
    """The parts that have a label, and how many of the others were left out for what.

    Args:
        parts: the chosen ones.
        size_of: looks a picture up.
        unreviewed: as for `label`.
        template: a part without a golden template is left out.
    """
    found: list[Labelled] = []
    left: Counter[str] = Counter()
    for part in parts:
        size = size_of(part.image) if part.image is not None else (0, 0)
        labelled = "its picture's file is gone" if size is None else label(part, size, unreviewed=unreviewed)
        if isinstance(labelled, str):
            left[labelled] += 1
        elif template and (part.template is None or size_of(part.template) != size):
            left["without a template of its size"] += 1
        else:
            found.append(labelled)
    return found, left


def write_coco(parts: list[Labelled], records: Path, out: Path, size_of: Sizes) -> None:
    """`annotations.json` and `images/`. Boxes are x, y, width, height in px; `score` is the model's."""
    (out / "images").mkdir(parents=True)
    classes = class_order(parts)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, each in enumerate(parts, 1):
        name = f"{each.part.uid}.png"
        width_px, height_px = _size(size_of, each.image)
        shutil.copyfile(records / each.image, out / "images" / name)
        images.append(
            {
                "id": number, "file_name": name, "width": width_px, "height": height_px,
                "date_captured": iso(each.part.at), "review": each.part.review and each.part.review.verdict,
            }
        )  # fmt: skip
        for box in each.boxes:
            width, height = box.x2 - box.x1, box.y2 - box.y1
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": number, "category_id": classes.index(box.name) + 1,
                    "bbox": [round(value, 3) for value in (box.x1, box.y1, width, height)],
                    "area": round(width * height, 3), "iscrowd": 0, "score": box.score,
                }
            )  # fmt: skip
    body = {
        "info": {"description": "aoi-daemon records"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
    }
    (out / "annotations.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def write_yolo(parts: list[Labelled], records: Path, out: Path, size_of: Sizes) -> None:
    """`images/`, `labels/` with `class cx cy width height` as fractions of the picture, `data.yaml`."""
    (out / "images").mkdir(parents=True)
    (out / "labels").mkdir()
    classes = class_order(parts)
    for each in parts:
        width_px, height_px = _size(size_of, each.image)
        shutil.copyfile(records / each.image, out / "images" / f"{each.part.uid}.png")
        lines = [
            f"{classes.index(box.name)} {(box.x1 + box.x2) / 2 / width_px:.6f} {(box.y1 + box.y2) / 2 / height_px:.6f} "
            f"{(box.x2 - box.x1) / width_px:.6f} {(box.y2 - box.y1) / height_px:.6f}\n"
            for box in each.boxes
        ]
        (out / "labels" / f"{each.part.uid}.txt").write_text("".join(lines), encoding="ascii")
    # JSON strings are YAML, whatever a class is called.
    names = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(classes))
    (out / "data.yaml").write_text(f"train: images\nval: images\nnames:\n{names}", encoding="utf-8")


def write_boards(parts: list[Labelled], records: Path, out: Path, size_of: Sizes) -> None:
    """`NAME_test.png`, `NAME_temp.png`, and `NAME.txt` with `x1 y1 x2 y2 class`, classes from 1.

    Raises:
        RecordsError: the parts were judged by bundles whose classes have different numbers.
    """
    orders = sorted({each.part.classes for each in parts if each.part.classes})
    if len(orders) > 1:
        raise RecordsError(
            f"these parts were judged by bundles with different classes ({'; '.join(map(', '.join, orders))}), and in "
            "this format a class is a number; choose parts of one with --recipe, --from and --to"
        )
    out.mkdir(parents=True)
    classes = class_order(parts)
    for each in parts:
        assert each.part.template is not None  # `choose` saw to it
        width_px, height_px = _size(size_of, each.image)
        shutil.copyfile(records / each.image, out / f"{each.part.uid}_test.png")
        shutil.copyfile(records / each.part.template, out / f"{each.part.uid}_temp.png")
        lines = []
        for box in each.boxes:
            # Whole pixels, at least one, inside the picture.
            x1, y1 = min(int(box.x1), width_px - 1), min(int(box.y1), height_px - 1)
            x2, y2 = max(round(box.x2), x1 + 1), max(round(box.y2), y1 + 1)
            lines.append(f"{x1} {y1} {x2} {y2} {classes.index(box.name) + 1}\n")
        (out / f"{each.part.uid}.txt").write_text("".join(lines), encoding="ascii")


WRITERS: Final = {"coco": write_coco, "yolo": write_yolo, "boards": write_boards}


def _size(size_of: Sizes, file: str) -> tuple[int, int]:
    found = size_of(file)
    if found is None:
        raise FileNotFoundError(2, "was removed while it was exported", file)
    return found
