"""A part as plain values, by the names that every export and the page's API give them. Pure."""

from __future__ import annotations

from typing import Any, Final

from aoi_daemon.records.rows import Part
from aoi_daemon.records.times import iso

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
