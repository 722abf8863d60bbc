"""The PLC's program as IEC 61131-3 structured text: the map, the tracking of parts, an example of its use. Pure.

`aoi_track.st` is the part that decides which parts are let go. It is handed out as it is, shown as it is in
aoi_daemon/plc/README.md, and run as it is by the PLC simulator and the tests. What is made here is the rest: global
variables from the tables that the daemon itself packs and unpacks by, and a program that wires them up in one of three
variants.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from aoi_daemon.config.checks.poll import PROGRAM_BEAT_MS
from aoi_daemon.config.schema import LineSection, PlcSection
from aoi_daemon.config.timing import scan_ms
from aoi_daemon.messages import Reason
from aoi_daemon.plcmap.coils import Coil, Result
from aoi_daemon.plcmap.registers import MAP_VERSION, POLL_FIELDS, REPORT_FIELDS, Field, Flag, Status
from aoi_daemon.plcmap.table import SEQUENCE_BITS, SEQUENCE_MEANING, coil_meaning, coil_name, type_of

HEALS_WITHIN: Final = 4
"""A trigger or a verdict that is missing, doubled or too many costs at most so many parts, all of them ejected."""
_TRACK: Final = Path(__file__).with_name("aoi_track.st")
_BEATS_LATE: Final = 3
"""The daemon toggles each heartbeat_ms and stops after stall_ms without progress: so many toggles may be late."""


class Variant(enum.Enum):
    """What the PLC's program reads its verdicts from."""

    COILS = "coils"
    REGISTERS = "registers"
    BOTH = "both"  # a PASS counts where coils and registers say it of the same sequence


def variant_of(plc: PlcSection) -> Variant:
    """The variant for what the daemon writes by `plc`."""
    return Variant.COILS if plc.registers is None else Variant.BOTH


@cache
def track() -> str:
    """The function blocks AOI_HEARTBEAT_WATCH and AOI_TRACK."""
    return _TRACK.read_text(encoding="ascii").strip()


def as_structured_text(plc: PlcSection, line: LineSection, variant: Variant | None = None) -> str:
    """The complete program for the line; `variant` None: `variant_of`.

    `%` addresses are the PLC's own affair (each maker maps Modbus differently): the variables carry their Modbus
    address as a comment.

    Raises:
        ValueError: `variant` needs registers, and `plc` has none.
    """
    variant = variant or variant_of(plc)
    if variant is not Variant.COILS and plc.registers is None:
        raise ValueError(
            f"the variant {variant.value} reads registers, and the daemon writes none: add [plc.registers] with a base"
        )
    blocks = (
        _head(line.name, variant), _reasons(), _globals(plc), track().splitlines(), _program(plc, line, variant),
    )  # fmt: skip
    return "\n".join(text for block in blocks for text in (*block, ""))


def _variable(name: str, kind: str, comment: str, start: str = "") -> str:
    initial = f" := {start}" if start else ""
    return f"    {name} : {kind}{initial}; (* {comment} *)"


def _head(line_name: str, variant: Variant) -> list[str]:
    return [
        f"(* AOI verdicts for the line {line_name}, map version {MAP_VERSION}, read from: {variant.value}.",
        "   Made by aoi-daemon from its own tables; AOI_TRACK is what the daemon's PLC simulator and tests run.",
        "",
        "   SET TRAVEL_MIN and TRAVEL_MAX in AOI_EXAMPLE. Until then every part is ejected.",
        "",
        "   1. A part is ejected unless it is proven good: each tracking slot is preset to reject.",
        "   2. READY = 0, a heartbeat that stays at 0 or at 1, PASS together with REJECT: the part triggered last is",
        "      ejected, unless it was at the gate. A part counts only if READY was there before its trigger.",
        "   3. One part, one verdict, one step of the sequence. What does not fit is for another part: eject.",
        "   4. After a trigger or verdict that was missing, doubled or too many it is in step again within",
        f"      {HEALS_WITHIN} parts, all of them ejected; before any part has passed, after a pause of two seconds.",
        "   5. Call it at least five times in a takt and twice in heartbeat_ms. line.deadline_ms and a scan fit into",
        "      the takt. cameras.sensor_to_frame_ms is what the frame is later than the photo-eye, at most.",
        "   6. At most 15 parts are between camera and gate.",
        "   This is quality control, not a safety function. *)",
    ]


def _reasons() -> list[str]:
    # Constants: an enumeration with its values is written differently by each maker.
    meaning = "of AOI_R_ERROR_CODE"
    lines = [_variable(f"AOI_REASON_{reason.name}", "UINT", meaning, str(reason.value)) for reason in Reason]
    return ["VAR_GLOBAL CONSTANT", *lines, "END_VAR"]


def _globals(plc: PlcSection) -> list[str]:
    found = ["VAR_GLOBAL", "    (* The daemon writes 16 coils by one FC15, for each verdict and each heartbeat. *)"]
    for coil in range(Coil.SEQ):
        name = f"AOI_{coil_name(coil)}"
        found.append(_variable(name, "BOOL", f"coil {plc.coil_base + coil}: {coil_meaning(coil)}"))
    first = plc.coil_base + Coil.SEQ
    found.append(
        _variable("AOI_SEQ", f"ARRAY[0..{SEQUENCE_BITS - 1}] OF BOOL",
                  f"coils {first} to {first + SEQUENCE_BITS - 1}: {SEQUENCE_MEANING} Lowest bit first.")
    )  # fmt: skip
    for block, fields, base, way in (
        ("AOI", REPORT_FIELDS, None if plc.registers is None else plc.registers.base, "Written by the daemon: FC16"),
        ("PLC", POLL_FIELDS, None if plc.poll is None else plc.poll.base, "Read by the daemon: FC03"),
    ):
        off = "" if base is not None else " Not switched on in line.toml."
        found += ["", f"    (* {way}, two registers have the high word first.{off} *)"]
        found += _registers(block, fields, base)
    bits = ", ".join(f"{(bit.value).bit_length() - 1} {bit.name}" for bit in Status)
    found += [f"    (* Bits of PLC_R_STATUS: {bits}. *)", "END_VAR"]
    return found


def _registers(block: str, fields: Sequence[Field], base: int | None) -> list[str]:
    found, offset = [], 0
    for field in fields:
        where = f"offset {offset}" if base is None else f"register {base + offset}"
        found.append(_variable(f"{block}_R_{field.name.upper()}", type_of(field), f"{where}: {field.meaning}"))
        offset += field.words
    return found


def patience_ms(plc: PlcSection) -> int:
    """So long without a toggle of HEARTBEAT the PLC's program waits before it takes the daemon for gone."""
    return round(_BEATS_LATE * plc.heartbeat_ms + plc.timeout_ms)


def _program(plc: PlcSection, line: LineSection, variant: Variant) -> list[str]:
    polled = plc.poll is not None
    return [
        "PROGRAM AOI_EXAMPLE",
        f"(* Takt {line.takt_ms:g} ms: a scan of {scan_ms(line, plc):g} ms at most. Wire the inputs and outputs. *)",
        "VAR",
        "    SENSOR_TRIGGER, SENSOR_GATE : BOOL; (* inputs: photo-eyes at the camera and at the gate *)",
        "    POSITION : UDINT; (* input: encoder of the belt, or milliseconds that are counted while it moves *)",
        "    TRAVEL_MIN, TRAVEL_MAX : UDINT; (* SET THESE: from trigger to gate, in units of POSITION *)",
        "    EJECTOR : BOOL := TRUE; (* output *)",
        "    STOP_LINE : BOOL := TRUE; (* output *)",
        *(_POLL_VARIABLES if polled else ()),
        "    EDGE_TRIGGER, EDGE_GATE : R_TRIG;",
        "    WATCH : AOI_HEARTBEAT_WATCH;",
        "    TRACK : AOI_TRACK;",
        "    PASS, REJECT, READY, RUN_PERMIT, HEARTBEAT : BOOL;",
        "    SEQ, LAST_BEAT : UINT;",
        "    TRIGGER_ID, NUMBER : UDINT;",
        "END_VAR",
        "",
        *_READERS[variant],
        "",
        "EDGE_TRIGGER(CLK := SENSOR_TRIGGER);",
        "EDGE_GATE(CLK := SENSOR_GATE);",
        *(_POLL_TRIGGER if polled else ()),
        f"WATCH(HEARTBEAT := HEARTBEAT, PATIENCE := T#{patience_ms(plc)}ms);",
        "TRACK(PART_TRIGGERED := EDGE_TRIGGER.Q, PART_AT_GATE := EDGE_GATE.Q, POSITION := POSITION,",
        "      TRAVEL_MIN := TRAVEL_MIN, TRAVEL_MAX := TRAVEL_MAX,",
        "      PASS := PASS, REJECT := REJECT, READY := READY, ALIVE := WATCH.ALIVE, SEQ := SEQ,",
        f"      TRIGGER_ID := TRIGGER_ID, NUMBER := NUMBER, DEADLINE := T#{line.deadline_ms:g}ms);",
        "EJECTOR := TRACK.EJECT;",
        "STOP_LINE := NOT RUN_PERMIT OR NOT WATCH.ALIVE;",
        *(_POLL_BODY if polled else ()),
        "END_PROGRAM",
    ]  # fmt: skip


_SEQ_OF_COILS: Final = (
    "SEQ := 0;",
    *(f"IF AOI_SEQ[{bit}] THEN SEQ := SEQ + {1 << bit}; END_IF;" for bit in range(SEQUENCE_BITS)),
)


def _flag(flag: Flag) -> str:
    return f"(((AOI_R_FLAGS / {flag.value}) MOD 2) = 1)"


_KNOWN_MAP: Final = f"(AOI_R_MAP_VERSION = {MAP_VERSION})"
_READERS: Final = {
    Variant.COILS: (
        "(* The coils. *)",
        *_SEQ_OF_COILS,
        "PASS := AOI_PASS;",
        "REJECT := AOI_REJECT;",
        "READY := AOI_READY;",
        "RUN_PERMIT := AOI_RUN_PERMIT;",
        "HEARTBEAT := AOI_HEARTBEAT;",
    ),
    Variant.REGISTERS: (
        "(* The registers alone. *)",
        "SEQ := AOI_R_SEQUENCE MOD 256;",
        f"PASS := (AOI_R_VERDICT = {Result.PASS.value}) OR (AOI_R_VERDICT = {Result.FAULT.value});",
        f"REJECT := (AOI_R_VERDICT >= {Result.REJECT.value});",
        f"READY := {_flag(Flag.READY)} AND {_KNOWN_MAP};",
        f"RUN_PERMIT := {_flag(Flag.RUN_PERMIT)} AND {_KNOWN_MAP};",
        "IF AOI_R_HEARTBEAT <> LAST_BEAT THEN (* any change: of a slow PLC's registers some toggles are skipped *)",
        "    HEARTBEAT := NOT HEARTBEAT;",
        "    LAST_BEAT := AOI_R_HEARTBEAT;",
        "END_IF;",
        "TRIGGER_ID := AOI_R_TRIGGER_ID;",
    ),
    Variant.BOTH: (
        "(* Coils and registers: a PASS is one that both say of the same sequence. *)",
        *_SEQ_OF_COILS,
        "REJECT := AOI_REJECT;",
        f"PASS := (AOI_R_VERDICT = {Result.PASS.value}) AND ((AOI_R_SEQUENCE MOD 256) = SEQ);",
        "PASS := AOI_PASS AND (PASS OR REJECT);",
        f"READY := AOI_READY AND {_flag(Flag.READY)} AND {_KNOWN_MAP};",
        f"RUN_PERMIT := AOI_RUN_PERMIT AND {_flag(Flag.RUN_PERMIT)};",
        "HEARTBEAT := AOI_HEARTBEAT;",
        "TRIGGER_ID := AOI_R_TRIGGER_ID;",
    ),
}  # fmt: skip
_POLL_VARIABLES: Final = (
    "    SENSOR_EJECTED : BOOL; (* input: a part goes into the bin; without such a sensor wire EJECTOR to it *)",
    "    LINE_RUNNING, BYPASS_SWITCH, RESET_BUTTON : BOOL; (* inputs *)",
    "    TOGGLE, EJECTED, BEAT : BOOL;",
    "    BEAT_TIMER : TON;",
)
_POLL_TRIGGER: Final = (
    "IF EDGE_TRIGGER.Q THEN",
    "    NUMBER := NUMBER + 1;",
    "    TOGGLE := NOT TOGGLE;",
    "END_IF;",
)
_POLL_BODY: Final = (
    "",
    "(* What the daemon reads. *)",
    "IF EDGE_GATE.Q THEN",
    "    EJECTED := FALSE;",
    "END_IF;",
    "IF SENSOR_EJECTED AND TRACK.EJECT THEN",
    "    EJECTED := TRUE;",
    "END_IF;",
    f"BEAT_TIMER(IN := NOT BEAT_TIMER.Q, PT := T#{PROGRAM_BEAT_MS}ms);",
    "IF BEAT_TIMER.Q THEN",
    "    BEAT := NOT BEAT;",
    "END_IF;",
    "PLC_R_STATUS := 0;",
    *(
        f"IF {name} THEN PLC_R_STATUS := PLC_R_STATUS + {bit.value}; END_IF;"
        for name, bit in (
            ("LINE_RUNNING", Status.LINE_RUNNING),
            ("TOGGLE", Status.TRIGGER),
            ("EJECTED", Status.REJECT_CONFIRMED),
            ("RESET_BUTTON", Status.ALARM_RESET),
            ("BYPASS_SWITCH", Status.BYPASS),
            ("BEAT", Status.HEARTBEAT),
        )
    ),
    "PLC_R_TRIGGER_ID := NUMBER;",
    "PLC_R_RESULT_ACK := TRACK.RESULT_ACK;",
    "PLC_R_ACTED_ON := TRACK.ACTED_ON;",
)
