"""Small charts as SVG and HTML, drawn here so that a browser has nothing to compute. Pure.

Gray is the ordinary, colour the abnormal; what is coloured also differs in shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final, NamedTuple

from markupsafe import Markup

from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.markup.svg import element
from aoi_daemon.texts.words import Words

STRIP_MARKS: Final = 60
_EDGE: Final = 1.25
"""Deadlines to the upper edge of the latency chart; `.limit-label` of page.css is at the same height."""


class Mark(NamedTuple):
    """One part in the strip. `judged`: rejected for what it is; else for a fault of the line."""

    part: int
    passed: bool
    judged: bool


class Second(NamedTuple):
    """The parts of one second: slowest and median verdict, ms; `missed` of them had no verdict in time."""

    at_s: int
    slowest_ms: float
    median_ms: float
    missed: int


class ClassCount(NamedTuple):
    """Rejected parts of one class; `false_calls` of them were found good by a person."""

    name: str
    rejects: int
    false_calls: int = 0


@cache
def _mark(place: int, passed: bool, judged: bool) -> Markup:
    """One of the marks that there are: three kinds at `place` 0..STRIP_MARKS - 1."""
    x = place * 10 + 5
    if passed:
        return element("path", class_="good", d=f"M{x} 34 V40")
    if judged:
        return element("path", class_="bad", d=f"M{x} 14 V40 M{x - 3} 4 l6 6 m0 -6 l-6 6")
    return element("path", class_="unjudged", d=f"M{x} 14 V40 M{x - 3} 4 h6 v6 h-6 Z")


def strip(marks: Sequence[Mark]) -> Markup:
    """The last parts as marks, newest right: a low stroke passed, a tall one with a cross was rejected."""
    shown = marks[-STRIP_MARKS:]
    return element(
        "svg",
        element("path", class_="axis", d=f"M0 42 H{STRIP_MARKS * 10}"),
        *(_mark(place, mark.passed, mark.judged) for place, mark in enumerate(shown, STRIP_MARKS - len(shown))),
        class_="strip", viewBox=f"0 0 {STRIP_MARKS * 10} 44", preserveAspectRatio="none", role="img",
    )  # fmt: skip


def rejects_in_a_row(marks: Sequence[Mark]) -> int:
    """How many of the newest parts were rejected without a good one between."""
    count = 0
    for mark in reversed(marks):
        if mark.passed:
            break
        count += 1
    return count


def latency(seconds: Sequence[Second], now_s: int, deadline_ms: float, span_s: int) -> Markup:
    """Slowest (line) and median (thin line) verdict of each second, with the deadline as a line.

    A second with a missed deadline carries a cross at the top. Times beyond 1.25
    deadlines are drawn at the edge.
    """
    width, height, top = 600, 120, deadline_ms * _EDGE
    limit_y = height - height * deadline_ms / top

    def xy(at_s: int, value_ms: float) -> str:
        x = width - (now_s - at_s) * width / span_s
        return f"{x:.0f} {height - height * min(value_ms, top) / top:.1f}"

    shown = [second for second in seconds if now_s - second.at_s < span_s]
    pieces = [element("path", class_="limit", d=f"M0 {limit_y:.1f} H{width}")]
    for kind, value in (("median", 2), ("slowest", 1)):
        path = ""
        last_s = 0
        for second in shown:
            # A line over seconds without parts would tell of parts that never were.
            path += ("L" if second.at_s - last_s == 1 else "M") + xy(second.at_s, second[value]) + " "
            last_s = second.at_s
        if path:
            pieces.append(element("path", class_=kind, d=path))
    for second in shown:
        if second.missed:
            x = width - (now_s - second.at_s) * width / span_s
            pieces.append(element("path", class_="missed", d=f"M{x - 4:.0f} 2 l8 8 m0 -8 l-8 8"))
    return element("svg", *pieces, viewBox=f"0 0 {width} {height}", preserveAspectRatio="none", role="img")


@lru_cache(maxsize=500)
def _bars(full: str, hollow: str) -> Markup:
    """One row of the Pareto: two bars end to end, their lengths in % of its width; they change seldom."""
    pieces = [element("rect", class_="full", width=f"{full}%", height="100%")]
    if hollow:
        # 1 px less at top and bottom: half of its outline lies outside.
        pieces.append(element("rect", class_="hollow", x=f"{full}%", y=1, width=f"{hollow}%", height=16))
    return element("svg", *pieces, class_="bars", aria_hidden="true")


def pareto(counts: Sequence[ClassCount], words: Words, at_most: int = 6) -> Markup:
    """Rejects by class, most first; what a person found to be false calls is the hollow end of each bar."""
    rows = sorted(counts, key=lambda row: (-(row.rejects - row.false_calls), -row.rejects, row.name))[:at_most]
    longest = max((row.rejects for row in rows), default=0)
    shown = []
    for row in rows if longest else ():
        real = row.rejects - row.false_calls
        full, hollow = (f"{92 * count / longest:.1f}" if count else "" for count in (real, row.false_calls))
        shown.append((row.name, real, row.false_calls, _bars(full or "0.0", hollow)))
    return lay_out("parts/pareto.html", words, rows=shown)


@cache
def _column(percent: str) -> Markup:
    rest = 100 - int(percent)
    return element("svg", element("rect", y=f"{rest}%", width="100%", height=f"{percent}%"), aria_hidden="true")


def hours(counts: Sequence[tuple[str, int, int]], words: Words) -> Markup:
    """Rejects of each hour as (label, rejects, parts), oldest first, the last one still running."""
    most = max((rejects for _, rejects, _ in counts), default=0) or 1
    rows = [(label, rejects, parts, _column(f"{100 * rejects / most:.0f}")) for label, rejects, parts in counts]
    return lay_out("parts/hours.html", words, rows=rows)
