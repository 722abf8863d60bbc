"""The messages as bytes. Pure. `schema.json` beside this file describes them, field by field.

Names and units never change their meaning within a `schema` version; fields may be added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from aoi_daemon.config.lens import Lens
from aoi_daemon.decide.alarms import KINDS, Alarm, AlarmState
from aoi_daemon.decide.lengths import size_mm
from aoi_daemon.records.rows import Event, Part
from aoi_daemon.stage.status import STAGES

VERSION: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ALARM_STATES: Final = {state.value: state for state in AlarmState}
_PER_MM: Final = 100.0
"""Offsets are recorded in 0.01 mm."""


def times(at_s: float, name: str = "at") -> dict[str, Any]:
    """`at_s` (UTC, Unix seconds) as ISO 8601 and as epoch ms; both name the same millisecond."""
    at_ms = round(at_s * 1000)
    text = (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")
    return {name: text.replace("+00:00", "Z"), f"{name}_ms": at_ms}


def result(part: Part, lens: Lens | None = None) -> bytes:
    """What became of one part; `lens` is what was measured of its camera, by which sizes are told in mm."""
    return _bytes(
        {
            "schema": VERSION,
            "id": part.uid,
            "line": part.line,
            "run": part.run,
            "part": part.part,
            **times(part.at),
            "verdict": "PASS" if part.passed else "REJECT",
            "reason": None if part.passed else part.reason,
            "recipe": part.recipe,
            "recipe_id": part.recipe_id,
            "bundle": part.bundle or None,
            "camera": part.camera,
            "fov": part.fov,
            "view": part.sequence,
            "view_name": part.view,
            "trigger_id": part.trigger_id or None,
            "defect_count": part.defect_count,
            "worst_class": part.worst_class,
            "defects": [
                {
                    "class": d.name, "score": d.score, "x1_px": d.x1, "y1_px": d.y1, "x2_px": d.x2, "y2_px": d.y2,
                    **_sizes_mm((d.x1, d.y1, d.x2, d.y2), lens),
                }
                for d in part.defects
            ],
            "offset_x_mm": part.offset_x / _PER_MM,
            "offset_y_mm": part.offset_y / _PER_MM,
            "px_per_mm": part.px_per_mm,
            "delivered": part.delivered,
            "missed": part.missed,
            "bypassed": part.bypassed,
            "proof": part.proof,
            "latency_ms": part.latency_ms,
            "stages_ms": _stages_ms(part),
        }
    )


def alarm(event: Event, line: str) -> bytes:
    """One alarm moved; `event` is of kind `alarm`."""
    name = str(event.body["name"])
    return _bytes(
        {
            "schema": VERSION,
            "id": f"{event.run}-{event.number}",
            "line": line,
            "run": event.run,
            "number": event.number,
            **times(event.at),
            **_alarm(name, event.body),
            "was": event.body.get("was"),
            "event": event.body.get("event"),
            "by": event.body.get("by", ""),
        }
    )


def alarms(line: str, at_s: float, rows: Sequence[tuple[str, Mapping[str, Any], float | None]]) -> bytes:
    """The alarms that are not normal: name, body of the last event (empty: not known), and when it was (Unix s)."""
    return _bytes(
        {
            "schema": VERSION,
            "line": line,
            **times(at_s),
            "alarms": [
                {**_alarm(name, body), **(times(since_s, "since") if since_s else {"since": None, "since_ms": None})}
                for name, body, since_s in rows
            ],
        }
    )


def state(line: str, at_s: float, run: str, fields: Mapping[str, Any]) -> bytes:
    """The line now; `fields` as `live.Live.state` has them."""
    return _bytes({"schema": VERSION, "line": line, "online": True, **times(at_s), "run": run, **fields})


def offline(line: str, at_s: float | None = None) -> bytes:
    """The publisher is not there: at its leave, with the time; as the will, which is written beforehand, without."""
    when = {"at": None, "at_ms": None} if at_s is None else times(at_s)
    return _bytes({"schema": VERSION, "line": line, "online": False, **when, "ready": False, "state": "OFFLINE"})


def _sizes_mm(box: tuple[float, float, float, float], lens: Lens | None) -> dict[str, float | None]:
    width, height = (None, None) if lens is None else (round(length, 4) for length in size_mm(lens, box))
    return {"width_mm": width, "height_mm": height}


def _alarm(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    kind = KINDS[Alarm[name]] if name in Alarm.__members__ else None
    state = _ALARM_STATES.get(body.get("state", ""))
    return {
        "alarm": name,
        "state": state.value if state else None,
        # One that the board shows and whose event is not known is active for certain.
        "active": state.active if state else True,
        "acknowledged": state.acknowledged if state else None,
        "priority": body.get("priority") or (kind.priority.name if kind else None),
        "text": kind.text if kind else name,
        "remedy": kind.remedy if kind else "",
        "detail": body.get("detail", ""),
    }


def _stages_ms(part: Part) -> dict[str, float] | None:
    """How long each stage took of a part that went all the way; None for any other part."""
    if not (part.answered_ns and part.judged_ns and part.inferred_ns):
        return None
    stamps = (
        part.trigger_ns or part.ready_ns, part.ready_ns, part.picked_ns, part.inferred_ns, part.judged_ns,
        part.sent_ns, part.answered_ns,
    )  # fmt: skip
    return {name: round((stamps[i + 1] - stamps[i]) / 1e6, 3) for i, name in enumerate(STAGES)}


def _bytes(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
