"""The shift report: on the screen, on paper, and as CSV."""

from __future__ import annotations

import math
import sqlite3
import time
from html import escape
from typing import Final

from aoi_daemon.decide.alarm_list import Alarm
from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.shifts.figures import HOUR_S
from aoi_daemon.hmi.shifts.report import Report, read_report
from aoi_daemon.hmi.shifts.times import Shift, last_shifts
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets import charts
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.hmi.widgets.symbols import sign
from aoi_daemon.hmi.widgets.texts import Words
from aoi_daemon.records.faults import RecordsError

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
        page.show(f'<h1>{words("report")}</h1><section class="panel"><p>{words("no_records")}</p></section>')
        return
    shifts = shifts_of(site)
    shift = chosen(shifts, page.request.query_params.get("shift"))
    try:
        body = _body(words, site.config.line.name, await site.read(read_report, site.folder, shift, site.now_s()))
    except (RecordsError, sqlite3.Error, Refused) as error:
        body = page.problem(str(error))
    page.show(_bar(page, shifts, shift) + body)


def _bar(page: Page, shifts: list[Shift], shift: Shift) -> str:
    words = page.words
    options = ""
    for index, one in enumerate(shifts):
        selected = " selected" if one == shift else ""
        note = "" if index else f" ({words('running')})"
        options += f'<option value="{one.label}"{selected}>{one.label}{note}</option>'
    export = ""
    if page.may(Action.EXPORT):
        address = f"/report.csv?shift={escape(shift.label)}"
        export = f'<a class="button" href="{address}" download>{sign("download")} {words("csv")}</a>'
    select = f'<select data-go="/report?shift=">{options}</select>'
    return (
        f'<div class="row no-print"><label class="row">{words("shift")} {select}</label>'
        f'<button data-print="">{sign("print")} {words("print")}</button>{export}</div>'
    )


def _body(words: Words, line: str, report: Report) -> str:
    time_of_it = f"{_minute(report.shift.since)} – {_minute(report.until)[-5:]}"
    return (
        f"<h1>{words('report')} {escape(line)}{words('colon')}{time_of_it}</h1>"
        f'<div class="stack"><section class="panel">{_counts(words, report)}</section>'
        f'<div class="half"><section class="panel">{_causes(words, report)}</section>'
        f'<section class="panel">{_hours(words, report)}</section></div>'
        f'<div class="half"><section class="panel">{_stops(words, report)}</section>'
        f'<section class="panel">{_alarms(words, report)}</section></div></div>'
    )


def _counts(words: Words, report: Report) -> str:
    counts, latency = report.account.counts, report.account.latency
    times = f"{latency.p50:.1f} / {latency.p99:.1f} / {latency.max:.1f} ms"
    rate = report.false_call_percent
    share = words("false_call_share", false=counts.false_calls, reviewed=report.reviewed, open=counts.unreviewed)
    values = [
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
    cells = "".join(
        f'<div class="count"><small>{words(key)}</small><b>{escape(value)}</b><small>{escape(note)}</small></div>'
        for key, value, note in values
    )
    return f'<div class="sheet">{cells}</div>'


def _causes(words: Words, report: Report) -> str:
    rows = [
        charts.ClassCount(words.cause(cause.name), cause.rejects + cause.false_calls, cause.false_calls)
        for cause in report.account.causes
    ]
    return f"<h2>{words('pareto')}</h2>" + charts.pareto(rows, words("false_calls"), words("no_rejects"), at_most=20)


def _hours(words: Words, report: Report) -> str:
    found = {int(hour.at // HOUR_S): hour for hour in report.hours}
    rows = []
    for number in range(int(report.shift.since // HOUR_S), math.ceil(report.until / HOUR_S)):
        hour = found.get(number)
        label = time.strftime("%H", time.localtime(number * HOUR_S))
        rows.append((label, 0, 0) if hour is None else (label, hour.rejected, hour.parts))
    return f"<h2>{words('per_hour')}</h2>{charts.hours(rows[-24:])}"


def _stops(words: Words, report: Report) -> str:
    title = f"<h2>{words('stops')}</h2>"
    if not report.stops:
        return f'{title}<p class="nothing">{words("no_stops")}</p>'
    lines = "".join(
        f"<tr><td>{_minute(stop.begin)[-5:]}</td><td class=number>{_lasted(stop.lasted_s(report.until))}</td>"
        f"<td>{escape(words.because(stop.cause))}</td></tr>"
        for stop in report.stops[-_STOPS:]
    )
    total = _lasted(sum(stop.lasted_s(report.until) for stop in report.stops))
    head = f"<th>{words('begin')}</th><th class=number>{words('duration')}</th><th>{words('cause')}</th>"
    return (
        f"{title}<table><thead><tr>{head}</tr></thead><tbody>{lines}<tr><td><b>{words('total')}</b></td>"
        f"<td class=number><b>{total}</b></td><td>{len(report.stops)}</td></tr></tbody></table>"
    )


def _alarms(words: Words, report: Report) -> str:
    title = f"<h2>{words('alarms')}</h2>"
    if not report.account.alarms:
        return f'{title}<p class="nothing">{words("no_alarms")}</p>'
    lines = ""
    for name, count in sorted(report.account.alarms.items(), key=lambda row: -row[1]):
        text = words.alarm(Alarm[name])[0] if name in Alarm.__members__ else name
        lines += f"<tr><td>{escape(text)}</td><td class=number>{count}</td></tr>"
    head = f"<th>{words('alarm')}</th><th class=number>{words('count')}</th>"
    return f"{title}<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _minute(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _lasted(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
