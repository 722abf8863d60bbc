"""Charts of a report as inline SVG: precision over recall, and scores.

Process: offline. Pure: no file, no clock. Sizes in CSS px.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from aoi_daemon.engine.qualify.metrics import Curve
from aoi_daemon.engine.qualify.rates import histogram
from aoi_daemon.markup.svg import element, join

COLOURS: Final = {"fp32": "#2b3034", "bf16": "#4f7a3a", "fp16": "#1f6f9f", "int8": "#a8611b"}
WRONG: Final = "#b3262e"
_DASHES: Final = {"fp32": None, "bf16": "8 2 2 2", "fp16": "6 3", "int8": "2 2"}
_WIDTH, _HEIGHT = 252, 204
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 10, 10, 32
_PLOT_W, _PLOT_H = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_BINS: Final = 20


def precision_recall(curves: Mapping[str, Curve | None], title: str) -> Markup:
    """One class: a line for each precision. The axes begin at 0.8 where all lines stay above."""
    shown = {name: points for name, points in curves.items() if points is not None and len(points.precision)}
    low = 0.0
    if shown and all(p.precision.min() > 0.8 and p.recall[-1] > 0.8 for p in map(_upper, shown.values())):
        low = 0.8
    lines = []
    for name, points in shown.items():
        xs = _LEFT + _PLOT_W * (np.append(points.recall[:1], points.recall) - low) / (1 - low)
        ys = _TOP + _PLOT_H * (1 - (np.append(1.0, points.precision) - low) / (1 - low))
        # From the left edge at the first detection's precision; what lies outside the axes runs along them.
        xs[0] = _LEFT
        ys[0] = ys[1]
        xs, ys = np.clip(xs, _LEFT, _LEFT + _PLOT_W), np.clip(ys, _TOP, _TOP + _PLOT_H)
        lines.append(
            element(
                "polyline", points=_points(xs, ys), fill="none", stroke=COLOURS[name], stroke_width=1.6,
                stroke_dasharray=_DASHES[name],
            )
        )  # fmt: skip
    if not shown:
        lines.append(_text(_LEFT + _PLOT_W / 2, _TOP + _PLOT_H / 2, "no detection", "middle"))
    return _svg(f"precision over recall, {title}", _axes(low, "recall", "precision"), *lines)


def score_histogram(right: NDArray[np.float64], wrong: NDArray[np.float64], title: str) -> Markup:
    """Scores of right detections upwards, of wrong ones downwards; the height is the logarithm of the count."""
    up, down = histogram(right, _BINS), histogram(wrong, _BINS)
    top = max(1.0, math.log10(1 + max(int(up.max()), int(down.max()))))
    middle = _TOP + _PLOT_H / 2
    step = _PLOT_W / _BINS
    bars = []
    for counts, sign, colour in ((up, -1, COLOURS["fp32"]), (down, 1, WRONG)):
        for place, count in enumerate(counts.tolist()):
            height = _PLOT_H / 2 * math.log10(1 + count) / top
            if count:
                y = middle - height if sign < 0 else middle
                words = element("title", f"{place / _BINS:.2f} to {(place + 1) / _BINS:.2f}: {count}")
                bars.append(
                    element(
                        "rect", words, x=round(_LEFT + place * step + 0.5, 1), y=round(y, 1), width=round(step - 1, 1),
                        height=round(height, 1), fill=colour,
                    )
                )  # fmt: skip
    grid = []
    for power in range(1, math.floor(top) + 1):
        for sign in (-1, 1):
            y = middle + sign * _PLOT_H / 2 * math.log10(1 + 10**power) / top
            if _TOP <= y <= _TOP + _PLOT_H:
                grid.append(_line(_LEFT, y, _LEFT + _PLOT_W, y, "#c3c6c8"))
                grid.append(_text(_LEFT - 4, y + 3, f"{10**power}", "end"))
    ticks = [_text(_LEFT + _PLOT_W * x, _HEIGHT - 18, f"{x:g}", "middle") for x in (0.0, 0.25, 0.5, 0.75, 1.0)]
    frame = _line(_LEFT, middle, _LEFT + _PLOT_W, middle, "#5c6266")
    label = _text(_LEFT + _PLOT_W / 2, _HEIGHT - 4, "score", "middle")
    return _svg(f"scores, {title}", *grid, *bars, *ticks, frame, label)


def _upper(points: Curve) -> Curve:
    """The curve without its tail: what lies beyond the last right detection."""
    last = int(np.argmax(points.recall >= points.recall[-1])) + 1
    return Curve(points.scores[:last], points.precision[:last], points.recall[:last], points.labels)


def _axes(low: float, x_name: str, y_name: str) -> Markup:
    parts = []
    for i in range(5):
        value = low + (1 - low) * i / 4
        x, y = _LEFT + _PLOT_W * i / 4, _TOP + _PLOT_H * (1 - i / 4)
        parts += [_line(x, _TOP, x, _TOP + _PLOT_H, "#c3c6c8"), _line(_LEFT, y, _LEFT + _PLOT_W, y, "#c3c6c8")]
        parts += [_text(x, _HEIGHT - 18, f"{value:g}", "middle"), _text(_LEFT - 4, y + 3, f"{value:g}", "end")]
    parts.append(_text(_LEFT + _PLOT_W / 2, _HEIGHT - 4, x_name, "middle"))
    middle = _TOP + _PLOT_H / 2
    turned = f"rotate(-90 9 {middle})"
    parts.append(element("g", _text(9, middle + 3, y_name, "middle"), transform=turned))
    return join(*parts)


def _points(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> str:
    """A polyline's points, those left out that move it by less than half a pixel."""
    kept: list[tuple[float, float]] = []
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        if not kept or abs(x - kept[-1][0]) + abs(y - kept[-1][1]) >= 0.5:
            kept.append((x, y))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in kept)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> Markup:
    return element("line", x1=round(x1, 1), y1=round(y1, 1), x2=round(x2, 1), y2=round(y2, 1), stroke=colour)


def _text(x: float, y: float, words: str, anchor: str) -> Markup:
    return element("text", words, x=round(x, 1), y=round(y, 1), text_anchor=anchor)


def _svg(name: str, *inside: Markup) -> Markup:
    return element(
        "svg", *inside, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", width=_WIDTH, height=_HEIGHT, role="img", aria_label=name
    )
