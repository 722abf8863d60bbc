"""Commissioning: what is on the wire, a test of outputs while the line is stopped, the map for the PLC's program."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets.cells import proof
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.hmi.widgets.numbers import whole
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.plcmap.coils import COILS, bits
from aoi_daemon.plcmap.table import coil_meaning, coil_name
from aoi_daemon.stage.board import Cell, Link, plc_address
from aoi_daemon.texts.words import Words


def build(page: Page) -> None:
    """Show it."""
    words = page.words
    may, registers = page.may(Action.FORCE), page.site.config.plc.registers is not None
    page.show(
        lay_out(
            "pages/commissioning.html", words, may=may, choice=[_name(coil) for coil in range(COILS)],
            note=Markup() if may else page.for_role("maintenance"), registers=registers,
            coils=page.cell("coils", coils, "coils"), forced=page.cell("forced", forced),
            link=page.cell("link", link), proof=page.cell("proof", proof),
            engine=page.cell("engine", engine),
        )
    )  # fmt: skip

    async def force(word: str) -> None:
        page.put("refused", Markup())
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
    page.put("refused", lay_out("parts/answer.html", page.words, kind="bad", mark="cross", text=text))


def forced(site: Site, words: Words) -> Markup:
    """What is forced, by whomever."""
    word = site.live.board[Cell.FORCED]
    if word < 0:
        return Markup()
    text = f"{words('forced')}{words('colon')}{word:016b}"
    return lay_out("parts/answer.html", words, kind="good", mark="hand", text=text)


class _Coil(NamedTuple):
    """A coil's number, and its name at whose underscores a line may break."""

    number: int
    pieces: list[str]
    meaning: str


def _name(coil: int) -> _Coil:
    return _Coil(coil, coil_name(coil).split("_"), coil_meaning(coil))


def coils(site: Site, words: Words) -> Markup:
    """The 16 coils as the PLC has confirmed them."""
    base = site.config.plc.coil_base
    found = [(_name(coil), base + coil, on) for coil, on in enumerate(bits(site.live.board[Cell.COILS]))]
    return lay_out("cells/coils.html", words, coils=found)


def engine(site: Site, words: Words) -> Markup:
    """What judges parts, why it is that, and what else there was."""
    found = site.live.engine
    return lay_out(
        "cells/engine.html", words, name=str(found.get("name", "–")), why=str(found.get("why", "")),
        others=[str(row) for row in found.get("others", ())], lanes=str(found.get("lanes", "")),
    )  # fmt: skip


def _goes_to(site: Site, words: Words) -> str:
    """What the host was resolved to: a name, or a resolver, may lead elsewhere than a person thinks."""
    board = site.live.board
    address, of = plc_address(board), board[Cell.PLC_ADDRESSES]
    if address is None:
        return words("unresolved")
    return address if of == 1 else words("one_of", address=address, of=of)


def link(site: Site, words: Words) -> Markup:
    """The connection to the PLC."""
    board, plc = site.live.board, site.config.plc
    up = board[Cell.LINK] == Link.UP
    refuses = bool(board[Cell.ALARMS] >> Alarm.PLC_REFUSED & 1)
    values = (
        ("address", f"{plc.host}:{plc.port}"),
        ("goes_to", _goes_to(site, words)),
        ("round_trip", f"{board[Cell.PLC_ROUND_TRIP_NS] / 1e6:.2f} ms"),
        ("heartbeats", f"{board[Cell.HEARTBEATS]:,}"),
        ("reconnects", f"{board[Cell.RECONNECTS]:,}"),
        ("wire_word", f"{board[Cell.COILS]:016b}"),
    )
    state = words("linked" if up else "plc_refuses" if refuses else "no_link")
    return lay_out("cells/link.html", words, up=up, state=state, values=values)
