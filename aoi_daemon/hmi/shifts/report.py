"""What a shift was: figures, stops and alarms, from the records. Reading blocks; the rest is pure."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from aoi_daemon.files.cells import Table
from aoi_daemon.hmi.shifts.times import Shift
from aoi_daemon.records import figures, queries
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.rows import Hour
from aoi_daemon.records.rows import Shift as Account
from aoi_daemon.stage.lifecycle import Line

_MOST_EVENTS: Final = 5000
_RUNNING: Final = Line.RUNNING.name


class Stop(NamedTuple):
    """The line did not run from `begin` to `end` (seconds since the epoch; None: it still stands)."""

    begin: float
    end: float | None
    cause: str

    def lasted_s(self, until: float) -> float:
        """For how long, at most `until`."""
        return (until if self.end is None else self.end) - self.begin


@dataclass(frozen=True)
class Report:
    """One shift. `until` is now for the running one."""

    shift: Shift
    until: float
    account: Account
    hours: tuple[Hour, ...]
    stops: tuple[Stop, ...]

    @property
    def reviewed(self) -> int:
        """Rejects that a person has looked at."""
        return self.account.counts.false_calls + self.account.counts.confirmed

    @property
    def false_call_percent(self) -> float | None:
        """False calls among the reviewed rejects; None while nothing has been reviewed."""
        return 100 * self.account.counts.false_calls / self.reviewed if self.reviewed else None


def read_report(folder: Path, shift: Shift, now_s: float) -> Report:
    """Read `shift`; a few ms from figures that are kept. Raises RecordsError, sqlite3.Error."""
    until = min(shift.until, now_s)
    with closing(open_reader(folder)) as connection:
        connection.execute("BEGIN")
        try:
            # Until its end, also of the running one: that is on a quarter of an hour, and now is not.
            account = figures.shift(connection, shift.since, shift.until)
            hours = tuple(figures.rejects_per_hour(connection, shift.since, shift.until))
            events = queries.events(connection, "line", shift.since, _MOST_EVENTS, until)
            before = queries.events(connection, "line", 0.0, 1, shift.since)
        finally:
            connection.execute("COMMIT")
    lines = [(event.at, event.body) for event in reversed(events)]
    ran = not before or before[0].body.get("now") == _RUNNING
    return Report(shift, until, account, hours, tuple(stops(lines, shift.since, ran=ran)))


def stops(events: Iterable[tuple[float, Mapping[str, Any]]], since: float, *, ran: bool) -> list[Stop]:
    """When the line did not run.

    Args:
        events: (at, body) of kind `line`, oldest first.
        since: when the shift began.
        ran: whether the line ran then.
    """
    found: list[Stop] = []
    begin, cause = (None, "") if ran else (since, "")
    for at, body in events:
        if body.get("now") == _RUNNING:
            if begin is not None:
                found.append(Stop(begin, at, cause))
            begin = None
        elif begin is None:
            begin, cause = at, str(body.get("because", ""))
    if begin is not None:
        found.append(Stop(begin, None, cause))
    return found


def as_csv(report: Report, line: str) -> str:
    """The report as rows of section, name, value and a second value."""
    counts, latency = report.account.counts, report.account.latency
    text = io.StringIO()
    table = Table(text)
    table.row(["section", "name", "value", "more"])
    rate = report.false_call_percent
    table.rows(
        [
            ["shift", "line", line, ""],
            ["shift", "since", _stamp(report.shift.since), ""],
            ["shift", "until", _stamp(report.until), ""],
            ["parts", "total", counts.parts, ""],
            ["parts", "passed", counts.passed, ""],
            ["parts", "rejected", counts.rejected, ""],
            ["parts", "yield_percent", f"{100 - counts.reject_percent:.3f}" if counts.parts else "", ""],
            ["parts", "missed_deadlines", counts.missed, ""],
            ["parts", "undelivered", counts.undelivered, ""],
            ["parts", "without_record", counts.lost, ""],
            ["review", "false_calls", counts.false_calls, ""],
            ["review", "confirmed", counts.confirmed, ""],
            ["review", "not_reviewed", counts.unreviewed, ""],
            ["review", "false_call_percent", "" if rate is None else f"{rate:.3f}", ""],
            *(["latency_ms", name, getattr(latency, name), ""] for name in ("p50", "p99", "p999", "max")),
        ]
    )
    table.rows(["reject", cause.name, cause.rejects, cause.false_calls] for cause in report.account.causes)
    table.rows(["hour", _stamp(hour.at), hour.rejected, hour.parts] for hour in report.hours)
    for stop in report.stops:
        table.row(["stop", _stamp(stop.begin), round(stop.lasted_s(report.until), 1), stop.cause])
    table.rows(["alarm", name, count, ""] for name, count in sorted(report.account.alarms.items()))
    table.rows(["recipe", name, count, ""] for name, count in report.account.recipes.items())
    return text.getvalue()


def _stamp(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def read_csv(folder: Path, shift: Shift, now_s: float, line: str) -> str:
    """`read_report` as CSV. Raises RecordsError, sqlite3.Error."""
    return as_csv(read_report(folder, shift, now_s), line)
