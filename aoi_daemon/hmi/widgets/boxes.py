"""A part as the pages show it: its boxes over the picture, its verdict in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from aoi_daemon.hmi.widgets.symbols import sign
from aoi_daemon.hmi.widgets.texts import Words


class Box(NamedTuple):
    """One defect: what it is, its score 0..1, its corners in px of the picture."""

    name: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float


def overlay(
    boxes: Sequence[Box],
    width_px: int,
    height_px: int,
    shift_px: tuple[float, float] = (0.0, 0.0),
    *,
    named: bool = True,
) -> str:
    """Boxes, with class and score where `named`, as SVG over a picture of that size, moved by `shift_px`."""
    if not width_px or not height_px:
        return ""
    size = max(width_px, height_px) / 24
    pieces: list[str] = []
    labels: list[_Label] = []
    for box in boxes:
        # A margin: the outline must not hide what it shows.
        grow = size * 0.2
        x, y = box.x1 + shift_px[0] - grow, box.y1 + shift_px[1] - grow
        wide, high = box.x2 - box.x1 + 2 * grow, box.y2 - box.y1 + 2 * grow
        rectangle = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"'
        pieces.append(f'<rect class="box-halo" {rectangle}/><rect class="box" {rectangle}/>')
        if named:
            text = f"{box.name} {box.score:.2f}"
            places = ((x, y - size * 0.3), (x, y + high + size), (x + wide + size * 0.2, y + high / 2 + size * 0.35))
            labels.append(_label(text, size, places, (width_px, height_px), labels))
    pieces += [
        f'<text class="box-label" x="{label.x:.1f}" y="{label.y:.1f}" font-size="{size:.1f}">'
        f"{escape(label.text)}</text>"
        for label in labels
    ]
    return f'<svg viewBox="0 0 {width_px} {height_px}" preserveAspectRatio="xMidYMid meet">{"".join(pieces)}</svg>'


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


def verdict(words: Words, *, passed: bool, reason: str, boxes: Sequence[Box], count: int, caption: str) -> str:
    """PASS, or REJECT and why. `count`: defects that there were, of which `boxes` are the worst."""
    if passed:
        return (
            f'<div class="verdict">{sign("check")}{words("PASS")}</div>'
            f'<div class="why">{words("NONE")}<small>{escape(caption)}</small></div>'
        )
    why = escape(words.cause(reason))
    if boxes:
        worst = boxes[0]
        more = f"{words('comma')}{words('and_more', count=count - 1)}" if count > 1 else ""
        why += f"{words('colon')}{escape(words.cause(worst.name))} {worst.score:.2f}{more}"
    return (
        f'<div class="verdict bad">{sign("cross")}{words("REJECT")}</div>'
        f'<div class="why">{why}<small>{escape(caption)}</small></div>'
    )


def pane(words: Words, which: str, label: str, missing: str, *, source: str = "", boxes: str = "") -> str:
    """One picture of a zoomable pair; ids `which` and `which`-boxes."""
    src = f' src="{escape(source)}"' if source else ""
    return (
        f'<div class="pane"><div class="stage"><img id="{which}" alt="{escape(label)}"{src}>'
        f'<div id="{which}-boxes">{boxes}</div></div>'
        f'<span class="empty">{words(missing)}</span><span class="tag">{escape(label)}</span></div>'
    )


def zoom_buttons(words: Words) -> str:
    """Closer, farther, whole."""
    found = (("in", "plus", "zoom_in"), ("out", "minus", "zoom_out"), ("fit", "fit", "zoom_fit"))
    return "".join(
        f'<button data-zoom="{way}" aria-label="{words(key)}" title="{words(key)}">{sign(name)}</button>'
        for way, name, key in found
    )
