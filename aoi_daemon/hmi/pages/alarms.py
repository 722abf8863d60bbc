"""The alarms: those that are there, with what to do; acknowledge and reset; what has been."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from aoi_daemon.decide.alarm_list import Alarm, Priority
from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets import cells
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.records import queries
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.faults import RecordsError
from aoi_daemon.texts.words import Words

_SHOWN: Final = 60


async def build(page: Page) -> None:
    """Show it."""
    words = page.words
    may = page.may(Action.ACKNOWLEDGE)

    def rows(site: Site, words: Words) -> Markup:
        return cells.alarm_rows(site, words, site.live.alarms(), button=may)

    def acts(site: Site, words: Words) -> Markup:
        return _acts(page, words)

    before = await _before(page)

    def history(site: Site, words: Words) -> Markup:
        events = [event for event in reversed(site.live.events) if event.kind == "alarm"]
        rows = [(site.live.wall_s(event.at_ns), event.body) for event in events]
        return table(words, [*rows, *before][:_SHOWN])

    page.show(
        lay_out(
            "pages/alarms.html", words, alarms=page.cell("alarms", rows),
            history=page.cell("history", history, "scroll"), acts=page.cell("acts", acts, "stack"),
        )
    )  # fmt: skip

    async def acknowledge(name: str) -> None:
        doing = page.site.actions.acknowledge(page.session, name if name in Alarm.__members__ else None)
        await page.act(doing, words("done_acknowledge"))

    async def reset(_: str) -> None:
        await page.act(page.site.actions.reset(page.session), words("done_reset"))

    page.on("acknowledge", acknowledge)
    page.on("reset", reset)


def _acts(page: Page, words: Words) -> Markup:
    if not page.may(Action.ACKNOWLEDGE):
        return page.for_role("operator")
    open_ = any(not row.state.acknowledged for row in page.site.live.alarms())
    may_reset = page.may(page.site.actions.needed_to_reset())
    note = Markup() if may_reset else page.for_role("maintenance")
    return lay_out("cells/acts.html", words, open=open_, may_reset=may_reset, note=note)


async def _before(page: Page) -> list[tuple[float, Mapping[str, Any]]]:
    """What the records have of earlier runs of the daemon; those of this one come from its own ring."""
    if page.site.folder is None:
        return []
    try:
        return await page.site.read(read_history, page.site.folder, page.site.stage.setup.run)
    except (RecordsError, sqlite3.Error, Refused):
        return []  # what is wrong with the records is said where they are needed


def read_history(folder: Path, run: str) -> list[tuple[float, Mapping[str, Any]]]:
    """(when, body) of the last alarm events before `run`, newest first. Raises RecordsError, sqlite3.Error."""
    with closing(open_reader(folder)) as connection:
        rows = queries.events(connection, "alarm", 0.0, _SHOWN, but_run=run)
    return [(event.at, event.body) for event in rows]


class _Line(NamedTuple):
    """One alarm event as a row of the table."""

    at: str
    priority: str
    text: str
    detail: str
    state: str
    by: str


def table(words: Words, rows: Iterable[tuple[float, Mapping[str, Any]]]) -> Markup:
    """Alarm events as a table."""
    return lay_out("cells/history.html", words, lines=[_line(words, at_s, body) for at_s, body in rows])


def _line(words: Words, at_s: float, body: Mapping[str, Any]) -> _Line:
    name, priority = str(body.get("name", "")), str(body.get("priority", "LOW"))
    return _Line(
        at=time.strftime("%m-%d %H:%M:%S", time.localtime(at_s)),
        priority=priority if priority in Priority.__members__ else "",
        text=words.alarm(Alarm[name])[0] if name in Alarm.__members__ else name,
        detail=str(body.get("detail") or ""),
        state=words.known(str(body.get("state", ""))),
        by=words.person(str(body.get("by", ""))),
    )
