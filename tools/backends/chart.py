"""The table as a picture: a row for each case, on a logarithmic axis of milliseconds. Pure; sizes in CSS px."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from markupsafe import Markup

from aoi_daemon.markup.svg import element, picture
from tools.backends.report import measured, number

_WIDTH: Final = 760
_LEFT: Final = 150
_RIGHT: Final = 70
_ROW: Final = 18
_HEAD: Final = 24
_TOP: Final = 34
_BOTTOM: Final = 58
_COLOURS: Final = {"onnx": "#2b3034", "openvino": "#1f6f9f", "tensorrt": "#4a7c2a"}
_GRID: Final = "#c3c6c8"
_TAKT_MS: Final = 50.0


def chart(report: dict[str, Any], *, title: str) -> Markup:
    """An SVG file: floor's p50 as a ring, executor's p50 as a dot, a line to its p99, groups by bundle and size.

    Raises:
        ValueError: no case has figures.
    """
    cases = measured(report)
    if not cases:
        raise ValueError("no case was measured: there is nothing to draw")
    low, high = _reach(cases)

    def x(ms: float) -> float:
        share = (math.log10(ms) - low) / (high - low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    drawn: list[Markup] = []
    y = float(_TOP)
    for (bundle, task, size_px), group in groupby(cases, lambda case: (case["bundle"], case["task"], case["size_px"])):
        drawn.append(_text(8, y + 15, f"{bundle}, {task}, {size_px} x {size_px} px", weight="bold"))
        y += _HEAD
        for case in group:
            drawn += _row(case, x, y + _ROW / 2)
            y += _ROW
    grid = _grid(x, low, high, y)
    legend = _text(
        8, y + 46, "ring: floor, p50; dot: executor, p50; line: to its p99. Dashed: the takt of 50 ms.", size=11
    )  # fmt: skip
    return picture(
        element("rect", x=0, y=0, width=_WIDTH, height=y + _BOTTOM, fill="#ffffff"),
        _text(8, 20, title, weight="bold", size=14), *grid, *drawn, legend,
        width=_WIDTH, height=y + _BOTTOM, font_family="sans-serif", role="img", aria_label=title,
    )  # fmt: skip


def _reach(cases: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Exponents of ten of both ends of the axis: a little beyond every value."""
    least = min(min(case["floor_ms"]["p50"], case["executor_ms"]["p50"]) for case in cases)
    most = max(_end(case) for case in cases)
    return math.log10(least) - 0.1, math.log10(most) + 0.1


def _end(case: dict[str, Any]) -> float:
    """Of what is drawn of a case, that which is furthest to the right."""
    return max(float(_tail(case)), float(case["floor_ms"]["p50"]))


def _tail(case: dict[str, Any]) -> float:
    ours = case["executor_ms"]
    return float(ours["p99"] or ours["p50"])


def _row(case: dict[str, Any], x: Any, y: float) -> list[Markup]:
    colour = _COLOURS[case["backend"]]
    ours, floor = case["executor_ms"]["p50"], case["floor_ms"]["p50"]
    return [
        _text(_LEFT - 8, y + 4, f"{case['backend']} {case['precision']}", anchor="end"),
        element("line", x1=x(ours), y1=y, x2=x(_tail(case)), y2=y, stroke=colour, stroke_width=2),
        element("circle", cx=x(floor), cy=y, r=5.0, fill="none", stroke=colour),
        element("circle", cx=x(ours), cy=y, r=3.0, fill=colour),
        _text(x(_end(case)) + 9, y + 4, number(ours), size=11),
    ]


def _grid(x: Any, low: float, high: float, bottom: float) -> list[Markup]:
    marks = [
        factor * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for factor in (1, 2, 5)
        if low <= math.log10(factor * 10.0**power) <= high
    ]
    lines = [element("line", x1=x(ms), y1=_TOP, x2=x(ms), y2=bottom, stroke=_GRID) for ms in marks]
    if low <= math.log10(_TAKT_MS) <= high:
        at = x(_TAKT_MS)
        lines.append(element("line", x1=at, y1=_TOP, x2=at, y2=bottom, stroke="#b3262e", stroke_dasharray="4 3"))
    return [*lines, *(_text(x(ms), bottom + 16, f"{ms:g} ms", anchor="middle", size=11) for ms in marks)]


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, weight: str | None = None
) -> Markup:
    return element("text", words, x=x, y=round(y, 1), text_anchor=anchor, font_size=size, font_weight=weight)
