"""The shift report: on the screen, on paper, and as CSV."""

from __future__ import annotations

import math
import sqlite3
import time
from typing import Final, NamedTuple

from markupsafe import Markup

from aoi_daemon.decide.alarm_list import Alarm
from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.shifts.figures import HOUR_S
from aoi_daemon.hmi.shifts.report import Report, read_report
from aoi_daemon.hmi.shifts.times import Shift, last_shifts
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets import charts
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.markup.svg import join
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.texts.words import Words

_SHIFTS: Final = 21
_STOPS: Final = 20


def shifts_of(site: Site) -> list[Shift]:
    """The shifts that can be looked at, newest first."""
    section = site.config.hmi
    return last_shifts(site.now_s(), section.shifts, _SHIFTS) if section is not None else []


def chosen(shifts: list[Shift], label: str | None) -> Shift:
    """The shift of `label`; the running one for a label that there is not."""
    return next((shift for shift in shifts if shift.label == label), shifts[0])


async def build(page: Page) -> None:
    """Show it."""
    words, site = page.words, page.site
    if site.folder is None:
        page.show(lay_out("pages/no_records.html", words, title=words("report")))
        return
    shifts = shifts_of(site)
    shift = chosen(shifts, page.request.query_params.get("shift"))
    try:
        body = _body(words, site.config.line.name, await site.read(read_report, site.folder, shift, site.now_s()))
    except (RecordsError, sqlite3.Error, Refused) as error:
        body = page.problem(str(error))
    page.show(join(_bar(page, shifts, shift), body))


def _bar(page: Page, shifts: list[Shift], shift: Shift) -> Markup:
    labels = [one.label for one in shifts]
    export = page.may(Action.EXPORT)
    return lay_out("parts/report_bar.html", page.words, labels=labels, chosen=shift.label, export=export)


def _body(words: Words, line: str, report: Report) -> Markup:
    hours = charts.hours(_hours(report), words)
    return lay_out(
        "pages/report.html", words, line=line, begin=_minute(report.shift.since), end=_minute(report.until)[-5:],
        counts=_counts(words, report), causes=charts.pareto(_causes(words, report), words, at_most=20), hours=hours,
        stops=_stops(words, report), stop_count=len(report.stops), alarms=_alarms(words, report),
        stopped=_lasted(sum(stop.lasted_s(report.until) for stop in report.stops)),
    )  # fmt: skip


def _counts(words: Words, report: Report) -> list[tuple[str, str, str]]:
    """(key, value, note) of each figure."""
    counts, latency = report.account.counts, report.account.latency
    times = f"{latency.p50:.1f} / {latency.p99:.1f} / {latency.max:.1f} ms"
    rate = report.false_call_percent
    share = words("false_call_share", false=counts.false_calls, reviewed=report.reviewed, open=counts.unreviewed)
    return [
        ("parts", f"{counts.parts:,}", ""),
        ("passed", f"{counts.passed:,}", ""),
        ("rejected", f"{counts.rejected:,}", ""),
        ("yield", f"{100 - counts.reject_percent:.2f} %" if counts.parts else "–", ""),
        ("false_call_rate", "–" if rate is None else f"{rate:.1f} %", share),
        ("missed", f"{counts.missed:,}", ""),
        ("undelivered", f"{counts.undelivered:,}", ""),
        ("lost_parts", f"{counts.lost:,}", ""),
        ("latency_report", times, f"p50 / p99 / {words('max')}"),
        ("recipes", ", ".join(report.account.recipes) or "–", ""),
    ]


def _causes(words: Words, report: Report) -> list[charts.ClassCount]:
    return [
        charts.ClassCount(words.cause(cause.name), cause.rejects + cause.false_calls, cause.false_calls)
        for cause in report.account.causes
    ]


def _hours(report: Report) -> list[tuple[str, int, int]]:
    found = {int(hour.at // HOUR_S): hour for hour in report.hours}
    rows = []
    for number in range(int(report.shift.since // HOUR_S), math.ceil(report.until / HOUR_S)):
        hour = found.get(number)
        label = time.strftime("%H", time.localtime(number * HOUR_S))
        rows.append((label, 0, 0) if hour is None else (label, hour.rejected, hour.parts))
    return rows[-24:]


class _Stop(NamedTuple):
    """One stop as it is shown."""

    begin: str
    lasted: str
    cause: str


def _stops(words: Words, report: Report) -> list[_Stop]:
    return [
        _Stop(_minute(stop.begin)[-5:], _lasted(stop.lasted_s(report.until)), words.because(stop.cause))
        for stop in report.stops[-_STOPS:]
    ]


def _alarms(words: Words, report: Report) -> list[tuple[str, int]]:
    """(text, how often) of each alarm, the most frequent first."""
    return [
        (words.alarm(Alarm[name])[0] if name in Alarm.__members__ else name, count)
        for name, count in sorted(report.account.alarms.items(), key=lambda row: -row[1])
    ]


def _minute(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _lasted(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
