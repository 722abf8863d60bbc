"""Small charts as SVG and HTML, drawn here so that a browser has nothing to compute. Pure.

Gray is the ordinary, colour the abnormal; what is coloured also differs in shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

STRIP_MARKS: Final = 60


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


def strip(marks: Sequence[Mark]) -> str:
    """The last parts as marks, newest right: a low stroke passed, a tall one with a cross was rejected."""
    shown = marks[-STRIP_MARKS:]
    pieces = []
    for index, mark in enumerate(shown, STRIP_MARKS - len(shown)):
        x = index * 10 + 5
        if mark.passed:
            pieces.append(f'<path class="good" d="M{x} 34 V40"/>')
        else:
            kind = "bad" if mark.judged else "unjudged"
            cross = f"M{x - 3} 4 l6 6 m0 -6 l-6 6" if mark.judged else f"M{x - 3} 4 h6 v6 h-6 Z"
            pieces.append(f'<path class="{kind}" d="M{x} 14 V40 {cross}"/>')
    return (
        f'<svg class="strip" viewBox="0 0 {STRIP_MARKS * 10} 44" preserveAspectRatio="none" role="img">'
        f'<path class="axis" d="M0 42 H{STRIP_MARKS * 10}"/>{"".join(pieces)}</svg>'
    )


def rejects_in_a_row(marks: Sequence[Mark]) -> int:
    """How many of the newest parts were rejected without a good one between."""
    count = 0
    for mark in reversed(marks):
        if mark.passed:
            break
        count += 1
    return count


def latency(seconds: Sequence[Second], now_s: int, deadline_ms: float, span_s: int, deadline_word: str) -> str:
    """Slowest (line) and median (thin line) verdict of each second, with the deadline as a line.

    A second with a missed deadline carries a cross at the top. Times beyond 1.25
    deadlines are drawn at the edge.
    """
    width, height, top = 600, 120, deadline_ms * 1.25
    limit_y = height - height * deadline_ms / top

    def xy(at_s: int, value_ms: float) -> str:
        x = width - (now_s - at_s) * width / span_s
        return f"{x:.0f} {height - height * min(value_ms, top) / top:.1f}"

    shown = [second for second in seconds if now_s - second.at_s < span_s]
    pieces = [f'<path class="limit" d="M0 {limit_y:.1f} H{width}"/>']
    for kind, value in (("median", 2), ("slowest", 1)):
        path = ""
        last_s = 0
        for second in shown:
            # A line over seconds without parts would tell of parts that never were.
            path += ("L" if second.at_s - last_s == 1 else "M") + xy(second.at_s, second[value]) + " "
            last_s = second.at_s
        if path:
            pieces.append(f'<path class="{kind}" d="{path}"/>')
    for second in shown:
        if second.missed:
            x = width - (now_s - second.at_s) * width / span_s
            pieces.append(f'<path class="missed" d="M{x - 4:.0f} 2 l8 8 m0 -8 l-8 8"/>')
    return (
        f'<div class="plot"><svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img">'
        f"{''.join(pieces)}</svg>"
        f'<span class="limit-label" style="top:{100 * limit_y / height:.0f}%">{escape(deadline_word)}</span></div>'
    )


def pareto(counts: Sequence[ClassCount], false_call_word: str, nothing_word: str, at_most: int = 6) -> str:
    """Rejects by class, most first; what a person found to be false calls is the hollow end of each bar."""
    rows = sorted(counts, key=lambda row: (-(row.rejects - row.false_calls), -row.rejects, row.name))[:at_most]
    longest = max((row.rejects for row in rows), default=0)
    if not longest:
        return f'<p class="nothing">{escape(nothing_word)}</p>'
    pieces = []
    for row in rows:
        real = row.rejects - row.false_calls
        hollow = note = ""
        if row.false_calls:
            hollow = f'<i class="hollow" style="width:{92 * row.false_calls / longest:.1f}%"></i>'
            note = f" <small>+{row.false_calls} {escape(false_call_word)}</small>"
        pieces.append(
            f'<div class="bar-row" data-class="{escape(row.name)}"><b>{escape(row.name)}</b>'
            f'<span class="bars"><i class="full" style="width:{92 * real / longest:.1f}%"></i>{hollow}</span>'
            f"<em>{real}{note}</em></div>"
        )
    return f'<div class="pareto">{"".join(pieces)}</div>'


def hours(counts: Sequence[tuple[str, int, int]]) -> str:
    """Rejects of each hour as (label, rejects, parts), oldest first, the last one still running."""
    most = max((rejects for _, rejects, _ in counts), default=0) or 1
    columns = "".join(
        f'<div class="hour" title="{parts}"><em>{rejects}</em>'
        f'<span><i style="height:{100 * rejects / most:.0f}%"></i></span><b>{escape(label)}</b></div>'
        for label, rejects, parts in counts
    )
    return f'<div class="hours">{columns}</div>'
