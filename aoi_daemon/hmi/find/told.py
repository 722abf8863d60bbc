"""What the records say of one part, for page and API alike: stages, the PLC, the missing picture. Pure."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from aoi_daemon.hmi.find.read import Detail
from aoi_daemon.messages import Reason
from aoi_daemon.plcmap.coils import Coil, Result
from aoi_daemon.records.fields import as_object
from aoi_daemon.records.rows import Part
from aoi_daemon.records.times import iso

_STAGES: Final = (
    ("camera", "trigger_ns", "ready_ns"), ("queue", "ready_ns", "picked_ns"), ("inference", "picked_ns", "inferred_ns"),
    ("decide", "inferred_ns", "judged_ns"), ("handover", "judged_ns", "sent_ns"), ("plc", "sent_ns", "answered_ns"),
)  # fmt: skip
_NO_FRAME: Final = (Reason.NO_IMAGE.name, Reason.INCOMPLETE.name)


class Stage(NamedTuple):
    """One stage of a part's way: `took_ms`, and when it ended, ms after the trigger; None: it did not come so far."""

    name: str
    took_ms: float | None
    ended_ms: float | None


def stages(part: Part) -> tuple[Stage, ...]:
    """The stages in order, from the trigger to the PLC's verified answer."""
    began = part.trigger_ns or part.ready_ns
    found = []
    for name, first, last in _STAGES:
        begin, end = getattr(part, first), getattr(part, last)
        took = round((end - begin) / 1e6, 3) if begin and end else None
        found.append(Stage(name, took, round((end - began) / 1e6, 3) if end and began else None))
    return tuple(found)


class Took(NamedTuple):
    """What the PLC took of a part.

    `took`: `PASS` or `REJECT`, None: it is not known that it took anything. `sequence`: the low byte of the part's
    number; `word`: its coils PASS, REJECT and SEQ, the others are not recorded. `said`: whether anything was sent.
    """

    took: str | None
    sequence: int
    word: int
    said: bool
    missed: bool


def plc_took(part: Part) -> Took:
    """What the PLC took of `part`, as its answer was verified."""
    result, sequence = Result.PASS if part.passed else Result.REJECT, part.part & 0xFF
    word = result << Coil.PASS | sequence << Coil.SEQ
    return Took(result.name if part.delivered else None, sequence, word, bool(part.sent_ns), part.missed)


def why_no_picture(detail: Detail) -> str:
    """The key of why no frame of the part is there, "" where one is: a text that takes `why`."""
    if any(image.kind == "frame" for image in detail.images):
        return ""
    if detail.gap:
        return "no_picture_lost"
    if detail.part.reason in _NO_FRAME:
        return "no_picture_came"
    return "no_picture_sampled" if detail.part.passed else "no_picture_removed"


def as_detail(detail: Detail) -> dict[str, Any]:
    """All of a part with plain values: the fields of an export, and what belongs to it."""
    part, took = detail.part, plc_took(detail.part)
    no_picture = why_no_picture(detail)
    return as_object(part) | {
        "link": f"/parts/{part.uid}",
        "defects_on_frame_px": list(part.shift_px),
        "pictures": [
            {
                "link": f"/api/v1/parts/{part.uid}/{image.id}.jpg", "camera": image.camera, "kind": image.kind,
                "why": image.why, "width_px": image.width_px, "height_px": image.height_px,
            }
            for image in detail.images
        ],
        "no_picture": no_picture.removeprefix("no_picture_") or None,
        "no_picture_why": detail.gap or None,
        "stages": [stage._asdict() for stage in stages(part)],
        "plc": {
            "took": took.took, "sequence": took.sequence, "word": took.word, "sent": took.said, "missed": took.missed,
        },
        "reviews": [
            {"time": iso(tap.at), "by": tap.by, "review": tap.verdict or None, "note": tap.note} for tap in detail.taps
        ],
        "audit": [
            {
                "time": iso(event.at), "what": str(event.body.get("what", "")), "by": str(event.body.get("by", "")),
                "ok": bool(event.body.get("ok", True)), "detail": str(event.body.get("detail", "")),
            }
            for event in detail.audit
        ],
    }  # fmt: skip
