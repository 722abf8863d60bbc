"""Recorded parts as a table: CSV, or one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, TextIO

from aoi_daemon.files.cells import Table, text_cell
from aoi_daemon.recorder.times import iso
from aoi_daemon.records.rows import Part

FIELDS: Final = (
    "id", "uid", "time", "line", "run", "part", "camera", "fov", "sequence", "recipe_id", "recipe", "bundle",
    "passed", "reason", "defect_count", "worst_class", "offset_x", "offset_y", "latency_ms", "delivered", "missed",
    "trigger_ns", "ready_ns", "deadline_ns", "picked_ns", "inferred_ns", "judged_ns", "sent_ns", "answered_ns",
    "image", "template", "review", "review_by", "review_time", "review_note", "defects",
    "trigger_id", "bypassed", "proof", "view",
)  # fmt: skip


def as_object(part: Part) -> dict[str, Any]:
    """One part with plain values; `defects` a list, review fields None where nobody has reviewed it."""
    review = part.review
    found: dict[str, Any] = {name: getattr(part, name, None) for name in FIELDS}
    found["time"] = iso(part.at)
    found["review"] = review.verdict if review else None
    found["review_by"] = review.by if review else None
    found["review_time"] = iso(review.at) if review else None
    found["review_note"] = review.note if review else None
    found["defects"] = [
        {"class": defect.name, "score": defect.score, "box": [defect.x1, defect.y1, defect.x2, defect.y2]}
        for defect in part.defects
    ]
    return found


def write_jsonl(parts: Iterable[Part], out: TextIO) -> None:
    """One JSON object a part."""
    for part in parts:
        out.write(json.dumps(as_object(part), ensure_ascii=False) + "\n")


def write_csv(parts: Iterable[Part], out: TextIO) -> None:
    """One row a part, the first names the columns; `defects` as `class score x1 y1 x2 y2; ...`."""
    table = Table(out)
    table.row(FIELDS)
    for part in parts:
        found = as_object(part)
        found["defects"] = "; ".join(
            f"{text_cell(each['class'])} {each['score']:g} " + " ".join(f"{value:g}" for value in each["box"])
            for each in found["defects"]
        )
        for name in ("passed", "delivered", "missed", "bypassed"):
            found[name] = int(found[name])
        table.row(found.values())
