"""The first page: the part, the state of the line, its figures and its alarms."""

from __future__ import annotations

from aoi_daemon.hmi.widgets import cells
from aoi_daemon.hmi.widgets.boxes import pane, zoom_buttons
from aoi_daemon.hmi.widgets.shell import Page


def build(page: Page) -> None:
    """Show it. Verdict and picture come with the next part."""
    words = page.words
    page.wants_pictures = True
    modes = "".join(
        f'<button data-mode="{mode}" aria-pressed="{pressed}">{words(f"show_{mode}")}</button>'
        for mode, pressed in (("all", "true"), ("rejects", "false"), ("hold", "false"))
    )
    left = (
        f'<section class="panel live result"><div id="verdict"><p class="nothing">{words("waiting")}</p></div>'
        f'<div class="group">{modes}</div></section>'
        '<section class="panel live zoomer looking"><div class="pictures none no-template">'
        f"{pane(words, 'frame', words('board'), 'no_picture')}"
        f"{pane(words, 'template', words('template'), 'no_template')}</div>"
        f'<div class="group">{zoom_buttons(words)}</div></section>'
        + page.cell("strip", cells.strip, "panel live", "section")
        + page.cell("latency", cells.latency, "panel live", "section")
    )
    right = (
        page.cell("alarms", cells.alarms_short, "panel live told", "section")
        + page.cell("tiles", cells.tiles, "panel live told tiles", "section")
        + page.cell("counts", cells.counts, "panel live", "section")
        + page.cell("pareto", cells.pareto, "panel live", "section")
        + page.cell("hours", cells.hours, "panel live", "section")
    )
    page.show(f'<div class="overview"><div class="left">{left}</div><div class="right">{right}</div></div>')
