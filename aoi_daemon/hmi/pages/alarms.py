"""The alarms: those that are there, with what to do; acknowledge and reset; what has been."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any, Final

from aoi_daemon.decide.alarm_list import Alarm
from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets import cells
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.hmi.widgets.symbols import priority_sign, sign
from aoi_daemon.hmi.widgets.texts import Words
from aoi_daemon.records import queries
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.faults import RecordsError

_SHOWN: Final = 60


async def build(page: Page) -> None:
    """Show it."""
    words = page.words
    may = page.may(Action.ACKNOWLEDGE)

    def rows(site: Site, words: Words) -> str:
        found = site.live.alarms()
        if not found:
            return f'<p class="nothing badge">{sign("check")} {words("no_alarms")}</p>'
        return "".join(cells.alarm_row(site, words, row, button=may) for row in found)

    def acts(site: Site, words: Words) -> str:
        return _acts(page, words)

    before = await _before(page)

    def history(site: Site, words: Words) -> str:
        events = [event for event in reversed(site.live.events) if event.kind == "alarm"]
        rows = [(site.live.wall_s(event.at_ns), event.body) for event in events]
        return table(words, [*rows, *before][:_SHOWN])

    page.show(
        f'<div class="columns"><div class="stack">'
        f'<section class="panel live told"><h2>{words("active_alarms")}</h2>{page.cell("alarms", rows)}</section>'
        f'<section class="panel"><h2>{words("alarm_history")}</h2>{page.cell("history", history, "scroll")}</section>'
        "</div>"
        f'<div class="stack"><section class="panel stack">{page.cell("acts", acts, "stack")}'
        f'<p class="note">{words("reset_note")}</p></section></div></div>'
    )

    async def acknowledge(name: str) -> None:
        doing = page.site.actions.acknowledge(page.session, name if name in Alarm.__members__ else None)
        await page.act(doing, words("done_acknowledge"))

    async def reset(_: str) -> None:
        await page.act(page.site.actions.reset(page.session), words("done_reset"))

    page.on("acknowledge", acknowledge)
    page.on("reset", reset)


def _acts(page: Page, words: Words) -> str:
    if not page.may(Action.ACKNOWLEDGE):
        return page.for_role("operator")
    open_ = any(not row.state.acknowledged for row in page.site.live.alarms())
    off = "" if open_ else " disabled"
    found = f'<button class="wide" data-do="acknowledge" data-arg="*"{off}>{words("acknowledge_all")}</button>'
    needed = page.site.actions.needed_to_reset()
    if page.may(needed):
        sure = escape(words("reset_sure"))
        return found + f'<button class="wide" data-do="reset" data-confirm="{sure}">{words("reset")}</button>'
    return found + f'<button class="wide" disabled>{words("reset")}</button>{page.for_role("maintenance")}'


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


def table(words: Words, rows: Iterable[tuple[float, Mapping[str, Any]]]) -> str:
    """Alarm events as a table."""
    lines = "".join(_line(words, at_s, body) for at_s, body in rows)
    if not lines:
        return f'<p class="nothing">{words("no_history")}</p>'
    head = "".join(f"<th>{words(key)}</th>" for key in ("time", "alarm", "state", "by"))
    return f"<table class=stacked><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _line(words: Words, at_s: float, body: Mapping[str, Any]) -> str:
    name, priority = str(body.get("name", "")), str(body.get("priority", "LOW"))
    text = words.alarm(Alarm[name])[0] if name in Alarm.__members__ else name
    detail = f"<br><small>{escape(str(body['detail']))}</small>" if body.get("detail") else ""
    mark = priority_sign(priority) if priority in ("HIGH", "MEDIUM", "LOW") else ""
    at = time.strftime("%m-%d %H:%M:%S", time.localtime(at_s))
    by = words.person(str(body.get("by", "")))
    return (
        f"<tr><td>{at}</td><td>{mark} {escape(text)}{detail}</td>"
        f"<td>{escape(words.known(str(body.get('state', ''))))}</td><td>{escape(by)}</td></tr>"
    )
