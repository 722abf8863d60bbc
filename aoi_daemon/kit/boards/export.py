"""Label files for other tools: COCO's JSON and YOLO's text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from aoi_daemon.kit.boards.labels import CLASS_NAMES
from aoi_daemon.kit.boards.options import BoardOptions, Defect

Written = Sequence[tuple[str, tuple[Defect, ...]]]


def write_coco(out: Path, boards: Written, options: BoardOptions) -> None:
    """Write `annotations.json`: one image for each board under test, boxes as x, y, width, height in px."""
    images = []
    annotations: list[dict[str, object]] = []
    for number, (name, defects) in enumerate(boards, 1):
        images.append(
            {
                "id": number,
                "file_name": f"{name}_test.png",
                "template_file_name": f"{name}_temp.png",
                "width": options.width_px,
                "height": options.height_px,
            }
        )
        for defect in defects:
            x1, y1, x2, y2 = defect.box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(defect.kind),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASS_NAMES, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (out / "annotations.json").write_text(json.dumps(content, indent=1), encoding="ascii")


def write_yolo(out: Path, boards: Written, options: BoardOptions) -> None:
    """Write `yolo/NAME_test.txt`: 0-based class, then centre and size as parts of the image's."""
    folder = out / "yolo"
    folder.mkdir()
    width, height = options.width_px, options.height_px
    for name, defects in boards:
        lines = []
        for defect in defects:
            x1, y1, x2, y2 = defect.box
            centre = f"{(x1 + x2) / 2 / width:.6f} {(y1 + y2) / 2 / height:.6f}"
            lines.append(f"{int(defect.kind) - 1} {centre} {(x2 - x1) / width:.6f} {(y2 - y1) / height:.6f}\n")
        (folder / f"{name}_test.txt").write_text("".join(lines), encoding="ascii")
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASS_NAMES), encoding="ascii")
