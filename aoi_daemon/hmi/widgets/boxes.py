"""A part as the pages show it: its boxes over the picture, its verdict in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.markup.svg import element
from aoi_daemon.records.rows import Part
from aoi_daemon.texts.words import Words


class Box(NamedTuple):
    """One defect: what it is, its score 0..1, its corners in px of the picture."""

    name: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float


def boxes_of(words: Words, part: Part) -> list[Box]:
    """The defects of a recorded part."""
    return [Box(words.cause(d.name), d.score, d.x1, d.y1, d.x2, d.y2) for d in part.defects]


def overlay(
    boxes: Sequence[Box],
    width_px: int,
    height_px: int,
    shift_px: tuple[float, float] = (0.0, 0.0),
    *,
    named: bool = True,
) -> Markup:
    """Boxes, with class and score where `named`, as SVG over a picture of that size, moved by `shift_px`."""
    if not width_px or not height_px:
        return Markup()
    size = max(width_px, height_px) / 24
    pieces: list[Markup] = []
    labels: list[_Label] = []
    for box in boxes:
        # A margin: the outline must not hide what it shows.
        grow = size * 0.2
        x, y = box.x1 + shift_px[0] - grow, box.y1 + shift_px[1] - grow
        wide, high = box.x2 - box.x1 + 2 * grow, box.y2 - box.y1 + 2 * grow
        corners = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{wide:.1f}", "height": f"{high:.1f}"}
        pieces += (element("rect", class_=kind, **corners) for kind in ("box-halo", "box"))
        if named:
            text = f"{box.name} {box.score:.2f}"
            places = ((x, y - size * 0.3), (x, y + high + size), (x + wide + size * 0.2, y + high / 2 + size * 0.35))
            labels.append(_label(text, size, places, (width_px, height_px), labels))
    pieces += (
        element("text", label.text, class_="box-label", x=f"{label.x:.1f}", y=f"{label.y:.1f}", font_size=f"{size:.1f}")
        for label in labels
    )
    return element("svg", *pieces, viewBox=f"0 0 {width_px} {height_px}", preserveAspectRatio="xMidYMid meet")


class _Label(NamedTuple):
    """A text with the left end of its base line; `wide` is an estimate."""

    text: str
    x: float
    y: float
    wide: float

    def meets(self, other: _Label, size: float) -> bool:
        """Whether the two would be written over each other."""
        apart = self.x + self.wide < other.x or other.x + other.wide < self.x
        return not apart and abs(self.y - other.y) < size


def _label(
    text: str, size: float, places: Sequence[tuple[float, float]], picture: tuple[int, int], others: Sequence[_Label]
) -> _Label:
    """`text` at the first of `places` that is inside the picture and free; at the first where none is."""
    wide = size * sum(0.56 if character.isascii() else 1.0 for character in text)
    found = [_Label(text, min(max(x, 0.0), max(0.0, picture[0] - wide)), y, wide) for x, y in places]
    for label in found:
        inside = size < label.y < picture[1]
        if inside and not any(label.meets(other, size) for other in others):
            return label
    return found[0]._replace(y=min(max(found[0].y, size), picture[1]))


def verdict(words: Words, *, passed: bool, reason: str, boxes: Sequence[Box], count: int, caption: str) -> Markup:
    """PASS, or REJECT and why. `count`: defects that there were, of which `boxes` are the worst."""
    why = words("NONE") if passed else words.cause(reason)
    if boxes and not passed:
        worst = boxes[0]
        more = f"{words('comma')}{words('and_more', count=count - 1)}" if count > 1 else ""
        why += f"{words('colon')}{words.cause(worst.name)} {worst.score:.2f}{more}"
    return lay_out("parts/verdict.html", words, passed=passed, why=why, caption=caption)


def pane(
    words: Words, which: str, label: str, missing: str, *, source: str = "", boxes: Markup | None = None
) -> Markup:
    """One picture of a zoomable pair; ids `which` and `which`-boxes, the key `missing` says why there is none."""
    return lay_out(
        "parts/pane.html", words, which=which, label=label, missing=missing, source=source, boxes=boxes or ""
    )


def zoom_buttons(words: Words) -> Markup:
    """Closer, farther, whole."""
    return lay_out("parts/zoom.html", words)
