"""The PLC map as rows, and as CSV for who writes the PLC's program. Pure.

Made from the tables that the daemon itself packs and unpacks by (`plcmap`), so it cannot differ from what is on
the wire.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final, NamedTuple

from aoi_daemon.config.schema import PlcSection
from aoi_daemon.files.cells import Table
from aoi_daemon.plcmap.coils import COILS, Coil
from aoi_daemon.plcmap.registers import POLL_FIELDS, REPORT_FIELDS, Field

SEQUENCE_BITS: Final = COILS - Coil.SEQ

COIL_MEANINGS: Final = {
    Coil.PASS: "This part is good.",
    Coil.REJECT: "This part is rejected. Antivalent with PASS: 00 no verdict, 11 fault.",
    Coil.ALARM: "An alarm is active.",
    Coil.READY: "Camera, engine, recipe and link are good; the golden parts have passed.",
    Coil.HEARTBEAT: "Toggles while each stage that says it works does move; one known to be down shows in READY.",
    Coil.RESULT_TOGGLE: "Flips with each verdict.",
    Coil.RUN_PERMIT: "0 asks the line to stop: a stop rule, a reject that was not confirmed, the daemon's end.",
    Coil.OVERRUN: "Verdicts that the PLC program has not taken (result_ack), or frames lost.",
}
SEQUENCE_MEANING: Final = "Low byte of the result sequence."


class Row(NamedTuple):
    """One line of the map. `offset` is from the block's base, `words` 0 for a coil."""

    block: str
    table: str
    offset: int
    address: int | None
    name: str
    words: int
    kind: str
    meaning: str


def coil_name(coil: int) -> str:
    """The name of coil number `coil` (0 to 15): PASS, ..., SEQ0 to SEQ7."""
    return Coil(coil).name if coil < Coil.SEQ else f"SEQ{coil - Coil.SEQ}"


def coil_meaning(coil: int) -> str:
    """What coil number `coil` means."""
    return COIL_MEANINGS[Coil(coil)] if coil < Coil.SEQ else SEQUENCE_MEANING


def rows(plc: PlcSection) -> Iterator[Row]:
    """The complete map; addresses are None for a block that the configuration has not switched on."""
    for coil in range(COILS):
        yield Row("coils", "coil", coil, plc.coil_base + coil, coil_name(coil), 0, "BOOL", coil_meaning(coil))
    report = None if plc.registers is None else plc.registers.base
    poll = None if plc.poll is None else plc.poll.base
    for block, base, fields in (("report", report, REPORT_FIELDS), ("poll", poll, POLL_FIELDS)):
        offset = 0
        for field in fields:
            address = None if base is None else base + offset
            kind = type_of(field)
            yield Row(block, "holding register", offset, address, field.name, field.words, kind, field.meaning)
            offset += field.words


def type_of(field: Field) -> str:
    """The IEC 61131-3 type of a number of the map."""
    return {(1, False): "UINT", (1, True): "INT", (2, False): "UDINT", (2, True): "DINT"}[field.words, field.signed]


def as_csv(plc: PlcSection) -> str:
    """The map as CSV with a head line."""
    text = io.StringIO()
    table = Table(text)
    table.row(
        ["block", "direction", "table", "offset", "address_0_based", "name", "registers", "type", "meaning"]
    )
    for row in rows(plc):
        direction = "PLC to daemon" if row.block == "poll" else "daemon to PLC"
        table.row(
            [row.block, direction, row.table, row.offset, row.address, row.name, row.words or "", row.kind, row.meaning]
        )
    return text.getvalue()
