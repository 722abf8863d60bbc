"""What registration gained, as a section of the page. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any


def registration_table(gain: Mapping[str, Any] | None) -> str:
    """The section for `registration_gain.as_json`'s record; empty where it was not measured."""
    if gain is None:
        return ""
    rows = "".join(_row(row) for row in gain["shifts"])
    cost = gain["cost_ms"]
    return (
        "<section><h2>Registration</h2>"
        f"<p>{gain['boards']} boards, each moved by known amounts and judged twice: as it comes, and aligned to its "
        f"template first. It cost {cost['median']:.1f} ms a frame at the median ({cost['p99']:.1f} ms at the 99th "
        "percentile), with a template that comes with the frame.</p>"
        "<table><thead><tr><th>moved by, px</th><th>mAP 0.33</th><th>aligned</th><th>escapes</th><th>aligned</th>"
        "<th>false calls</th><th>aligned</th><th>not placed, rejected</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
    )


def _row(row: Mapping[str, Any]) -> str:
    before, after = row["as_it_comes"], row["aligned"]
    x_px, y_px = row["shift_px"]
    cells = [
        f"{x_px:+g}, {y_px:+g}",
        *(f"{100 * side['map33']:.2f}" for side in (before, after)),
        *(f"{side['escapes']} of {side['bad_boards']}" for side in (before, after)),
        *(f"{side['false_calls']} of {side['good_boards']}" for side in (before, after)),
        str(row["unaligned"]),
    ]
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
