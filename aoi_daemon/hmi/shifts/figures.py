"""The running shift's figures: from the records now and then, and from the verdict ring since.

A shift has half a million rows, and counting them takes a tenth of a second: they
are counted once a minute, in a worker thread, and what has come since is added
from the ring, so that a page shows each part at once and costs next to nothing.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from aoi_daemon.hmi.shifts.times import Shift
from aoi_daemon.hmi.widgets.charts import ClassCount
from aoi_daemon.records import figures
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.records.parts import last_numbers
from aoi_daemon.records.rows import Cause, Hour

_KEPT: Final = 50_000
"""Parts between two countings that can be told apart: a minute at more than 800 a second."""
HOUR_S: Final = 3600


class Tally(NamedTuple):
    """One part, as far as it is counted. `cause`: the class of its worst defect, else the reason; "" for a PASS."""

    part: int
    at_s: float
    cause: str


@dataclass(frozen=True)
class Base:
    """What the records said of `shift`; parts after number `last_part` of this run are not in it."""

    shift: Shift
    parts: int = 0
    rejected: int = 0
    false_calls: int = 0
    unreviewed: int = 0
    lost: int = 0
    causes: tuple[Cause, ...] = ()
    hours: tuple[Hour, ...] = ()
    last_part: int = 0
    problem: str = ""


def read_base(folder: Path, run: str, shift: Shift) -> Base:
    """Count the parts of `shift`. Blocks for as long as the counting takes; no exception: `problem` says why not."""
    try:
        with closing(open_reader(folder)) as connection:
            # One snapshot for all the questions: the recorder writes on meanwhile.
            connection.execute("BEGIN")
            try:
                counts = figures.counts(connection, shift.since, shift.until)
                causes = tuple(figures.pareto(connection, shift.since, shift.until))
                hours = tuple(figures.rejects_per_hour(connection, shift.since, shift.until))
                last_part, _ = last_numbers(connection, run)
            finally:
                connection.execute("COMMIT")
    except (RecordsError, sqlite3.Error) as error:
        return Base(shift, problem=str(error))
    return Base(
        shift, counts.parts, counts.rejected, counts.false_calls, counts.unreviewed, counts.lost, causes, hours,
        last_part,
    )  # fmt: skip


@dataclass
class ShiftFigures:
    """`base` and the parts since. Pure: times and records are passed in."""

    base: Base
    _recent: deque[Tally] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _parts: int = 0
    _causes: Counter[str] = field(default_factory=Counter)
    _hours: Counter[int] = field(default_factory=Counter)
    _hour_parts: Counter[int] = field(default_factory=Counter)

    def add(self, parts: Iterable[Tally]) -> None:
        """Parts from the ring, each once."""
        for part in parts:
            self._recent.append(part)
            self._count(part)

    def rebase(self, base: Base) -> None:
        """The records have been counted again, or another shift has begun."""
        self.base = base
        self._parts = 0
        for counter in (self._causes, self._hours, self._hour_parts):
            counter.clear()
        for part in self._recent:
            self._count(part)

    def _count(self, part: Tally) -> None:
        if part.part <= self.base.last_part or part.at_s < self.base.shift.since:
            return
        hour = int(part.at_s // HOUR_S)
        self._parts += 1
        self._hour_parts[hour] += 1
        if part.cause:
            self._causes[part.cause] += 1
            self._hours[hour] += 1

    @property
    def parts(self) -> int:
        """Parts of the shift so far."""
        return self.base.parts + self._parts

    @property
    def rejected(self) -> int:
        """Rejected parts of the shift so far, false calls among them."""
        return self.base.rejected + sum(self._causes.values())

    @property
    def unreviewed(self) -> int:
        """Rejects that no person has looked at."""
        return self.base.unreviewed + sum(self._causes.values())

    @property
    def yield_percent(self) -> float | None:
        """Share of parts that passed; None before the first part."""
        return 100 * (1 - self.rejected / self.parts) if self.parts else None

    def pareto(self) -> list[ClassCount]:
        """Rejects by class or reason; reviewed false calls are among `rejects` and apart in `false_calls`."""
        found = {cause.name: ClassCount(cause.name, cause.rejects + cause.false_calls, cause.false_calls)
                 for cause in self.base.causes}  # fmt: skip
        for name, count in self._causes.items():
            before = found.get(name, ClassCount(name, 0))
            found[name] = before._replace(rejects=before.rejects + count)
        return list(found.values())

    def hours(self) -> list[tuple[int, int, int]]:
        """(hours since the epoch, rejects, parts) of each hour with a part, oldest first."""
        rejects, parts = Counter(self._hours), Counter(self._hour_parts)
        for hour in self.base.hours:
            rejects[int(hour.at // HOUR_S)] += hour.rejected
            parts[int(hour.at // HOUR_S)] += hour.parts
        return [(hour, rejects[hour], parts[hour]) for hour in sorted(parts)]
