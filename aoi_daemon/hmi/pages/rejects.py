"""The rejects: pictures to look into, one tap for "real defect" or "false call", and what that does to the Pareto."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Final

from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets import cells
from aoi_daemon.hmi.widgets.boxes import Box, overlay, pane, verdict, zoom_buttons
from aoi_daemon.hmi.widgets.numbers import whole
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.hmi.widgets.symbols import sign
from aoi_daemon.hmi.widgets.texts import Words
from aoi_daemon.records import queries
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.records.rows import Image, Part

SHOWN: Final = 12


class Look:
    """What one page shows: its parts, newest first, each with its picture."""

    def __init__(self) -> None:
        self.parts: dict[int, tuple[Part, Image | None]] = {}
        self.unreviewed = True
        self.before: tuple[float, int] | None = None
        self.at_rejected = 0
        self.problem = ""


def read_rejects(
    folder: Path, before: tuple[float, int] | None, *, unreviewed: bool
) -> tuple[list[tuple[Part, Image | None]], str]:
    """Up to SHOWN rejects before the part `before` (at, id) with their frames; what is wrong with them, or ""."""
    try:
        with closing(open_reader(folder)) as connection:
            parts = queries.rejects(connection, 0.0, SHOWN, before, unreviewed=unreviewed)
            return [(part, _frame(connection, part)) for part in parts], ""
    except (RecordsError, sqlite3.Error) as error:
        return [], str(error)


def _frame(connection: sqlite3.Connection, part: Part) -> Image | None:
    images = queries.images_of(connection, part.id) if part.image else []
    return next((image for image in images if image.kind == "frame"), None)


async def build(page: Page) -> None:
    """Show it."""
    words, folder = page.words, page.site.folder
    if folder is None:
        page.show(f'<h1>{words("rejects")}</h1><section class="panel"><p>{words("no_records")}</p></section>')
        return
    look = Look()
    filters = "".join(
        f'<button data-do="filter" data-arg="{which}" id="filter-{which}" aria-pressed="{pressed}">'
        f"{words(key)}</button>"
        for which, key, pressed in (("open", "only_unreviewed", "true"), ("all", "all_rejects", "false"))
    )
    await _load(page, look)

    def news(site: Site, words: Words) -> str:
        count = max(0, site.figures.rejected - look.at_rejected)
        return f'<button data-do="newest">{words("newer", count=count)}</button>' if count else ""

    gallery = (
        f'<div class="row no-print">{filters}<span class="fill"></span>{page.cell("news", news)}</div>'
        f'<div id="gallery" class="stack">{_gallery(page, look)}</div>'
    )
    side = (
        page.cell("counts", cells.counts, "panel live", "section")
        + page.cell("pareto", cells.pareto, "panel live", "section")
        + page.cell("review-share", review_share, "panel live", "section")
    )
    page.show(f'<div class="columns"><div class="stack">{gallery}</div><div class="stack">{side}</div></div>')

    async def turn(which: str) -> None:
        if which == "older" and look.parts:
            last, _ = list(look.parts.values())[-1]
            look.before = last.at, last.id
        elif which in ("open", "all"):
            look.unreviewed, look.before = which == "open", None
            page.run("press", f"filter-{which}", "[id^=filter-]")
        else:
            look.before = None
        await _load(page, look)
        page.put("gallery", _gallery(page, look))

    async def zoom(part_id: str) -> None:
        number = whole(part_id)
        found = None if number is None else look.parts.get(number)
        if found is not None:
            page.run("open", "viewer", _viewer(page, *found))

    async def review(argument: str) -> None:
        await _review(page, look, argument)

    for what in ("filter", "newest", "older"):
        page.on(what, turn)
    page.on("zoom-part", zoom)
    page.on("review", review)


async def _load(page: Page, look: Look) -> None:
    assert page.site.folder is not None
    look.at_rejected = page.site.figures.rejected
    try:
        rows, look.problem = await page.site.read(
            lambda folder: read_rejects(folder, look.before, unreviewed=look.unreviewed), page.site.folder
        )
    except Refused as refused:
        rows, look.problem = [], page.refusal(refused)
    look.parts = {part.id: (part, image) for part, image in rows}


async def _review(page: Page, look: Look, argument: str) -> None:
    text, _, verdict_word = argument.partition(":")
    part_id = whole(text)
    if part_id is None or part_id not in look.parts:
        return
    doing = page.site.actions.review(page.session, part_id, verdict_word)
    if not await page.act(doing, page.words.known(f"done_{verdict_word}")):
        return
    assert page.site.folder is not None
    part = await page.site.read(read_part, page.site.folder, part_id)
    if part is not None:
        look.parts[part.id] = (part, look.parts[part.id][1])
        page.put(f"part-{part.id}", _card(page, *look.parts[part.id]))
        page.run("shut", "viewer")
    await page.site.recounted(page.site.now_s())


def read_part(folder: Path, part_id: int) -> Part | None:
    """One part from the records; None where it, or they, cannot be read."""
    try:
        with closing(open_reader(folder)) as connection:
            return queries.part(connection, part_id)
    except (RecordsError, sqlite3.Error):
        return None


def review_share(site: Site, words: Words) -> str:
    """How much has been reviewed, and how much of that was a false call."""
    base = site.figures.base
    reviewed = base.rejected - base.unreviewed
    rate = f"{100 * base.false_calls / reviewed:.1f} %" if reviewed else "–"
    share = words("false_call_share", false=base.false_calls, reviewed=reviewed, open=site.figures.unreviewed)
    return f'<h2>{words("false_call_rate")}</h2><div class="count"><b>{rate}</b><small>{share}</small></div>'


def _gallery(page: Page, look: Look) -> str:
    words = page.words
    if look.problem:
        return page.problem(look.problem)
    if not look.parts:
        return f'<section class="panel"><p class="nothing">{words("no_rejects")}</p></section>'
    cards = "".join(
        f'<article class="panel card" id="part-{part.id}">{_card(page, part, image)}</article>'
        for part, image in look.parts.values()
    )
    older = ""
    if len(look.parts) == SHOWN or look.before is not None:
        older = (
            f'<div class="row"><button data-do="older" data-arg="older">{words("older")}</button>'
            + (f'<button data-do="newest">{words("newest")}</button>' if look.before is not None else "")
            + "</div>"
        )
    return f'<div class="gallery">{cards}</div>{older}'


def _boxes(words: Words, part: Part) -> list[Box]:
    return [Box(words.cause(d.name), d.score, d.x1, d.y1, d.x2, d.y2) for d in part.defects]


def _card(page: Page, part: Part, image: Image | None) -> str:
    words = page.words
    if image is None:
        picture = f'<div class="pane"><span class="empty" style="display:flex">{words("picture_gone")}</span></div>'
    else:
        boxes = overlay(_boxes(words, part), image.width_px, image.height_px, part.shift_px, named=False)
        picture = (
            f'<button class="pane" data-do="zoom-part" data-arg="{part.id}" aria-label="{words("zoom_in")}">'
            f'<span class="stage"><img alt="" src="/records/{part.id}/frame.jpg?px=320">{boxes}</span>'
            "</button>"
        )
    what = words.cause(part.worst_class or part.reason)
    count = f" ×{part.defect_count}" if part.defect_count > 1 else ""
    at = time.strftime("%m-%d %H:%M:%S", time.localtime(part.at))
    return (
        f'{picture}<div class="what"><b>{escape(what)}{count}</b><small>{at}</small></div>'
        f"<small>{_reviewed(words, part)}</small>{_buttons(page, part)}"
    )


def _reviewed(words: Words, part: Part) -> str:
    if part.review is None:
        return words("unreviewed")
    key = "real_defect" if part.review.verdict == "defect" else "false_call"
    return f"<b>{sign('check')} {words(key)}</b> {escape(words('reviewed_by', who=words.person(part.review.by)))}"


def _buttons(page: Page, part: Part) -> str:
    words = page.words
    if not page.may(Action.REVIEW):
        return page.for_role("operator")
    found = ""
    for value, key in (("defect", "real_defect"), ("false_call", "false_call")):
        pressed = "true" if part.review is not None and part.review.verdict == value else "false"
        found += f'<button data-do="review" data-arg="{part.id}:{value}" aria-pressed="{pressed}">{words(key)}</button>'
    return f'<div class="pair">{found}</div>'


def _viewer(page: Page, part: Part, image: Image | None) -> str:
    words = page.words
    boxes = _boxes(words, part)
    size = (image.width_px, image.height_px) if image is not None else (0, 0)
    caption = f"{words('part', number=part.part)} · {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(part.at))}"
    caption += f" · {part.camera} · {part.recipe}"
    said = verdict(words, passed=False, reason=part.reason, boxes=boxes, count=part.defect_count, caption=caption)
    template = f"/records/{part.id}/template.jpg" if part.template else ""
    panes = pane(
        words,
        "seen",
        words("board"),
        "picture_gone",
        source=f"/records/{part.id}/frame.jpg",
        boxes=overlay(boxes, *size, part.shift_px),
    )
    panes += pane(
        words, "golden", words("template"), "no_template", source=template, boxes=overlay(boxes, *size, named=False)
    )
    return (
        f'<div class="stack zoomer"><div class="result"><div class="row">{said}</div><div class="group">'
        f'{zoom_buttons(words)}<button data-close="">{sign("cross")} {words("close")}</button></div></div>'
        f'<div class="pictures {"" if template else "no-template"}">{panes}</div>'
        f"<p>{_reviewed(words, part)}</p>{_buttons(page, part)}</div>"
    )  # fmt: skip
