"""Write the generated parts of the documents: `python -m tools.reference` after a change of a model or the PLC map.

Each part is between two comments in its document; a test compares them with the code.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.config.section import Section
from aoi_daemon.decide.alarm_list import KINDS
from aoi_daemon.messages import Reason
from aoi_daemon.plcmap.program import track
from aoi_daemon.plcmap.registers import POLL_FIELDS, REPORT_FIELDS
from tools.reference import architecture
from tools.reference.architecture import ROOT


def configuration() -> str:
    """A table for each section of line.toml and of a recipe."""
    lines = ["### line.toml", "", *_table("(top level)", LineConfig)]
    for heading, model, count in sections(LineConfig):
        lines += _table(heading, model, count)
    lines += ["### recipes/NAME.toml", "", *_table("(top level)", Recipe)]
    for heading, model, count in sections(Recipe):
        lines += _table(heading, model, count)
    return "\n".join(lines).rstrip()


def sections(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, type[Section], str]]:
    """Each with its heading, and how many there may be of it where it is repeated."""
    for name, field in model.model_fields.items():
        for section in _models_in(field.annotation):
            repeated = "tuple" in str(field.annotation)
            path = f"{prefix}{name}"
            kind = section.model_fields.get("kind")
            of_kind = (
                f" kind = {typing.get_args(kind.annotation)[0]!r}"
                if kind and prefix == "" and len(typing.get_args(kind.annotation)) == 1
                else ""
            )
            yield (f"[[{path}]]{of_kind}" if repeated else f"[{path}]"), section, _length(field) if repeated else ""
            yield from sections(section, f"{path}.")


def _models_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, Section) else []
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]


def _table(heading: str, model: type[Section], count: str = "") -> list[str]:
    rows = [
        f"| `{name}` | {_default(field)} | {_bounds(field)} | {field.description or ''} |"
        for name, field in model.model_fields.items()
        if not _models_in(field.annotation)
    ]
    if not rows:
        return []
    return [
        f"**`{heading}`** {(model.__doc__ or '').splitlines()[0]} Reload: {model.reload.value}."
        + (f" There may be {count}." if count else ""), "",
        "| key | default | bounds | meaning |", "|---|---|---|---|", *rows, "",
    ]  # fmt: skip


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=False)
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        value = "[" + ", ".join(f'"{each}"' for each in value) + "]"  # as in TOML; there are lists of texts alone
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _bounds(field: FieldInfo) -> str:
    """Of a number its range, of a text or a list how long it may be."""
    kinds = {typing.get_origin(part): part for part in _parts(field.annotation)}
    if typing.Literal in kinds and tuple not in kinds:  # also one that may be absent
        choices = typing.get_args(kinds[typing.Literal])
        return ", ".join(f"`{choice}`" for choice in choices)
    least = next((m for m in field.metadata if isinstance(m, (Ge, Gt))), None)
    most = next((f"{m.le:.12g}" for m in field.metadata if isinstance(m, Le)), None)
    if least is not None:
        begin = f"above {least.gt:.12g}" if isinstance(least, Gt) else f"{least.ge:.12g}"
        if isinstance(least, Gt):
            return f"{begin} up to {most}" if most else begin
        return f"{begin} to {most}" if most else f"{begin} up"
    kind, length = _plain(field.annotation), _length(field)
    return f"{kind} of {length}{' characters' * (kind == 'text')}" if length else kind


def _length(field: FieldInfo) -> str:
    """How many members a list may have, or characters a text; "" where nothing is said."""
    limits = [*field.metadata]
    if not any(typing.get_origin(part) is tuple for part in _parts(field.annotation)):
        # A text that may be absent has them in its type; those in a list's type are its members'.
        limits += [limit for part in _parts(field.annotation) for limit in _annotations(part)]
    least = next((m.min_length for m in limits if isinstance(m, MinLen)), 0)
    most = next((m.max_length for m in limits if isinstance(m, MaxLen)), None)
    if most is None:
        return f"{least} up" if least else ""
    return f"up to {most}" if not least else f"{least} to {most}" if least < most else f"{most}"


def _annotations(part: Any) -> Iterator[Any]:
    for each in getattr(part, "__metadata__", ()):
        yield from each.metadata if isinstance(each, FieldInfo) else (each,)


def _plain(annotation: Any) -> str:
    names = {bool: "true, false", str: "text", int: "integer", float: "number", Path: "path"}
    parts = list(_parts(annotation))
    if any(typing.get_origin(part) is tuple for part in parts):
        return "list"
    return ", ".join(dict.fromkeys(names[part] for part in parts if part in names)) or "list"


def _parts(annotation: Any) -> Iterator[Any]:
    """`annotation` and all that it is made of; what only annotates it has none of the types above."""
    if isinstance(annotation, Hashable):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _parts(part)


def registers() -> str:
    """The register profile and the poll block."""
    lines = [
        "Written by the daemon (FC16), offset from `plc.registers.base`:",
        "",
        "| offset | register | meaning |",
        "|---|---|---|",
    ]
    for fields, then in ((REPORT_FIELDS, "Read by the daemon (FC03), offset from `plc.poll.base`:"), (POLL_FIELDS, "")):
        offset = 0
        for field in fields:
            span = f"{offset}" if field.words == 1 else f"{offset}-{offset + field.words - 1}"
            lines.append(f"| {span} | {field.name} | {field.meaning} |")
            offset += field.words
        if then:
            lines += ["", then, "", "| offset | register | meaning |", "|---|---|---|"]
    return "\n".join(lines)


def reasons() -> str:
    """The reasons, as the register `error_code` has them."""
    return ", ".join(f"{reason.value} {reason.name}" for reason in Reason if reason)


def alarms() -> str:
    """Each alarm, those that are most urgent first."""
    lines = ["| alarm | priority | what it says | what to do |", "|---|---|---|---|"]
    for alarm, kind in sorted(KINDS.items(), key=lambda each: (-each[1].priority, each[0])):
        priority = kind.priority.name.lower() + ", stays until a reset" * kind.latched
        lines.append(f"| {alarm.name} | {priority} | {kind.text} | {kind.remedy} |")
    return "\n".join(lines)


def plc_program() -> str:
    """The function blocks that decide which parts are let go."""
    return f"```\n{track()}\n```"


PARTS: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "config/README.md": {"configuration": configuration},
    "aoi_daemon/plc/README.md": {"registers": registers, "reasons": reasons, "plc program": plc_program},
    "systemd/README.md": {"alarms": alarms},
    **architecture.PARTS,
}
"""By document, from the root of the checkout."""


def renewed(document: str, text: str) -> str:
    """`text` of `document` with every generated part as the code has it now."""
    for name, make in PARTS[document].items():
        begin, end = f"<!-- begin {name}: generated by python -m tools.reference -->", f"<!-- end {name} -->"
        if begin not in text or end not in text:
            raise ValueError(f"{document} has no part {name!r} ({begin} ... {end})")
        head, rest = text.split(begin, 1)
        text = f"{head}{begin}\n{make()}\n{end}{rest.split(end, 1)[1]}"
    return text


def main() -> int:
    """Renew the documents in place."""
    for document in PARTS:
        file = ROOT / document
        file.write_text(renewed(document, file.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
