"""The live pieces of the pages: each a function of the line and the language that gives HTML. No state here."""

from __future__ import annotations

import time
from html import escape
from typing import Final, NamedTuple

from aoi_daemon.decide.alarm_list import KINDS, Alarm, alarms_in
from aoi_daemon.hmi.live import SPAN_S, AlarmNow
from aoi_daemon.hmi.shifts.figures import HOUR_S
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets import charts
from aoi_daemon.hmi.widgets.symbols import priority_sign, sign
from aoi_daemon.hmi.widgets.texts import Words
from aoi_daemon.messages import Proof
from aoi_daemon.stage.board import CameraCell, Cell, Link, StageState, bypassed, camera_cell
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.stage.stage import now_ns

_HOURS: Final = 8
_FEW: Final = 2
"""Rejects in a row that are worth a word."""


class Tile(NamedTuple):
    """State of one thing: `level` is good, wait, warn or bad."""

    level: str
    name: str
    word: str


_SIGNS: Final = {"good": "check", "wait": "wait", "warn": "pause", "bad": "cross"}


def tile(state: Tile) -> str:
    """A tile: sign, name, word."""
    kind = state.level if state.level in ("bad", "warn") else ""
    return (
        f'<div class="tile {kind}">{sign(_SIGNS[state.level])}<div><small>{escape(state.name)}</small>'
        f"<b>{escape(state.word)}</b></div></div>"
    )


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


def proof(site: Site, words: Words) -> str:
    """Whether the product in use is proven, and who answers for it where it is not."""
    state = Proof(site.live.board[Cell.PROVEN])
    kind, name = ("", "check") if state is Proof.PROVEN else ("bad-word", "cross")
    who = f" ({escape(site.recipe.accept_unproven or '')})" if state is Proof.ACCEPTED else ""
    return f'<span class="{kind}">{sign(name)} {words(state.name)}{who}</span>'


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


def tiles(site: Site, words: Words) -> str:
    """All state tiles."""
    found = [line_tile, camera_tile, engine_tile, plc_tile, recipe_tile, recorder_tile]
    if "notifier" in site.beside:
        found.append(notices_tile)
    return "".join(tile(one(site, words)) for one in found)


def head_state(site: Site, words: Words) -> str:
    """The line's state in the head of every page."""
    state = line_tile(site, words)
    kind = state.level if state.level in ("bad", "warn") else ""
    return f'<div class="tile {kind}">{sign(_SIGNS[state.level])}<b>{escape(state.word)}</b></div>'


def bypass_banner(site: Site, words: Words) -> str:
    """On every page, while the PLC lets parts go whatever their verdict."""
    if not bypassed(site.live.board):
        return ""
    return f'<div class="bypass" role="alert">{sign("alarms")}<span>{escape(words("bypass"))}</span></div>'


def head_alarms(site: Site, words: Words) -> str:
    """How many alarms there are, with the sign of the highest."""
    alarms = site.live.alarms()
    if not alarms:
        return ""
    count = words("one_alarm") if len(alarms) == 1 else words("alarm_count", count=len(alarms))
    highest = KINDS[alarms[0].alarm].priority.name
    return f'<a class="button" href="/alarms">{priority_sign(highest)}<span>{escape(count)}</span></a>'


def counts(site: Site, words: Words) -> str:
    """Parts, rejects and yield."""
    figures = site.figures
    percent = figures.yield_percent
    values = (
        ("parts", f"{figures.parts:,}"),
        ("rejected", f"{figures.rejected:,}"),
        ("yield", "–" if percent is None else f"{percent:.1f} %"),
    )
    rows = "".join(f'<div class="count"><small>{words(key)}</small><b>{value}</b></div>' for key, value in values)
    problem = site.figures.base.problem
    note = f'<p class="answer bad">{words("records_problem")} {escape(problem)}</p>' if problem else ""
    return f'<h2>{escape(since(site, words))}</h2><div class="counts">{rows}</div>{note}'


def since(site: Site, words: Words) -> str:
    """What time the figures are of."""
    shift = site.figures.base.shift
    return words("this_shift", since=clock(shift.since)[:5]) if shift.since else words("since_start")


def pareto(site: Site, words: Words) -> str:
    """Rejects by class."""
    named = [row._replace(name=words.cause(row.name)) for row in site.figures.pareto()]
    chart = charts.pareto(named, words("false_calls"), words("no_rejects"))
    return f"<h2><span>{words('pareto')}</span></h2>{chart}"


def hours(site: Site, words: Words) -> str:
    """Rejects of the last hours."""
    found = {hour: (rejects, parts) for hour, rejects, parts in site.figures.hours()}
    this_hour = int(site.now_s() // HOUR_S)
    rows = [
        (time.strftime("%H", time.localtime(hour * HOUR_S)), *found.get(hour, (0, 0)))
        for hour in range(this_hour - _HOURS + 1, this_hour + 1)
    ]
    return f"<h2>{words('per_hour')}</h2>{charts.hours(rows)}"


def strip(site: Site, words: Words) -> str:
    """The last parts as marks."""
    marks = site.live.parts.marks
    row = charts.rejects_in_a_row(marks)
    note = f'<b class="bad-word">{words("in_a_row", count=row)}</b>' if row >= _FEW else ""
    head = f"<h2><span>{words('last_parts', count=charts.STRIP_MARKS)}</span>{note}</h2>"
    return head + charts.strip(list(marks))


def latency(site: Site, words: Words) -> str:
    """Verdict times against the deadline."""
    section, parts = site.config.line, site.live.parts
    chart = charts.latency(
        parts.seconds(), now_ns() // 1_000_000_000, section.deadline_ms, SPAN_S,
        words("deadline", ms=f"{section.deadline_ms:g}"),
    )  # fmt: skip
    found = parts.quantiles_ms()
    missed = site.live.board[Cell.DEADLINE_MISSES]
    figures = [("p50", found["p50"]), ("p99", found["p99"]), (words("max"), found["max"])]
    row = "".join(f"<span>{name} <b>{value:.1f}</b></span>" for name, value in figures)
    row += f"<span>{words('takt')} <b>{section.takt_ms:g}</b></span>"
    kind = ' class="bad-word"' if missed else ""
    row += f"<span{kind}>{words('missed')} <b>{missed}</b></span>"
    return f'<h2>{words("latency")}</h2>{chart}<div class="figures">{row}</div>'


def clock(at_s: float) -> str:
    """Local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at_s))


def alarm_row(site: Site, words: Words, row: AlarmNow, *, button: bool) -> str:
    """One alarm with its remedy."""
    text, remedy = words.alarm(row.alarm)
    name = escape(row.alarm.name)
    at = clock(site.live.wall_s(row.at_ns)) if row.at_ns else ""
    detail = f" · {escape(row.detail)}" if row.detail else ""
    act = ""
    if button and not row.state.acknowledged:
        act = f'<button data-do="acknowledge" data-arg="{name}">{words("acknowledge")}</button>'
    past = "" if row.active else " past"
    priority = KINDS[row.alarm].priority.name
    return (
        f'<div class="alarm{past}" data-alarm="{name}">{priority_sign(priority)}<div><b>{escape(text)}</b>'
        f'<span class="remedy">{escape(remedy)}</span>'
        f"<small>{words(priority)} · {escape(words.known(row.state.value))} · {at}{detail}</small></div>{act}</div>"
    )


def alarms_short(site: Site, words: Words) -> str:
    """The alarms on the first page, the highest three; all of them are on their own page."""
    found = site.live.alarms()
    if not found:
        return f'<p class="nothing badge">{sign("check")} {words("no_alarms")}</p>'
    rows = "".join(alarm_row(site, words, row, button=False) for row in found[:3])
    more = words("and_more", count=len(found) - 3) if len(found) > 3 else ""
    return rows + (f'<p class="nothing">{escape(more)}</p>' if more else "")
