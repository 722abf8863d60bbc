"""Commissioning: what is on the wire, a test of the outputs while the line stands, the map for the PLC's program."""

from __future__ import annotations

from html import escape

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets.cells import proof
from aoi_daemon.hmi.widgets.numbers import whole
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.hmi.widgets.symbols import sign
from aoi_daemon.hmi.widgets.texts import Words
from aoi_daemon.plcmap.coils import COILS, bits
from aoi_daemon.plcmap.table import coil_meaning, coil_name
from aoi_daemon.stage.board import Cell, Link, plc_address


def build(page: Page) -> None:
    """Show it."""
    words = page.words
    may = page.may(Action.FORCE)
    off, note = ("", "") if may else (" disabled", page.for_role("maintenance"))
    note += f'<p class="note">{words("force_note")}</p>'
    choice = "".join(
        f'<button class="coil" data-bit="{coil}" aria-pressed="false"{off} title="{escape(coil_meaning(coil))}">'
        f"<b>{coil}</b><small>{_breakable(coil)}</small></button>"
        for coil in range(COILS)
    )
    registers_alone = ""
    if page.site.config.plc.registers is not None:
        label = f'{sign("download")} {words("map_registers_st")}'
        registers_alone = f'<a class="button" href="/plc/aoi-registers.st" download>{label}</a>'
    page.show(
        '<div class="columns"><div class="stack">'
        f'<section class="panel live"><h2>{words("coil_map")}</h2>{page.cell("coils", coils, "coils")}</section>'
        f'<section class="panel stack"><h2>{words("force")}</h2><div class="coils">{choice}</div>'
        f'<button class="wide hold" data-hold=""{off}>{sign("hand")} {words("hold")}</button>'
        f'{page.cell("forced", forced)}<div id="refused"></div>{note}</section>'
        "</div>"
        f'<div class="stack"><section class="panel live"><h2>{words("link")}</h2>{page.cell("link", link)}</section>'
        f'<section class="panel live"><h2>{words("proof")}</h2>{page.cell("proof", proof)}</section>'
        f'<section class="panel stack"><h2>{words("maps")}</h2>'
        f'<a class="button" href="/plc/map.csv" download>{sign("download")} {words("map_csv")}</a>'
        f'<a class="button" href="/plc/aoi.st" download>{sign("download")} {words("map_st")}</a>{registers_alone}'
        f'<p class="note">{words("maps_note")}</p></section></div></div>'
    )

    async def force(word: str) -> None:
        page.put("refused", "")
        number = whole(word)
        try:
            result = await page.site.actions.force(page.session, -1 if number is None else number)
        except Refused as refused:
            _end(page, page.refusal(refused))
            return
        if not result.ok:
            _end(page, result.text)

    async def unforce(_: str) -> None:
        try:
            await page.site.actions.unforce(page.session)
        except Refused:
            return  # it ends by itself within two seconds

    page.on("force", force)
    page.on("unforce", unforce)


def _end(page: Page, text: str) -> None:
    """The hand may let go: nothing is forced."""
    page.run("release")
    page.put("refused", f'<p class="answer bad">{sign("cross")} {escape(text)}</p>')


def forced(site: Site, words: Words) -> str:
    """What is forced, by whomever."""
    word = site.live.board[Cell.FORCED]
    if word < 0:
        return ""
    return f'<p class="answer good">{sign("hand")} {words("forced")}{words("colon")}{word:016b}</p>'


def coils(site: Site, words: Words) -> str:
    """The 16 coils as the PLC has confirmed them."""
    return "".join(
        f'<div class="tile coil{" on" if on else ""}" title="{escape(coil_meaning(coil))}">'
        f"<small>{site.config.plc.coil_base + coil}</small><b>{words('on' if on else 'off')}</b>"
        f"<small>{_breakable(coil)}</small></div>"
        for coil, on in enumerate(bits(site.live.board[Cell.COILS]))
    )


def _breakable(coil: int) -> str:
    return coil_name(coil).replace("_", "_<wbr>")


def _goes_to(site: Site, words: Words) -> str:
    """What the host was resolved to: a name, or a resolver, may lead elsewhere than a person thinks."""
    board = site.live.board
    address, of = plc_address(board), board[Cell.PLC_ADDRESSES]
    if address is None:
        return words("unresolved")
    return address if of == 1 else words("one_of", address=address, of=of)


def link(site: Site, words: Words) -> str:
    """The connection to the PLC."""
    board, plc = site.live.board, site.config.plc
    up = board[Cell.LINK] == Link.UP
    refuses = bool(board[Cell.ALARMS] >> Alarm.PLC_REFUSED & 1)
    state = f"{sign('check' if up else 'cross')} {words('linked' if up else 'plc_refuses' if refuses else 'no_link')}"
    values = (
        ("state", f'<span class="{"" if up else "bad-word"}">{state}</span>'),
        ("address", f"{escape(plc.host)}:{plc.port}"),
        ("goes_to", _goes_to(site, words)),
        ("round_trip", f"{board[Cell.PLC_ROUND_TRIP_NS] / 1e6:.2f} ms"),
        ("heartbeats", f"{board[Cell.HEARTBEATS]:,}"),
        ("reconnects", f"{board[Cell.RECONNECTS]:,}"),
        ("wire_word", f"{board[Cell.COILS]:016b}"),
    )
    rows = "".join(f"<dt>{words(key)}</dt><dd>{value}</dd>" for key, value in values)
    return f'<dl class="facts">{rows}</dl>'
