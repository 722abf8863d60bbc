"""The API's description, OpenAPI 3.1, made from the tables that it is answered by: parameters, fields of a part."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from aoi_daemon import __version__
from aoi_daemon.hmi.find.asked import AFTER, LIMIT, MOST, PARAMETERS
from aoi_daemon.messages import Proof, Reason
from aoi_daemon.records.fields import FIELDS
from aoi_daemon.records.rows import Part
from aoi_daemon.texts.words import Words

_TIME: Final = {"type": "string", "format": "date-time"}
_MAYBE_TIME: Final = {"type": ["string", "null"], "format": "date-time"}
_TEXT: Final = {"type": "string"}
_MAYBE_TEXT: Final = {"type": ["string", "null"]}
_WHOLE: Final = {"type": "integer"}
_NUMBER: Final = {"type": "number"}
_MAYBE_NUMBER: Final = {"type": ["number", "null"]}
_YES: Final = {"type": "boolean"}
_TYPES: Final[Mapping[Any, Mapping[str, Any]]] = {
    int: _WHOLE, float: _NUMBER, str: _TEXT, bool: _YES, str | None: _MAYBE_TEXT, float | None: _MAYBE_NUMBER,
}  # fmt: skip
_OTHERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "time": _TIME, "review_time": _MAYBE_TIME, "review_by": _MAYBE_TEXT, "review_note": _MAYBE_TEXT,
    "review": {"enum": ["defect", "false_call", None]}, "reason": {"enum": [reason.name for reason in Reason]},
    "proof": {"enum": [*(proof.name.lower() for proof in Proof), None]},
    "defects": {"type": "array", "items": {"$ref": "#/components/schemas/Defect"}},
}  # fmt: skip
_DESCRIBED: Final = {
    "id": "of the row; grows in the order of recording, and is another after a restore",
    "uid": "RUN-NUMBER, unique for ever: the ID of /api/v1/parts/ID",
    "part": "counts from 1 in its run", "time": "of the verdict", "bundle": "the first 16 hex digits of its SHA-256",
    "latency_ms": "frame in the ring to the PLC's verified answer; null: not delivered",
    "offset_x": "0.01 mm", "offset_y": "0.01 mm", "defect_count": "all; `defects` holds the worst 16",
    "image": "file of the records folder; null: not kept", "template": "file of the records folder; null: not kept",
}  # fmt: skip

_ID: Final = {"name": "id", "in": "path", "required": True, "schema": _TEXT, "description": "a part's `uid`"}


@cache
def document() -> dict[str, Any]:
    """All of it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aoi-daemon: recorded parts", "version": __version__,
            "description": "Read only. With a token of `aoi-daemon token add NAME`, or the login of who may export.",
        },
        "security": [{"token": []}],
        "paths": {
            "/api/v1/parts": {"get": _operation(
                "Parts, newest first, page by page", "Found", [*_filters(), *_paging()], wrong_input=True,
            )},
            "/api/v1/parts/{id}": {"get": _operation("All that is kept of one part", "Detail", [
                _ID,
            ], not_found=True)},
            "/api/v1/parts/{id}/{picture}.jpg": {"get": _picture()},
            "/api/v1/openapi.json": {"get": _operation("This document", None, [])},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }  # fmt: skip


def _filters() -> list[dict[str, Any]]:
    words = Words("en")
    return [
        {
            "name": parameter.name, "in": "query", "required": False, "schema": dict(parameter.schema),
            "description": words(parameter.may, values=", ".join(parameter.values), most=100),
        }
        for parameter in PARAMETERS
    ]  # fmt: skip


def _paging() -> list[dict[str, Any]]:
    limit = {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100}
    return [
        {"name": AFTER, "in": "query", "schema": _TEXT, "description": "`next` of the answer before: go on from there"},
        {"name": LIMIT, "in": "query", "schema": limit, "description": "at most so many parts in one answer"},
    ]


def _operation(
    summary: str, schema: str | None, parameters: list[dict[str, Any]], *, wrong_input: bool = False,
    not_found: bool = False,
) -> dict[str, Any]:  # fmt: skip
    answer = {"type": "object"} if schema is None else {"$ref": f"#/components/schemas/{schema}"}
    problems = {
        "400": ("a parameter is wrong: `parameter` names it, `error` says what it may be", wrong_input),
        "401": ("no token and no login, or a wrong token", True), "403": ("the login may not export", True),
        "404": ("no such part is recorded", not_found), "409": ("no records are kept", True),
        "429": ("too often: `Retry-After` says when to try again", True),
        "503": ("the records cannot be read now", True),
    }  # fmt: skip
    return {
        "summary": summary, "parameters": parameters,
        "responses": {
            "200": _response("as asked", answer),
            **{status: _response(text, {"$ref": "#/components/schemas/Problem"})
               for status, (text, there) in problems.items() if there},
        },
    }  # fmt: skip


def _picture() -> dict[str, Any]:
    number = {"name": "picture", "in": "path", "required": True, "schema": _WHOLE, "description": "as in `pictures`"}
    found = _operation("A picture of a part", None, [_ID, number], not_found=True)
    found["responses"]["200"] = {"description": "as asked", "content": {"image/jpeg": {}}}
    return found


def _response(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _object(properties: Mapping[str, Any], required: typing.Iterable[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object", "properties": dict(properties), "additionalProperties": False,
        "required": list(properties if required is None else required),
    }  # fmt: skip


def _list(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _object(properties)}


def _part_fields() -> dict[str, Any]:
    types = {field.name: typing.get_type_hints(Part)[field.name] for field in dataclasses.fields(Part)}
    found = {name: dict(_OTHERS.get(name) or _TYPES[types[name]]) for name in FIELDS}
    for name, text in _DESCRIBED.items():
        found[name]["description"] = text
    return found


def _schemas() -> dict[str, Any]:
    part = _part_fields()
    corners = {"type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 4, "description": "x1, y1, x2, y2 in px"}
    return {
        "Defect": _object({"class": _TEXT, "score": _NUMBER, "box": corners}),
        "Part": _object(part),
        "Found": _object({
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}, "maxItems": MOST},
            "next": {**_MAYBE_TEXT, "description": "for the parameter `after`; null: that was all"},
            "searched_back_to": {**_MAYBE_TIME, "description": "parts of this time and newer were looked at"},
            "complete": {**_YES, "description": "false: the time was over before the answer was full; `next` goes on"},
        }),
        "Detail": _object({
            **part, "link": _TEXT, "defects_on_frame_px": {
                "type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2,
                "description": "add it to the corners of `defects` to have them on the frame",
            },
            "pictures": _list({
                "link": _TEXT, "camera": _TEXT, "kind": {"enum": ["frame", "template", "context"]},
                "why": {"enum": ["reject", "fault", "sample", "around"]}, "width_px": _WHOLE, "height_px": _WHOLE,
            }),
            "no_picture": {"enum": ["lost", "came", "sampled", "removed", None]}, "no_picture_why": _MAYBE_TEXT,
            "stages": _list({"name": _TEXT, "took_ms": _MAYBE_NUMBER, "ended_ms": _MAYBE_NUMBER}),
            "plc": _object({
                "took": {"enum": ["PASS", "REJECT", None]}, "sequence": _WHOLE, "word": _WHOLE, "sent": _YES,
                "missed": _YES,
            }),
            "reviews": _list({"time": _TIME, "by": _TEXT, "review": _OTHERS["review"], "note": _TEXT}),
            "audit": _list({"time": _TIME, "what": _TEXT, "by": _TEXT, "ok": _YES, "detail": _TEXT}),
        }),
        "Problem": {
            "type": "object", "properties": {"ok": {"const": False}, "error": _TEXT, "why": _TEXT, "parameter": _TEXT},
            "required": ["ok", "error"],
        },
    }  # fmt: skip
