"""The class names in the data.yaml of a YOLO data set, or in a classes.txt. Pure.

Of YAML as much as tools write for `names`: `[a, b]`, a list of `- a`, or a mapping `0: a`, on one line or several.
Anything else is refused: this reads names, not YAML, and `--classes` says them as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aoi_daemon.engine.labels.part import BoardsError

_ITEM: Final = re.compile(r"- *(?P<name>\S.*)")
_ENTRY: Final = re.compile(r"(?P<number>[0-9]{1,4}) *: +(?P<name>\S.*)|(?P<bare>[0-9]{1,4}) *: *")
_QUOTED: Final = re.compile(r"'((?:[^']|'')*)'|\"([^\"\\]*)\"")
_SPECIAL: Final = tuple("&*!|>%@`{}[]#")


def names_in(file: Path, text: str) -> tuple[str, ...]:
    """The names in `text`, by class number.

    Raises:
        BoardsError: there are none, some are not different, or they are written in a way that is not read.
    """
    if file.suffix.lower() == ".txt":
        names = tuple(line.strip() for line in text.split("\n") if line.strip())
    else:
        names = tuple(_in_yaml(file, text.split("\n")))
    if not names or len(set(names)) < len(names):
        what = "are not all different" if names else "are none"
        raise BoardsError(f"{file}: names: there {what}; say them with --classes a,b,c in the model's order")
    return names


def _in_yaml(file: Path, lines: Sequence[str]) -> list[str]:
    starts = [at for at, line in enumerate(lines) if re.match(r"names *:", line)]
    if len(starts) != 1:
        raise _unreadable(file, starts[1] if starts else 0, "`names:` is there twice" if starts else "has no `names:`")
    start = starts[0]
    block = [lines[start].partition(":")[2], *lines[start + 1 :]]
    inside = " \t\r-#]}"  # what a line of the block begins with; another key ends it
    end = next((i for i, line in enumerate(block) if i and line and line[0] not in inside), None)
    rows = [(start + i, _bare(line)) for i, line in enumerate(block[:end])]
    rows = [(at, row) for at, row in rows if row]
    joined = " ".join(row for _, row in rows)
    if joined[:1] in "[{" and joined:
        return _flow(file, start, joined)
    return _block(file, rows)


def _bare(line: str) -> str:
    """A line without its comment and blanks."""
    return re.sub(r"(^|\s)#.*$", "", line).strip()


def _flow(file: Path, at: int, text: str) -> list[str]:
    closing = {"[": "]", "{": "}"}[text[0]]
    if not text.endswith(closing):
        raise _unreadable(file, at, f"`names:` begins with {text[0]} and does not end with {closing}")
    items = re.findall(r"(?:'(?:[^']|'')*'|\"[^\"]*\"|[^,'\"])+", text[1:-1])
    items = [item.strip() for item in items if item.strip()]
    if closing == "]":
        return [_name(file, at, item) for item in items]
    return _numbered(file, [(at, item) for item in items])


def _block(file: Path, rows: Sequence[tuple[int, str]]) -> list[str]:
    if rows and all(_ITEM.fullmatch(row) for _, row in rows):
        return [_name(file, at, row[1:].strip()) for at, row in rows]
    return _numbered(file, rows)


def _numbered(file: Path, rows: Sequence[tuple[int, str]]) -> list[str]:
    found = []
    for place, (at, row) in enumerate(rows):
        entry = _ENTRY.fullmatch(row)
        if entry is None or entry["name"] is None:
            raise _unreadable(file, at, f"{row[:40]!r} is not `number: name`")
        if int(entry["number"]) != place:
            raise _unreadable(file, at, f"class {entry['number']} stands where {place} is expected: leave none out")
        found.append(_name(file, at, entry["name"]))
    return found


def _name(file: Path, at: int, text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return (quoted[1] or "").replace("''", "'") if quoted[1] is not None else quoted[2]
    if text.startswith(_SPECIAL) or ": " in text or text.endswith(":") or text[:1] in "'\"":
        raise _unreadable(file, at, f"{text[:40]!r} is no plain name")
    return text


def _unreadable(file: Path, at: int, what: str) -> BoardsError:
    return BoardsError(f"{file}:{at + 1}: {what}; say the names with --classes a,b,c in the model's order")
