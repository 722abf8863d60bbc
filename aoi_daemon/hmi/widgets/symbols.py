"""Signs drawn in the text's colour: no icon font to wait for, and never colour alone.

Alarm signs follow ISA-18.2: one shape for each priority, its rank written in it. They are constants: each is made once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from markupsafe import Markup

from aoi_daemon.markup.svg import element


def _path(line: str) -> Markup:
    return element("path", d=line)


def _rect(x: float, y: float, width: float, height: float) -> Markup:
    return element("rect", x=x, y=y, width=width, height=height)


def _circle(x: float, y: float, radius: float) -> Markup:
    return element("circle", cx=x, cy=y, r=radius)


_STROKED: Final[Mapping[str, tuple[Markup, ...]]] = {
    "check": (_path("M4 12.5 L10 18.5 L20 6.5"),),
    "cross": (_path("M5.5 5.5 L18.5 18.5 M18.5 5.5 L5.5 18.5"),),
    "question": (_path("M8 8.5 a4 4 0 1 1 5.5 3.7 c-1.1.5-1.5 1.2-1.5 2.6"), _path("M12 18.8 v.4")),
    "play": (_path("M8 5 L19 12 L8 19 Z"),),
    "pause": (_path("M8.5 5 V19 M15.5 5 V19"),),
    "wait": (_circle(12, 12, 8.5), _path("M12 7 V12 L15.5 14")),
    "main": (_rect(3.5, 5, 17, 11), _path("M9 20 h6 M12 16 v4 M8 10.5 l3 3 5-5")),
    "rejects": (_rect(3.5, 4.5, 17, 15), _path("M9 9 l6 6 M15 9 l-6 6")),
    "find": (_circle(10.5, 10.5, 6.5), _path("M15.5 15.5 L21 21")),
    "alarms": (_path("M12 4 L21.5 20 H2.5 Z"), _path("M12 10 v4.5 M12 17 v.4")),
    "report": (_path("M5 3.5 h10 l4 4 V20.5 H5 Z"), _path("M9 17 v-4 M12 17 v-7 M15 17 v-2.5")),
    "recipe": (
        _path("M4 7 h9 M17 7 h3 M4 12 h3 M11 12 h9 M4 17 h9 M17 17 h3"),
        _circle(15, 7, 2), _circle(9, 12, 2), _circle(15, 17, 2),
    ),
    "commissioning": (_path("M4 20 V13 h4 v7 M10 20 V4 h4 v16 M16 20 v-9 h4 v9 M2.5 20 h19"),),
    "help": (_circle(12, 12, 9), _path("M9.2 9.6 a2.9 2.9 0 1 1 3.9 2.7 c-.8.4-1.1.9-1.1 1.9"), _path("M12 17 v.4")),
    "more": (_path("M5 12 h.1 M12 12 h.1 M19 12 h.1"),),
    "user": (_circle(12, 8, 4), _path("M4.5 20 c1-5 4-6.5 7.5-6.5 s6.5 1.5 7.5 6.5")),
    "leave": (_path("M13 4 H5 v16 h8 M10 12 h11 M17 8 l4 4 -4 4"),),
    "night": (_path("M19.5 14.5 A8.5 8.5 0 1 1 10 4.5 A7 7 0 0 0 19.5 14.5 Z"),),
    "plus": (_path("M12 5 V19 M5 12 H19"),),
    "minus": (_path("M5 12 H19"),),
    "fit": (_path("M4 9 V4 H9 M15 4 h5 v5 M20 15 v5 h-5 M9 20 H4 v-5"),),
    "print": (_path("M7 9 V4 h10 v5 M7 17 H4 V9 h16 v8 h-3"), _rect(7, 14, 10, 6)),
    "download": (_path("M12 4 v11 M7 11 l5 5 5-5 M4 20 h16"),),
    "hand": (
        _path("M8 13 V5.5 a1.5 1.5 0 0 1 3 0 V11 V4.5 a1.5 1.5 0 0 1 3 0 V11 V6 a1.5 1.5 0 0 1 3 0 v8"
              " c0 4-2 6.5-5.5 6.5 S7 18.5 4.5 14 c1-1.2 2.3-.8 3.5 1"),
    ),
}  # fmt: skip

_RANKED: Final[Mapping[str, tuple[Markup, str, int]]] = {
    "high": (_rect(2.5, 2.5, 19, 19), "1", 17),
    "medium": (_path("M12 1.5 L23 21.5 H1 Z"), "2", 19),
    "low": (_path("M1 2.5 H23 L12 22.5 Z"), "3", 14),
}


@cache
def sign(name: str) -> Markup:
    """The sign `name` as inline SVG, one em square; it says nothing to a screen reader, the word beside it does.

    Raises:
        KeyError: there is no such sign.
    """
    return element(
        "svg", *_STROKED[name], class_="sign", viewBox="0 0 24 24", fill="none", stroke="currentColor",
        stroke_width="2.4", stroke_linecap="round", stroke_linejoin="round", aria_hidden="true",
    )  # fmt: skip


@cache
def priority_sign(priority: str) -> Markup:
    """The sign of an alarm of `priority` (HIGH, MEDIUM or LOW): square 1, triangle 2, inverted triangle 3."""
    name = priority.lower()
    shape, rank, baseline = _RANKED[name]
    text = element("text", rank, x=12, y=baseline, text_anchor="middle")
    return element("svg", shape, text, class_=f"sign rank {name}", viewBox="0 0 24 24", aria_hidden="true")
