"""What a recorded part says as a label for training: its boxes, none, or why it must be left out. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from aoi_daemon.messages import MAX_DEFECTS
from aoi_daemon.records.rows import Part


@dataclass(frozen=True)
class Box:
    """A defect on the frame: corners in px, inside it."""

    name: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Labelled:
    """A part with its label. No boxes: the board is good."""

    part: Part
    image: str
    boxes: tuple[Box, ...]


def label(part: Part, size: tuple[int, int], *, unreviewed: bool) -> Labelled | str:
    """The label of `part`, or in words why it has none.

    A false call is a good board. A confirmed defect has the boxes that the model found. Of what nobody has
    reviewed the model's own word is the label, and only where `unreviewed` asks for it.

    Args:
        part: with its image's file.
        size: (width_px, height_px) of that image.
        unreviewed: take what nobody has reviewed, too.
    """
    if part.image is None:
        return "without a picture"
    verdict = part.review.verdict if part.review is not None else None
    if verdict is None and not unreviewed:
        return "not reviewed"
    if verdict == "false_call" or (verdict is None and part.passed):
        return Labelled(part, part.image, ())
    if part.reason != "DEFECT":
        return "rejected for no defect"  # a bad board without boxes would be learned as a good one
    if part.defect_count > MAX_DEFECTS:
        return f"more than {MAX_DEFECTS} defects, of which not all are recorded"
    boxes = tuple(box for box in (_on_frame(part, index, size) for index in range(len(part.defects))) if box)
    return Labelled(part, part.image, boxes) if boxes else "all boxes outside the picture"


def _on_frame(part: Part, index: int, size: tuple[int, int]) -> Box | None:
    defect = part.defects[index]
    dx, dy = part.shift_px
    x1, x2 = (min(max(x + dx, 0.0), float(size[0])) for x in (defect.x1, defect.x2))
    y1, y2 = (min(max(y + dy, 0.0), float(size[1])) for y in (defect.y1, defect.y2))
    return Box(defect.name, defect.score, x1, y1, x2, y2) if x2 - x1 >= 1 and y2 - y1 >= 1 else None


def class_order(parts: list[Labelled]) -> tuple[str, ...]:
    """All classes that the parts' bundles know, in the first bundle's order; what others add comes after."""
    found: dict[str, None] = {}
    for each in parts:
        found.update(dict.fromkeys((*each.part.classes, *(box.name for box in each.boxes))))
    return tuple(found)
