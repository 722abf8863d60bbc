"""Find parts: the filters are the query of the address, so a search is a link; all of it works without a script."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup

from aoi_daemon.hmi.access.roles import Refused
from aoi_daemon.hmi.find.asked import AFTER, PARAMETERS, Asked, NotAskedRightError, in_words, read_asked
from aoi_daemon.hmi.find.read import Known, read_found, read_known
from aoi_daemon.hmi.widgets.boxes import boxes_of, overlay
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.messages import Reason
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.records.find import Found
from aoi_daemon.records.rows import Image, Part
from aoi_daemon.texts.words import Words

SHOWN: Final = 24
ADDRESS: Final = "/find"
_LABELS: Final = {
    "from": "asked_from", "to": "asked_to", "part": "asked_part", "recipe": "recipe", "passed": "asked_passed",
    "class": "class", "reason": "cause", "camera": "camera", "view": "asked_view", "review": "asked_review",
    "score_min": "asked_score_min", "score_max": "asked_score_max",
}  # fmt: skip
_VALUES: Final = {
    ("passed", "true"): "passed", ("passed", "false"): "rejected", ("review", "none"): "unreviewed",
    ("review", "any"): "asked_reviewed", ("review", "defect"): "real_defect", ("review", "false_call"): "false_call",
}  # fmt: skip
_TIMES: Final = ("from", "to")


class _Field(NamedTuple):
    """One field of the form: `options` to choose from, with their texts; `only`: nothing else is taken."""

    name: str
    label: str
    value: str
    kind: str
    options: tuple[tuple[str, str], ...]
    only: bool


class _Chip(NamedTuple):
    """One filter as it is asked for, and the address without it."""

    label: str
    value: str
    without: str


async def build(page: Page) -> None:
    """Show it."""
    words, folder = page.words, page.site.folder
    if folder is None:
        page.show(lay_out("pages/no_records.html", words, title=words("find")))
        return
    given = page.request.query_params.multi_items()
    try:
        asked = read_asked(given)
    except NotAskedRightError as error:
        page.status = 400
        texts = {name: text for name, text in given if name in _LABELS}
        await _show(page, texts, lay_out("frame/problem_line.html", words, text=in_words(words, error)))
        return
    if any(not text.strip() for _, text in given):
        # A form sends its empty fields, too; what is passed on is to be short.
        page.elsewhere = address(dict(asked.texts) | ({AFTER: str(asked.place)} if asked.place else {}))
        return
    try:
        found, images = await page.site.read(read_found, folder, asked, SHOWN)
    except (RecordsError, sqlite3.Error, Refused) as error:
        await _show(page, asked.texts, page.problem(str(error)))
        return
    await _show(page, asked.texts, _result(words, asked, found, images))


def address(texts: dict[str, str]) -> str:
    """The address of a search."""
    return f"{ADDRESS}?{urlencode(texts)}" if texts else ADDRESS


async def _show(page: Page, texts: Mapping[str, str], result: Markup) -> None:
    known = Known((), ())
    if page.site.folder is not None:
        # The names can be typed, too; what is wrong stands where the result would.
        with contextlib.suppress(RecordsError, sqlite3.Error, Refused):
            known = await page.site.read(read_known, page.site.folder)
    fields = [_field(page, name, texts.get(name, ""), known) for name in _LABELS]
    page.show(lay_out("pages/find.html", page.words, fields=fields, result=result, open=not texts, here=ADDRESS))


def _field(page: Page, name: str, value: str, known: Known) -> _Field:
    words = page.words
    kind = "datetime-local" if name in _TIMES else "text"
    parameter = next(each for each in PARAMETERS if each.name == name)
    if parameter.values:
        options = tuple((each, value_in_words(words, name, each)) for each in parameter.values)
    else:
        names = {
            "recipe": known.recipes, "class": known.classes,
            "camera": [camera.name for camera in page.site.config.cameras],
            "view": [view.name for view in page.site.views if view.name],
        }.get(name, ())  # fmt: skip
        options = tuple((each, value_in_words(words, name, each)) for each in names)
    shown = _local(parameter.read(value), value) if kind != "text" and value else value
    return _Field(name, words(_LABELS[name]), shown, kind, options, bool(parameter.values))


def _local(found: object, text: str) -> str:
    """A time as the browser's field takes it: of this PC's clock, without a zone."""
    if not isinstance(found, dict):
        return text
    at: float = next(iter(found.values()))
    local = datetime.fromtimestamp(at)  # the field has no zone
    return local.isoformat(timespec="auto" if local.second or local.microsecond else "minutes")


def value_in_words(words: Words, name: str, value: str) -> str:
    """A filter's value as people read it."""
    if (name, value) in _VALUES:
        return words(_VALUES[name, value])
    if name == "class" or (name == "reason" and value in Reason.__members__):
        return words.cause(value)
    return value.replace("T", " ") if name in _TIMES else value


def _result(words: Words, asked: Asked, found: Found, images: list[Image | None]) -> Markup:
    chips = [
        _Chip(words(_LABELS[name]), value_in_words(words, name, text), address(asked.without(name)))
        for name, text in asked.texts.items()
    ]
    cards = [_card(words, part, image) for part, image in zip(found.parts, images, strict=True)]
    return lay_out(
        "parts/found.html", words, chips=chips, cards=cards, said=_said(words, found), full=found.full,
        go_on="" if found.place is None else address(dict(asked.texts) | {AFTER: str(found.place)}),
        newest="" if asked.place is None else address(dict(asked.texts)), timed=bool(asked.texts.keys() & set(_TIMES)),
    )  # fmt: skip


def _said(words: Words, found: Found) -> str:
    back_to = "" if found.searched_to is None else moment(found.searched_to)
    if found.place is None:
        return words("found_all", count=len(found.parts)) if found.parts else ""
    return words("found_page" if found.full else "found_so_far", count=len(found.parts), at=back_to)


def moment(at: float) -> str:
    """A time as the pages show it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


class _Card(NamedTuple):
    """One part of the result."""

    uid: str
    row: int
    boxes: Markup | None
    passed: bool
    what: str
    defects: int
    at: str
    facts: str
    review: str


def _card(words: Words, part: Part, image: Image | None) -> _Card:
    boxes = None
    if image is not None:
        boxes = overlay(boxes_of(words, part), image.width_px, image.height_px, part.shift_px, named=False)
    what = words("PASS") if part.passed else words.cause(part.worst_class or part.reason)
    facts = f"{words('part', number=part.part)} · {part.recipe} · {part.view or part.camera}"
    verdict = "" if part.review is None else words("real_defect" if part.review.verdict == "defect" else "false_call")
    return _Card(part.uid, part.id, boxes, part.passed, what, part.defect_count, moment(part.at), facts, verdict)
