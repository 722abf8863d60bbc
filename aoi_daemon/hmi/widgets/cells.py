"""The live pieces of the pages: each a function of the line and the language that gives HTML. No state here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from aoi_daemon.decide.alarm_list import KINDS, Alarm, alarms_in
from aoi_daemon.hmi.live import SPAN_S, AlarmNow
from aoi_daemon.hmi.shifts.figures import HOUR_S
from aoi_daemon.hmi.site import Site, lasts
from aoi_daemon.hmi.widgets import charts
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.messages import Proof
from aoi_daemon.stage.board import CameraCell, Cell, Link, StageState, bypassed, camera_cell
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.stage.stage import now_ns
from aoi_daemon.texts.words import Words

_HOURS: Final = 8
_FEW: Final = 2
"""Rejects in a row that are worth a word."""


_SIGNS: Final = {"good": "check", "wait": "wait", "warn": "pause", "bad": "cross"}


class Tile(NamedTuple):
    """State of one thing: `level` is good, wait, warn or bad."""

    level: str
    name: str
    word: str

    @property
    def kind(self) -> str:
        """Its class on the page: the ordinary has none."""
        return self.level if self.level in ("bad", "warn") else ""

    @property
    def mark(self) -> str:
        """The name of its sign."""
        return _SIGNS[self.level]


def line_tile(site: Site, words: Words) -> Tile:
    """The line as a whole."""
    board = site.live.board
    line = Line(board[Cell.LINE_STATE])
    word = words.known(line.name)
    if line is Line.FAULTED:
        return Tile("bad", words("line"), word)
    if board[Cell.STOPPED_BY_RULE]:
        return Tile("bad", words("line"), f"{word}{words('comma')}{words('stop_asked')}")
    if board[Cell.FORCED] >= 0:
        return Tile("warn", words("line"), words("forced"))
    if bypassed(board):
        return Tile("warn", words("line"), words("bypassed"))
    if line is not Line.RUNNING:
        return Tile("wait", words("line"), f"{word}{words('comma')}{words('not_ready')}")
    if not board[Cell.READY]:
        return Tile("bad", words("line"), words("not_ready"))
    if board[Cell.LINE_RUNNING] == 0:
        return Tile("good", words("line"), f"{words('ready')}{words('comma')}{words('line_stands')}")
    return Tile("good", words("line"), f"{word}{words('comma')}{words('ready')}")


def _stage_level(state: int) -> str:
    if state == StageState.READY:
        return "good"
    return "wait" if state in (StageState.STARTING, StageState.CHANGEOVER) else "bad"


def _state_word(state: int, words: Words) -> str:
    return words.known(StageState(state).name) if state in list(StageState) else str(state)


def camera_tile(site: Site, words: Words) -> Tile:
    """All cameras; the worst one gives the sign."""
    board, cameras = site.live.board, site.config.cameras
    good = 0
    word, level = words("READY"), "good"
    for index in range(len(cameras)):
        state = board[camera_cell(index, CameraCell.STATE)]
        if state == StageState.READY and board[camera_cell(index, CameraCell.PRESENT)]:
            good += 1
            continue
        level = "bad" if state != StageState.STARTING or level == "bad" else "wait"
        word = words("no_picture") if state == StageState.READY else _state_word(state, words)
    if len(cameras) > 1:
        count = words("some_of", good=good, all=len(cameras))
        return Tile(level, words("cameras"), count if level == "good" else f"{count}{words('colon')}{word}")
    return Tile(level, words("camera"), word)


def engine_tile(site: Site, words: Words) -> Tile:
    """Inspection and its golden parts."""
    state = site.live.board[Cell.INSPECTION_STATE]
    if state == StageState.REFUSED:
        return Tile("bad", words("engine"), words("golden_failed"))
    if state == StageState.READY and site.live.board[Cell.PROVEN] == Proof.NOT_PROVEN:
        return Tile("bad", words("engine"), words("NOT_PROVEN"))
    return Tile(_stage_level(state), words("engine"), _state_word(state, words))


def plc_tile(site: Site, words: Words) -> Tile:
    """The link, and how long the PLC takes to answer."""
    board = site.live.board
    alarms = alarms_in(board[Cell.ALARMS])
    if Alarm.PLC_REFUSED in alarms:
        return Tile("bad", words("plc"), words("plc_refuses"))
    if Alarm.PLC_FROZEN in alarms:
        return Tile("bad", words("plc"), words("plc_frozen"))
    if board[Cell.LINK] != Link.UP:
        return Tile("bad", words("plc"), words("no_link"))
    return Tile("good", words("plc"), f"{words('linked')}{words('comma')}{board[Cell.PLC_ROUND_TRIP_NS] / 1e6:.1f} ms")


def recipe_tile(site: Site, words: Words) -> Tile:
    """The product."""
    name = f"{site.recipe.id}  {site.recipe.name}"
    proof = Proof(site.live.board[Cell.PROVEN])
    if proof in (Proof.ACCEPTED, Proof.UPGRADED):
        return Tile("warn", words("recipe"), f"{name}{words('comma')}{words(proof.name)}")
    return Tile("good", words("recipe"), name)


def proof(site: Site, words: Words) -> Markup:
    """Whether the product in use is proven, and who answers for it where it is not."""
    state = Proof(site.live.board[Cell.PROVEN])
    who = site.recipe.accept_unproven or "" if state is Proof.ACCEPTED else None
    return lay_out("parts/proof.html", words, proven=state is Proof.PROVEN, state=state.name, who=who)


def recorder_tile(site: Site, words: Words) -> Tile:
    """Whether records are kept."""
    if site.folder is None:
        return Tile("good", words("recorder"), words("recorder_off"))
    state = str(site.beside.get("recorder", {}).get("state", ""))
    if state in ("", "ok"):
        return Tile("good" if state else "wait", words("recorder"), words("recorder_ok") if state else "–")
    name = f"recorder_{state.split(':', maxsplit=1)[0]}"
    return Tile("warn", words("recorder"), words(name) if words.has(name) else state)


def notices_tile(site: Site, words: Words) -> Tile:
    """Whether people are told of alarms."""
    state = str(site.beside.get("notifier", {}).get("state", ""))
    if state in ("", "ok"):
        return Tile("good" if state else "wait", words("notices"), words("notices_ok") if state else "–")
    return Tile("warn", words("notices"), words("notices_down" if state == "down" else "notices_stuck"))


def tiles(site: Site, words: Words) -> Markup:
    """All state tiles."""
    found = [line_tile, camera_tile, engine_tile, plc_tile, recipe_tile, recorder_tile]
    if "notifier" in site.beside:
        found.append(notices_tile)
    return lay_out("cells/tiles.html", words, tiles=[one(site, words) for one in found])


def head_state(site: Site, words: Words) -> Markup:
    """The line's state in the head of every page."""
    return lay_out("cells/head_state.html", words, tile=line_tile(site, words))


def bypass_banner(site: Site, words: Words) -> Markup:
    """On every page, while the PLC lets parts go whatever their verdict."""
    return lay_out("cells/bypass.html", words) if bypassed(site.live.board) else Markup()


def head_alarms(site: Site, words: Words) -> Markup:
    """How many alarms there are, with the sign of the highest."""
    alarms = site.live.alarms()
    if not alarms:
        return Markup()
    count = words("one_alarm") if len(alarms) == 1 else words("alarm_count", count=len(alarms))
    return lay_out("cells/head_alarms.html", words, priority=KINDS[alarms[0].alarm].priority.name, count=count)


def counts(site: Site, words: Words) -> Markup:
    """Parts, rejects and yield."""
    figures = site.figures
    percent = figures.yield_percent
    values = (
        ("parts", f"{figures.parts:,}"),
        ("rejected", f"{figures.rejected:,}"),
        ("yield", "–" if percent is None else f"{percent:.1f} %"),
    )
    return lay_out("cells/counts.html", words, since=since(site, words), values=values, problem=figures.base.problem)


def since(site: Site, words: Words) -> str:
    """What time the figures are of."""
    shift = site.figures.base.shift
    return words("this_shift", since=clock(shift.since)[:5]) if shift.since else words("since_start")


def _chart(words: Words, title: str, chart: Markup, note: str = "") -> Markup:
    return lay_out("cells/chart.html", words, title=title, chart=chart, note=note)


def pareto(site: Site, words: Words) -> Markup:
    """Rejects by class."""
    named = [row._replace(name=words.cause(row.name)) for row in site.figures.pareto()]
    return _chart(words, words("pareto"), charts.pareto(named, words))


def hours(site: Site, words: Words) -> Markup:
    """Rejects of the last hours."""
    found = {hour: (rejects, parts) for hour, rejects, parts in site.figures.hours()}
    this_hour = int(site.now_s() // HOUR_S)
    rows = [
        (time.strftime("%H", time.localtime(hour * HOUR_S)), *found.get(hour, (0, 0)))
        for hour in range(this_hour - _HOURS + 1, this_hour + 1)
    ]
    return _chart(words, words("per_hour"), charts.hours(rows, words))


def strip(site: Site, words: Words) -> Markup:
    """The last parts as marks."""
    marks = list(site.live.parts.marks)
    row = charts.rejects_in_a_row(marks)
    note = words("in_a_row", count=row) if row >= _FEW else ""
    return _chart(words, words("last_parts", count=charts.STRIP_MARKS), charts.strip(marks), note)


@lasts(1.0)  # it has a point for each second, and costs as much as all others together
def latency(site: Site, words: Words) -> Markup:
    """Verdict times against the deadline."""
    section, parts = site.config.line, site.live.parts
    chart = charts.latency(parts.seconds(), now_ns() // 1_000_000_000, section.deadline_ms, SPAN_S)
    found = parts.quantiles_ms()
    figures = (("p50", found["p50"]), ("p99", found["p99"]), (words("max"), found["max"]))
    return lay_out(
        "cells/latency.html", words, chart=chart, deadline=words("deadline", ms=f"{section.deadline_ms:g}"),
        figures=[(name, f"{value:.1f}") for name, value in figures], takt=f"{section.takt_ms:g}",
        missed=site.live.board[Cell.DEADLINE_MISSES],
    )  # fmt: skip


def clock(at_s: float) -> str:
    """Local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at_s))


class _Row(NamedTuple):
    """One alarm as it is shown; `open` while nobody has acknowledged it."""

    name: str
    priority: str
    text: str
    remedy: str
    state: str
    at: str
    detail: str
    active: bool
    open: bool


def _row(site: Site, words: Words, row: AlarmNow) -> _Row:
    text, remedy = words.alarm(row.alarm)
    return _Row(
        name=row.alarm.name, priority=KINDS[row.alarm].priority.name, text=text, remedy=remedy,
        state=words.known(row.state.value), at=clock(site.live.wall_s(row.at_ns)) if row.at_ns else "",
        detail=row.detail, active=row.active, open=not row.state.acknowledged,
    )  # fmt: skip


def alarm_rows(site: Site, words: Words, shown: Sequence[AlarmNow], *, button: bool = False, more: str = "") -> Markup:
    """Alarms with their remedies; with a `button` each that is open can be acknowledged."""
    rows = [_row(site, words, row) for row in shown]
    return lay_out("cells/alarms.html", words, rows=rows, button=button, more=more)


def alarms_short(site: Site, words: Words) -> Markup:
    """The alarms on the first page, the highest three; all of them are on their own page."""
    found = site.live.alarms()
    more = words("and_more", count=len(found) - 3) if len(found) > 3 else ""
    return alarm_rows(site, words, found[:3], more=more)
