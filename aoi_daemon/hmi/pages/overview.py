"""The first page: the part, the state of the line, its figures and its alarms."""

from __future__ import annotations

from aoi_daemon.hmi.widgets import cells
from aoi_daemon.hmi.widgets.boxes import pane, zoom_buttons
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.hmi.widgets.shell import Page


def build(page: Page) -> None:
    """Show it. Verdict and picture come with the next part."""
    words = page.words
    page.wants_pictures = True
    panes = (
        pane(words, "frame", words("board"), "no_picture"),
        pane(words, "template", words("template"), "no_template"),
    )
    left = (
        page.cell("strip", cells.strip, "panel live", "section"),
        page.cell("latency", cells.latency, "panel live", "section"),
    )
    right = (
        page.cell("alarms", cells.alarms_short, "panel live told", "section"),
        page.cell("tiles", cells.tiles, "panel live told tiles", "section"),
        page.cell("counts", cells.counts, "panel live", "section"),
        page.cell("pareto", cells.pareto, "panel live", "section"),
        page.cell("hours", cells.hours, "panel live", "section"),
    )
    page.show(lay_out("pages/overview.html", words, panes=panes, zoom=zoom_buttons(words), left=left, right=right))
