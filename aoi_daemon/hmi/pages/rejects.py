"""The rejects: pictures to look into, one tap for "real defect" or "false call", and what that does to the Pareto."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from markupsafe import Markup

from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.find.read import frame_of
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets import cells
from aoi_daemon.hmi.widgets.boxes import boxes_of, overlay, pane, verdict, zoom_buttons
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.hmi.widgets.numbers import whole
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.records import queries
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.records.rows import Image, Part
from aoi_daemon.texts.words import Words

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
            return [(part, frame_of(connection, part)) for part in parts], ""
    except (RecordsError, sqlite3.Error) as error:
        return [], str(error)


async def build(page: Page) -> None:
    """Show it."""
    words, folder = page.words, page.site.folder
    if folder is None:
        page.show(lay_out("pages/no_records.html", words, title=words("rejects")))
        return
    look = Look()
    await _load(page, look)

    def news(site: Site, words: Words) -> Markup:
        count = max(0, site.figures.rejected - look.at_rejected)
        return lay_out("cells/news.html", words, count=count) if count else Markup()

    side = (
        page.cell("counts", cells.counts, "panel live", "section"),
        page.cell("pareto", cells.pareto, "panel live", "section"),
        page.cell("review-share", review_share, "panel live", "section"),
    )
    gallery = _gallery(page, look)
    page.show(lay_out("pages/rejects.html", words, news=page.cell("news", news), gallery=gallery, side=side))

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


def review_share(site: Site, words: Words) -> Markup:
    """How much has been reviewed, and how much of that was a false call."""
    base = site.figures.base
    reviewed = base.rejected - base.unreviewed
    rate = f"{100 * base.false_calls / reviewed:.1f} %" if reviewed else "–"
    share = words("false_call_share", false=base.false_calls, reviewed=reviewed, open=site.figures.unreviewed)
    return lay_out("cells/review_share.html", words, rate=rate, share=share)


def _gallery(page: Page, look: Look) -> Markup:
    if look.problem:
        return page.problem(look.problem)
    cards = [(part.id, _card(page, part, image)) for part, image in look.parts.values()]
    newest = look.before is not None
    return lay_out("parts/gallery.html", page.words, cards=cards, older=newest or len(cards) == SHOWN, newest=newest)


class _Review(NamedTuple):
    """What a person has said of a part: `verdict` and `by` are empty while nobody has. `may`: this one may say so."""

    part_id: int
    verdict: str
    by: str
    may: bool


def _reviewed(page: Page, part: Part) -> _Review:
    found, may = part.review, page.may(Action.REVIEW)
    if found is None:
        return _Review(part.id, "", "", may)
    return _Review(part.id, found.verdict, page.words("reviewed_by", who=page.words.person(found.by)), may)


def _card(page: Page, part: Part, image: Image | None) -> Markup:
    words = page.words
    boxes = None
    if image is not None:
        boxes = overlay(boxes_of(words, part), image.width_px, image.height_px, part.shift_px, named=False)
    return lay_out(
        "parts/card.html", words, part_id=part.id, uid=part.uid, boxes=boxes,
        what=words.cause(part.worst_class or part.reason),
        count=part.defect_count, at=time.strftime("%m-%d %H:%M:%S", time.localtime(part.at)),
        review=_reviewed(page, part), for_role=page.for_role("operator"),
    )  # fmt: skip


def _viewer(page: Page, part: Part, image: Image | None) -> Markup:
    words = page.words
    boxes = boxes_of(words, part)
    size = (image.width_px, image.height_px) if image is not None else (0, 0)
    caption = f"{words('part', number=part.part)} · {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(part.at))}"
    caption += f" · {part.view or part.camera} · {part.recipe}"
    template = f"/records/{part.id}/template.jpg" if part.template else ""
    panes = (
        pane(words, "seen", words("board"), "picture_gone", source=f"/records/{part.id}/frame.jpg",
             boxes=overlay(boxes, *size, part.shift_px)),
        pane(words, "golden", words("template"), "no_template", source=template,
             boxes=overlay(boxes, *size, named=False)),
    )  # fmt: skip
    return lay_out(
        "parts/viewer.html", words, panes=panes, has_template=bool(part.template), zoom=zoom_buttons(words),
        verdict=verdict(words, passed=False, reason=part.reason, boxes=boxes, count=part.defect_count, caption=caption),
        review=_reviewed(page, part), for_role=page.for_role("operator"),
    )  # fmt: skip
