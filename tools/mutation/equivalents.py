"""Mutants that no test can kill, each with the reason: `tests/equivalents.toml`.

An entry is found by content, not by line number: file, function, the line before and after. One that matches no mutant
any more is an error, and so is one that a test kills.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from tools.mutation.errors import MutationError
from tools.mutation.mutants import Mutant

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE: Final = "tests/equivalents.toml"
_KEYS: Final = ("file", "function", "before", "after", "reason")


class Entry(NamedTuple):
    """As in the file."""

    file: str
    function: str
    before: str
    after: str
    reason: str

    def matches(self, mutant: Mutant) -> bool:
        """True for each mutant of this content."""
        return self[:4] == (mutant.path, mutant.function, mutant.before, mutant.after)


def read(file: Path) -> list[Entry]:
    """All entries; none where there is no file.

    Raises:
        MutationError: an entry is incomplete, or there twice.
    """
    if not file.exists():
        return []
    try:
        tables = tomllib.loads(file.read_text()).get("equivalent", [])
    except tomllib.TOMLDecodeError as error:
        raise MutationError(f"{file}: {error}") from error
    found: list[Entry] = []
    for number, table in enumerate(tables, 1):
        if (
            set(table) != set(_KEYS)
            or not all(isinstance(table[key], str) for key in _KEYS)
            or not table["reason"].strip()
        ):
            raise MutationError(f"{file}: entry {number} needs the texts {', '.join(_KEYS)}, and nothing else")
        entry = Entry(*(table[key] if key == "reason" else " ".join(table[key].split()) for key in _KEYS))
        if any(entry[:4] == other[:4] for other in found):
            raise MutationError(f"{file}: entry {number} is there twice: {entry.before!r}")
        found.append(entry)
    return found


def unmatched(entries: Iterable[Entry], mutants: Iterable[Mutant]) -> list[Entry]:
    """Entries that match none of `mutants`."""
    there = {(mutant.path, mutant.function, mutant.before, mutant.after) for mutant in mutants}
    return [entry for entry in entries if entry[:4] not in there]


def as_toml(mutant: Mutant) -> str:
    """An entry to be pasted, the reason left to write."""
    texts = (mutant.path, mutant.function, mutant.before, mutant.after, "")
    lines = [f"{key} = {_quoted(text)}" for key, text in zip(_KEYS, texts, strict=True)]
    return "\n".join(["[[equivalent]]", *lines])


def _quoted(text: str) -> str:
    if "'" not in text:
        return f"'{text}'"
    return (
        f"'''{text}'''"
        if "'''" not in text and not text.endswith("'")
        else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    )
