"""What must outlast a restart: episodes, budgets and what waits, in one small file that is complete or the one before.

When it is read, all its times move on by what has gone by since it was written: the time in which nothing runs does not
count, and a step of the wall clock changes nothing. There is no secret in it.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from aoi_daemon.errors import AoiError
from aoi_daemon.files import replace_file
from aoi_daemon.files.lock import HeldError, hold
from aoi_daemon.notifier.budget import Budget
from aoi_daemon.notifier.outbox import Entry
from aoi_daemon.notifier.watch import Episode

FILE: Final = "notices.json"
_MOST_BYTES: Final = 16 * 1024 * 1024
COUNTS: Final = ("delivered", "refused", "given_up", "held", "twice")


class StoreError(AoiError):
    """The file cannot be read or written. Names it, and the remedy."""


@dataclass
class Kept:
    """What is in the file.

    Attributes:
        written_s: when it was written, by the clock of all other times in it.
        run: the start of the daemon whose events have been looked at, up to `number`.
        counts: since the file was begun: notices delivered, refused for good, given up and held back; and those whose
            answer was lost, which may have come twice.
    """

    version: Literal[1] = 1
    written_s: float = 0.0
    run: str = ""
    number: int = 0
    episodes: list[Episode] = field(default_factory=list)
    budgets: dict[str, Budget] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))


_FILE: Final = TypeAdapter(Kept)


class Store:
    """The file in `folder`, which is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._held: int | None = None

    def read(self, now_s: float) -> tuple[Kept, str]:
        """What was kept, and where a file that is damaged, or none of ours, was moved to ("": there was none such).

        Raises:
            StoreError: the file or its folder cannot be used.
        """
        try:
            self.path.parent.mkdir(mode=0o750, exist_ok=True)
            self._own()
            if not self.path.exists():
                return Kept(), ""
            found = peek(self.path, now_s)
            return (Kept(), self._move_aside()) if found is None else (found, "")
        except OSError as error:
            raise self._error(error) from error

    def write(self, kept: Kept, now_s: float) -> None:
        """Keep it, through to the disk. Raises StoreError; the one before is there then."""
        kept.written_s = now_s
        try:
            self._own()
            replace_file(self.path, _FILE.dump_json(kept), 0o640)
        except OSError as error:
            raise self._error(error) from error

    def _own(self) -> None:
        """The folder is this notifier's: another line's would tell our notices as its own, and forget them."""
        if self._held is not None:
            return
        try:
            self._held = hold(self.path.parent)
        except HeldError as error:
            said = f"{error}: another line keeps its notices there; give each line a notices.folder of its own"
            raise StoreError(said) from None

    def _move_aside(self) -> str:
        aside = self.path.with_name(f"{FILE}.damaged-{time.time_ns()}")
        self.path.rename(aside)
        return str(aside)

    def _error(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.path}: {error.strerror or error}; the service's user must be able to write there (notices.folder)"
        )


def peek(path: Path, now_s: float) -> Kept | None:
    """What is in the file, untouched; None: it is damaged, or none of ours. Raises OSError."""
    if path.stat().st_size > _MOST_BYTES:
        return None
    try:
        kept = _FILE.validate_json(path.read_bytes(), strict=True)
    except ValidationError:
        return None
    kept.counts = {name: kept.counts.get(name, 0) for name in COUNTS}
    _move_on(kept, now_s - kept.written_s)
    return kept


def _move_on(kept: Kept, by_s: float) -> None:
    for episode in kept.episodes:
        episode.begun_s += by_s
        episode.changed_s += by_s
        for told in episode.told.values():
            told.at_s += by_s
    for budget in kept.budgets.values():
        budget.written = deque(at_s + by_s for at_s in budget.written)
        budget.delivered = deque(at_s + by_s for at_s in budget.delivered)
        budget.held_first_s += by_s
        budget.held_last_s += by_s
    for entry in kept.entries:
        entry.born_s += by_s
        entry.due_s += by_s

