"""Which recorded parts a command works on, and the walk over them."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aoi_daemon.config.load import read_model
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.records.database import RecordsError
from aoi_daemon.records.queries import NEVER, Only, part, part_by_uid, part_ids, parts_of
from aoi_daemon.records.rows import Part

_AT_ONCE: Final = 500
_ALWAYS: Final = -1e12
_SHOW_S: Final = 0.2


@dataclass(frozen=True)
class Choice:
    """Parts from `since` until before `until` (Unix seconds), of one kind, of one recipe where it is named.

    `single` is one part alone: its row's number, or its RUN-PART.
    """

    since: float = _ALWAYS
    until: float = NEVER
    only: Only = "all"
    recipe: str | None = None
    single: str | None = None


def records_folder(records: Path | None, config: Path) -> Path:
    """`records`, else the folder that `[recorder]` of `config` names.

    Raises:
        ConfigError: the file is wrong.
        RecordsError: it has no `[recorder]`.
    """
    if records is not None:
        return records
    section = read_model(config, LineConfig).recorder
    if section is None:
        raise RecordsError(f"{config}: has no [recorder]; name the folder with --records")
    return section.folder_in(config.absolute().parent)


class Walk:
    """The chosen parts, in order of recording, read in pieces: the recorder is not held up.

    What is recorded meanwhile is not among them. `most`: how many there are at most, with those of other recipes.

    Raises:
        RecordsError: there is no such part.
    """

    def __init__(self, connection: sqlite3.Connection, choice: Choice) -> None:
        self._connection = connection
        self._choice = choice
        self._single: Part | None = None
        if choice.single is not None:
            self._single = _single(connection, choice.single)
            self.most = 1
        else:
            self._ids = part_ids(connection, choice.since, choice.until, choice.only)
            self.most = len(self._ids)

    def __iter__(self) -> Iterator[Part]:
        if self._single is not None:
            yield self._single
            return
        recipe = self._choice.recipe
        for ids in self.pieces(_AT_ONCE):
            found = parts_of(self._connection, ids)
            yield from (each for each in found if recipe in (None, each.recipe))

    def pieces(self, at_once: int) -> Iterator[list[int]]:
        """The rows of the parts, with those of other recipes, so many at a time; not of a single part."""
        for begin in range(0, self.most, at_once):
            yield self._ids[begin : begin + at_once].tolist()


def _single(connection: sqlite3.Connection, name: str) -> Part:
    found = part(connection, int(name)) if name.isdecimal() else part_by_uid(connection, name)
    if found is None:
        raise RecordsError(f"--part {name}: there is no such part; a number is its id in the records, or give RUN-PART")
    return found


class Progress:
    """`done/total` on stderr while it is a terminal."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._shown_s = time.monotonic() if sys.stderr.isatty() else float("inf")

    def step(self, more: int = 1) -> None:
        """So many more are done."""
        self._done += more
        if time.monotonic() - self._shown_s > _SHOW_S:
            self._shown_s = time.monotonic()
            sys.stderr.write(f"\r{self._what} {self._done}/{self._total}")

    def end(self) -> None:
        """Take the line away."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
