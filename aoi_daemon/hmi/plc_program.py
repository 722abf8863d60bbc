"""The PLC map and an example of its use as IEC 61131-3 structured text. Pure.

Made from the tables that the daemon itself packs and unpacks by (`plcmap`), so it cannot differ from what is on
the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aoi_daemon.config.schema import LineSection, PlcSection
from aoi_daemon.hmi.plc_map import SEQUENCE_BITS, SEQUENCE_MEANING, coil_meaning, coil_name, type_of
from aoi_daemon.messages import Reason
from aoi_daemon.plcmap.coils import Coil
from aoi_daemon.plcmap.registers import MAP_VERSION, POLL_FIELDS, REPORT_FIELDS, Field, Status

OUT_OF_STEP: Final = 3
"""After so many verdicts in a row that were out of step, a part has been seen by camera or PLC alone: counted anew."""
SLOTS: Final = 16
"""Parts that the example tracks between trigger and gate."""


def _variable(name: str, kind: str, comment: str, start: str = "") -> str:
    initial = f" := {start}" if start else ""
    return f"    {name} : {kind}{initial}; (* {comment} *)"


def as_structured_text(plc: PlcSection, line: LineSection) -> str:
    """Global variables that mirror the map, and a function block that acts on PASS, REJECT, SEQ and HEARTBEAT.

    `%` addresses are the PLC's own affair (each maker maps Modbus differently): the variables carry their Modbus
    address as a comment.
    """
    blocks = (
        _head(line.name), _reasons(), _globals(plc), _watch(plc), _track(line.deadline_ms), _program(plc, line.takt_ms),
    )  # fmt: skip
    return "\n".join(text for block in blocks for text in (*block, "")) + "\n"


def _head(line_name: str) -> list[str]:
    return [
        f"(* AOI verdicts for the line {line_name}, map version {MAP_VERSION}. Made by aoi-daemon from its own tables.",
        "",
        "   The rules, in the order in which they matter:",
        "   1. A part is rejected unless it is proven good: each tracking slot is preset to reject.",
        "   2. Good is PASS = 1 and REJECT = 0, with a sequence that is new, while READY and the heartbeat are alive.",
        "      PASS = REJECT says nothing (00) or is a fault (11): both reject.",
        "   3. A heartbeat that stands, at 0 or at 1, is a dead daemon: whatever the coils say, reject.",
        "   4. One verdict is for one part. A verdict with no part waiting is an error of the line, not a good part.",
        "   5. Verdicts are in step with the parts: since the last one the sequence has gone on by as many as parts",
        "      have been triggered. One that is not is for another part, and was read too late: reject.",
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


def _watch(plc: PlcSection) -> list[str]:
    # The daemon toggles each heartbeat_ms and stops after stall_ms without progress: three toggles may be late.
    patience_ms = round(3 * plc.heartbeat_ms + plc.timeout_ms)
    return [
        "FUNCTION_BLOCK AOI_HEARTBEAT_WATCH",
        "(* ALIVE while the heartbeat toggles. Stuck at 1 is as dead as stuck at 0. *)",
        "VAR_INPUT",
        "    HEARTBEAT : BOOL;",
        f"    PATIENCE : TIME := T#{patience_ms}ms; (* the daemon toggles each {plc.heartbeat_ms:g} ms *)",
        "END_VAR",
        "VAR_OUTPUT",
        "    ALIVE : BOOL; (* 0 until the first toggle has been seen *)",
        "END_VAR",
        "VAR",
        "    LAST : BOOL;",
        "    KNOWN : BOOL;",
        "    SILENCE : TON;",
        "END_VAR",
        "",
        "SILENCE(IN := KNOWN AND (HEARTBEAT = LAST), PT := PATIENCE);",
        "IF NOT KNOWN THEN",
        "    KNOWN := TRUE;",
        "ELSIF HEARTBEAT <> LAST THEN",
        "    ALIVE := TRUE;",
        "END_IF;",
        "IF SILENCE.Q THEN",
        "    ALIVE := FALSE;",
        "END_IF;",
        "LAST := HEARTBEAT;",
        "END_FUNCTION_BLOCK",
    ]


def _track(deadline_ms: float) -> list[str]:
    sequence = [f"IF SEQ[{bit}] THEN NOW := NOW + {1 << bit}; END_IF;" for bit in range(SEQUENCE_BITS)]
    return [
        "FUNCTION_BLOCK AOI_TRACK",
        f"(* Up to {SLOTS} parts between the camera's trigger and the gate, first in, first out. Call it in each scan.",
        "   A verdict is for the part triggered last: the daemon gives it before the next one is triggered. *)",
        "VAR_INPUT",
        "    PART_TRIGGERED : BOOL; (* 1 for one scan: a part has passed the camera's trigger *)",
        "    PART_AT_GATE : BOOL; (* 1 for one scan: the part must be let pass or ejected now *)",
        "    RESET : BOOL; (* the stretch from camera to gate is empty: track anew *)",
        "    PASS, REJECT, READY, ALIVE : BOOL;",
        f"    SEQ : ARRAY[0..{SEQUENCE_BITS - 1}] OF BOOL;",
        f"    DEADLINE : TIME := T#{round(deadline_ms)}ms; (* line.deadline_ms: a verdict after it is for no part *)",
        "END_VAR",
        "VAR_OUTPUT",
        "    EJECT : BOOL; (* of the part that was at the gate last *)",
        "    TRACKING_LOST : BOOL; (* every part is ejected until RESET *)",
        "    UNEXPECTED : UDINT; (* verdicts with no part waiting or out of step, parts at the gate never triggered *)",
        "    ACTED_ON : UINT; (* sequence of the last verdict taken, for PLC_R_ACTED_ON *)",
        "END_VAR",
        "VAR",
        f"    GOOD : ARRAY[0..{SLOTS - 1}] OF BOOL; (* the slots: preset to reject *)",
        "    NEWEST, OLDEST, WAITING : UINT;",
        "    OPEN : BOOL; (* the newest part has no verdict yet *)",
        "    NOW, LAST : UINT;",
        "    KNOWN : BOOL;",
        "    STEP : UINT; (* by how much the verdict is ahead of the last one *)",
        "    TRIGGERED : UINT; (* parts since the last verdict *)",
        "    COUNTED, IN_STEP : BOOL; (* it is known which verdict comes next; this one is it *)",
        "    OUT_OF_STEP : UINT; (* verdicts in a row *)",
        "    WINDOW : TON;",
        "END_VAR",
        "",
        "NOW := 0;",
        *sequence,
        "",
        "IF RESET THEN",
        "    TRACKING_LOST := FALSE;",
        "    WAITING := 0;",
        "    OLDEST := NEWEST;",
        "    OPEN := FALSE;",
        "    COUNTED := FALSE;",
        "END_IF;",
        "IF PART_TRIGGERED THEN",
        f"    IF WAITING >= {SLOTS} THEN",
        "        (* More parts than slots: it is not known any more which part is which. *)",
        "        TRACKING_LOST := TRUE;",
        "        WAITING := WAITING - 1;",
        "    END_IF;",
        f"    NEWEST := (NEWEST + 1) MOD {SLOTS};",
        "    GOOD[NEWEST] := FALSE;",
        "    WAITING := WAITING + 1;",
        "    TRIGGERED := (TRIGGERED + 1) MOD 256;",
        "    OPEN := TRUE;",
        "    WINDOW(IN := FALSE, PT := DEADLINE);",
        "END_IF;",
        "WINDOW(IN := OPEN, PT := DEADLINE);",
        "IF WINDOW.Q THEN",
        "    OPEN := FALSE;",
        "END_IF;",
        "",
        "IF NOT READY THEN",
        "    (* Verdicts may have been lost: the next one is taken to be in step. *)",
        "    COUNTED := FALSE;",
        "END_IF;",
        "IF NOT KNOWN THEN",
        "    (* What stands in the coils at the start belongs to no part of ours. *)",
        "    KNOWN := TRUE;",
        "    LAST := NOW;",
        "ELSIF (NOW <> LAST) AND (PASS XOR REJECT) THEN",
        "    STEP := (NOW + 256 - LAST) MOD 256;",
        "    LAST := NOW;",
        "    ACTED_ON := NOW;",
        "    IN_STEP := NOT COUNTED OR (STEP = TRIGGERED);",
        "    IF IN_STEP THEN",
        "        COUNTED := TRUE;",
        "        TRIGGERED := 0;",
        "        OUT_OF_STEP := 0;",
        "    ELSE",
        "        OUT_OF_STEP := OUT_OF_STEP + 1;",
        f"        COUNTED := (STEP < TRIGGERED) AND (OUT_OF_STEP < {OUT_OF_STEP});",
        "        IF COUNTED THEN",
        "            (* Late: those of the parts after it are still to come. *)",
        "            TRIGGERED := TRIGGERED - STEP;",
        "        END_IF;",
        "    END_IF;",
        "    IF OPEN AND IN_STEP THEN",
        "        GOOD[NEWEST] := PASS AND READY AND ALIVE;",
        "    ELSE",
        "        GOOD[NEWEST] := FALSE;",
        "        UNEXPECTED := UNEXPECTED + 1;",
        "    END_IF;",
        "    OPEN := FALSE;",
        "END_IF;",
        "",
        "IF PART_AT_GATE THEN",
        "    IF TRACKING_LOST OR (WAITING = 0) THEN",
        "        EJECT := TRUE;",
        "        UNEXPECTED := UNEXPECTED + 1;",
        "    ELSE",
        f"        OLDEST := (OLDEST + 1) MOD {SLOTS};",
        "        EJECT := NOT GOOD[OLDEST];",
        "        GOOD[OLDEST] := FALSE;",
        "        WAITING := WAITING - 1;",
        "        IF WAITING = 0 THEN",
        "            OPEN := FALSE;",
        "        END_IF;",
        "    END_IF;",
        "END_IF;",
        "END_FUNCTION_BLOCK",
    ]


def _program(plc: PlcSection, takt_ms: float) -> list[str]:
    ack = ["    PLC_R_ACTED_ON := TRACK.ACTED_ON;", "    PLC_R_RESULT_ACK := TRACK.ACTED_ON;"] if plc.poll else []
    return [
        "PROGRAM AOI_EXAMPLE",
        f"(* Takt {takt_ms:g} ms: call it at least five times in a takt. Wire the four inputs and outputs. *)",
        "VAR",
        "    SENSOR_TRIGGER, SENSOR_GATE : BOOL; (* inputs: photo-eyes at the camera and at the gate *)",
        "    RESET_BUTTON : BOOL; (* input: pressed once the stretch from camera to gate is empty *)",
        "    EJECTOR : BOOL; (* output *)",
        "    STOP_LINE : BOOL; (* output *)",
        "    EDGE_TRIGGER, EDGE_GATE : R_TRIG;",
        "    WATCH : AOI_HEARTBEAT_WATCH;",
        "    TRACK : AOI_TRACK;",
        "END_VAR",
        "",
        "EDGE_TRIGGER(CLK := SENSOR_TRIGGER);",
        "EDGE_GATE(CLK := SENSOR_GATE);",
        "WATCH(HEARTBEAT := AOI_HEARTBEAT);",
        "TRACK(PART_TRIGGERED := EDGE_TRIGGER.Q, PART_AT_GATE := EDGE_GATE.Q, RESET := RESET_BUTTON,",
        "      PASS := AOI_PASS, REJECT := AOI_REJECT, READY := AOI_READY, ALIVE := WATCH.ALIVE, SEQ := AOI_SEQ);",
        "EJECTOR := TRACK.EJECT;",
        "STOP_LINE := NOT AOI_RUN_PERMIT OR NOT WATCH.ALIVE OR TRACK.TRACKING_LOST;",
        *(line.strip() for line in ack),
        "END_PROGRAM",
    ]
