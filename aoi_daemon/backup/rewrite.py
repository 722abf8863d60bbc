"""Change the paths in a TOML file, and nothing else of it: comments and order are a person's. Pure.

The parser has the last word: what does not read back as the same file with these values changed is refused.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

from aoi_daemon.errors import AoiError
from aoi_daemon.files.text import TextError
from aoi_daemon.files.toml import line_of, parse

Key = tuple[str | int, ...]


class RewriteError(AoiError):
    """A path cannot be written into a file. Names key, value and the remedy."""


def rewritten(text: str, values: Mapping[Key, str]) -> str:
    """`text` with each key of `values` set to its value; a key of a table [SECTION] may be new.

    Raises:
        RewriteError: the text's way of writing it is not understood.
        TextError: it is not TOML.
    """
    wanted = parse(text)
    for key, value in values.items():
        before = copy.deepcopy(wanted)
        old = _set(wanted, key, value)
        if wanted == before:
            continue
        changed = _replaced(text, key, old, value, wanted) if old is not None else _added(text, key, value, wanted)
        if changed is None:
            words = ".".join(map(str, key))
            raise RewriteError(
                f"{words} = {old or 'absent'!r} must become {value!r}, and is written in a way that this program does "
                f"not change; write {words} on a line of its own, and back up again"
            )
        text = changed
    return text


def _set(tables: dict[str, Any], key: Key, value: str) -> str | None:
    """Set it in `tables`; what was there."""
    inner: Any = tables
    for step in key[:-1]:
        inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner[step]
    last = key[-1]
    old = inner.get(last) if isinstance(inner, dict) else inner[last]
    inner[last] = value
    return None if old is None else str(old)


def _replaced(text: str, key: Key, old: str, value: str, wanted: dict[str, Any]) -> str | None:
    """Try each string literal at and after the line of the key, until the file reads as it is wanted."""
    lines = text.split("\n")
    first = line_of(text, key)
    start = sum(len(line) + 1 for line in lines[: max(first - 1, 0)])
    for literal in re.finditer(r"'''.*?'''|\"\"\".*?\"\"\"|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'", text[start:], re.DOTALL):
        if _reads(literal[0]) == old:
            tried = f"{text[: start + literal.start()]}{_quoted(value)}{text[start + literal.end() :]}"
            if _parsed(tried) == wanted:
                return tried
    return None


def _added(text: str, key: Key, value: str, wanted: dict[str, Any]) -> str | None:
    """In its table, right behind the head; or in a new table at the end."""
    if len(key) != 2:
        return None
    entry = f"{key[1]} = {_quoted(value)}\n"
    ends = "" if text.endswith("\n") or not text else "\n"
    for head in re.finditer(r"^[ \t]*\[[^\[\]\n]*\][^\n]*(?:\n|\Z)", text, re.MULTILINE):
        newline = "" if head[0].endswith("\n") else "\n"
        tried = f"{text[: head.end()]}{newline}{entry}{text[head.end() :]}"
        if _parsed(tried) == wanted:
            return tried
    for tried in (f"{text}{ends}\n[{key[0]}]\n{entry}", f"{key[0]}.{entry}{text}"):
        if _parsed(tried) == wanted:
            return tried
    return None


def _reads(literal: str) -> str | None:
    found = _parsed(f"x = {literal}\n")
    return None if found is None else str(found["x"])


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return parse(text)
    except TextError:
        return None


def _quoted(value: str) -> str:
    # JSON's escapes are TOML's, but of DEL and of what lies beyond 16 bits, which stand for themselves here.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
