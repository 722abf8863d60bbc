"""One part for ever: `/parts/RUN-PART`, with all that the records keep of it. It works without a script."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from aoi_daemon.hmi.access.roles import Refused
from aoi_daemon.hmi.find.read import Detail, read_detail
from aoi_daemon.hmi.find.told import Stage, plc_took, stages, why_no_picture
from aoi_daemon.hmi.pages.find import moment
from aoi_daemon.hmi.widgets.boxes import boxes_of, overlay, pane, verdict, zoom_buttons
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.records.rows import Image, Part
from aoi_daemon.texts.words import Words

_STAGES: Final = {
    "camera": "camera", "queue": "stage_queue", "inference": "stage_inference", "decide": "stage_decide",
    "handover": "stage_handover", "plc": "plc",
}  # fmt: skip
_PROOFS: Final = {"not_proven": "NOT_PROVEN", "proven": "PROVEN", "accepted": "ACCEPTED", "upgraded": "UPGRADED"}


async def build(page: Page) -> None:
    """Show it."""
    words, folder = page.words, page.site.folder
    if folder is None:
        page.show(lay_out("pages/no_records.html", words, title=words("one_part")))
        return
    uid = page.request.path_params["uid"]
    try:
        detail = await page.site.read(read_detail, folder, uid)
    except (RecordsError, sqlite3.Error, Refused) as error:
        page.show(page.problem(str(error)))
        return
    if detail is None:
        page.status = 404
        shown = uid if uid.isprintable() else ascii(uid)
        page.show(lay_out("frame/problem_line.html", words, text=words("no_such_part", uid=shown[:60])))
        return
    page.show(_body(words, detail))


class _Line(NamedTuple):
    """One row of a table."""

    at: str
    who: str
    what: str
    more: str


def _body(words: Words, detail: Detail) -> Markup:
    part = detail.part
    caption = f"{words('part', number=part.part)} · {moment(part.at)} · {part.view or part.camera} · {part.recipe}"
    boxes, key = boxes_of(words, part), why_no_picture(detail)
    return lay_out(
        "pages/part.html", words, uid=part.uid, zoom=zoom_buttons(words),
        verdict=verdict(
            words, passed=part.passed, reason=part.reason, boxes=boxes, count=part.defect_count, caption=caption
        ),
        pictures=_pictures(words, detail), no_picture=words(key, why=detail.gap) if key else "",
        defects=[(box.name, f"{box.score:.2f}", [round(corner) for corner in box[2:]]) for box in boxes],
        more=max(0, part.defect_count - len(boxes)), stages=[_stage(words, stage) for stage in stages(part)],
        deadline=_deadline(words, part), facts=_facts(words, part), plc=_plc(words, part),
        reviews=_reviews(words, detail),
        audit=[
            _Line(moment(event.at), words.person(str(event.body.get("by", ""))), str(event.body.get("what", "")),
                  str(event.body.get("detail", "")))
            for event in detail.audit
        ],
    )  # fmt: skip


def _pictures(words: Words, detail: Detail) -> list[tuple[str, bool, list[Markup]]]:
    """(label, whether it has a template, panes) of each view of which a frame is kept, that which decided first."""
    part, found = detail.part, []
    frames = [image for image in detail.images if image.kind == "frame"]
    templates = [image for image in detail.images if image.kind == "template"]
    for number, frame in enumerate(sorted(frames, key=lambda image: image.camera != part.camera)):
        decided = number == 0 and frame.camera == part.camera
        template = next((image for image in templates if image.camera == frame.camera), None)
        panes = [
            _pane(words, f"seen-{number}", words("board"), part, frame, shift=part.shift_px if decided else None),
            _pane(words, f"golden-{number}", words("template"), part, template, shift=(0.0, 0.0) if decided else None),
        ]
        label = part.view or part.camera if decided else frame.camera
        found.append((label, template is not None, panes))
    return found


def _pane(
    words: Words, which: str, label: str, part: Part, image: Image | None, *, shift: tuple[float, float] | None
) -> Markup:
    source = "" if image is None else f"/parts/{part.uid}/{image.id}.jpg"
    boxes = None
    if image is not None and shift is not None:
        named = which.startswith("seen")
        boxes = overlay(boxes_of(words, part), image.width_px, image.height_px, shift, named=named)
    return pane(words, which, label, "no_template", source=source, boxes=boxes)


def _stage(words: Words, stage: Stage) -> tuple[str, str, str]:
    took, ended = ("–" if value is None else f"{value:.2f}" for value in stage[1:])
    return words(_STAGES[stage.name]), took, ended


def _deadline(words: Words, part: Part) -> str:
    allowed_ms = (part.deadline_ns - (part.trigger_ns or part.ready_ns)) / 1e6
    return words("deadline", ms=f"{allowed_ms:.1f}")


def _facts(words: Words, part: Part) -> Sequence[tuple[str, str]]:
    offset = f"{part.offset_x / 100:.2f} / {part.offset_y / 100:.2f} mm"
    proof = words(_PROOFS[part.proof]) if part.proof in _PROOFS else "–"
    return (
        ("recipe", f"{part.recipe_id}  {part.recipe}"), ("bundle", part.bundle or "–"), ("proof", proof),
        ("asked_view", part.view or "–"), ("camera", part.camera), ("offset", offset),
        ("trigger_id", str(part.trigger_id or "–")), ("line", part.line), ("run_id", part.run),
    )  # fmt: skip


def _plc(words: Words, part: Part) -> Sequence[tuple[str, str]]:
    took = plc_took(part)
    if took.took is not None:
        said = words("plc_took", result=words(took.took))
    else:
        said = words("plc_not_known" if took.said else "plc_not_sent")
    late = words("missed") if took.missed else words("plc_in_time")
    answered = next(stage.ended_ms for stage in stages(part) if stage.name == "plc")
    return (
        ("plc", said), ("wire_word", words("plc_word", word=f"{took.word:016b}")), ("sequence", str(took.sequence)),
        ("time", moment(part.at)), ("plc_after", "–" if answered is None else f"{answered:.2f} ms"), ("state", late),
        ("bypassed", words("yes") if part.bypassed else words("no")),
    )  # fmt: skip


def _reviews(words: Words, detail: Detail) -> list[_Line]:
    keys = {"defect": "real_defect", "false_call": "false_call", "": "taken_back"}
    return [_Line(moment(tap.at), words.person(tap.by), words(keys[tap.verdict]), tap.note) for tap in detail.taps]
