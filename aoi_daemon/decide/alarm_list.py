"""The list of alarms: what each says, how soon a person must act, and how.

The texts are for the operator at the line; the log and the records have the
details. A language other than English replaces the texts by the alarm's name.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple


class Priority(enum.IntEnum):
    """How soon a person must act."""

    LOW = 1  # within the shift
    MEDIUM = 2  # soon: quality or records suffer
    HIGH = 3  # now: the line is stopped, or rejects good parts


class Alarm(enum.IntEnum):
    """The alarms; the value is the bit in the mask on the board, and never changes its meaning."""

    CAMERA_LOST = 0
    ENGINE_FAULT = 1
    GOLDEN_FAILED = 2
    PLC_LINK = 3
    STOP_RULE = 4
    RECORDER_DISK = 5
    RESTART_BUDGET = 6
    OVERRUN = 7
    OPTICS = 8
    CONFIG_REFUSED = 9
    REALTIME_REFUSED = 10
    DEADLINE_MISSED = 11
    STAGE_LOST = 12
    PLC_BEHIND = 13
    PRODUCT_DIFFERS = 14
    PLC_REFUSED = 15
    PLC_FROZEN = 16
    REJECT_UNCONFIRMED = 17
    PLC_BYPASS = 18
    NOT_PROVEN = 19
    FRAME_SIZE = 20
    CAMERA_CLOCK = 21
    CLOCK_DOUBT = 22
    VIEW_FAULT = 23
    TARGET_MOVED = 24


class AlarmKind(NamedTuple):
    """What an alarm says, and what the operator does about it."""

    priority: Priority
    text: str
    remedy: str
    latched: bool = False


_HIGH, _MEDIUM, _LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW
KINDS: Final[Mapping[Alarm, AlarmKind]] = {
    Alarm.CAMERA_LOST: AlarmKind(
        _HIGH, "No picture from the camera",
        "Check the camera's cable, power and trigger. It is re-opened by itself; READY returns.",
    ),
    Alarm.ENGINE_FAULT: AlarmKind(
        _HIGH, "The inspection engine failed",
        "It starts again by itself. If it comes back, restart the PC; then call maintenance with the log.",
    ),
    Alarm.GOLDEN_FAILED: AlarmKind(
        _HIGH, "A golden part got the wrong verdict",
        "The model is not trusted, the line is not ready. Load the former bundle, or have this one rebuilt.",
    ),
    Alarm.PLC_LINK: AlarmKind(
        _HIGH, "No connection to the PLC",
        "Check the network cable and the PLC. It reconnects by itself; until then the PLC rejects.",
    ),
    Alarm.STOP_RULE: AlarmKind(
        _HIGH, "Too many bad parts: the line is asked to stop",
        "Find the cause in the process (screen, tool, feeder, soiled board carrier), then reset.",
        latched=True,
    ),
    Alarm.RECORDER_DISK: AlarmKind(
        _MEDIUM, "Records or pictures are being lost",
        "Inspection goes on. Free or replace the disk of the records.",
    ),
    Alarm.RESTART_BUDGET: AlarmKind(
        _HIGH, "A stage failed too often: the line has faulted",
        "Read the log for the cause, mend it, then reset.",
        latched=True,
    ),
    Alarm.OVERRUN: AlarmKind(
        _MEDIUM, "Parts come faster than they are judged",
        "Those parts were rejected. Slow the line to its takt, or call maintenance.",
    ),
    Alarm.OPTICS: AlarmKind(
        _HIGH, "The picture is too dark, too bright or without contrast",
        "Clean the lens and the lamp, check exposure and focus.",
    ),
    Alarm.CONFIG_REFUSED: AlarmKind(
        _LOW, "A changed configuration was refused",
        "The line runs on with the old one. The log names file, key and value; mend it and reload.",
    ),
    Alarm.REALTIME_REFUSED: AlarmKind(
        _LOW, "The system gives no real-time priority",
        "Verdicts may come late, and late parts are rejected. Start it as the systemd service.",
    ),
    Alarm.DEADLINE_MISSED: AlarmKind(
        _MEDIUM, "Parts were rejected because their verdict was late",
        "If it repeats: another program may load the PC, or the model is too slow for the takt.",
    ),
    Alarm.STAGE_LOST: AlarmKind(
        _HIGH, "A part of the program stopped",
        "It starts again by itself; parts are rejected until then. If it repeats, call maintenance.",
    ),
    Alarm.PLC_BEHIND: AlarmKind(
        _MEDIUM, "The PLC's program does not take the verdicts",
        "Check that the PLC's program runs, and its acknowledgement of the result sequence (result_ack).",
    ),
    Alarm.PRODUCT_DIFFERS: AlarmKind(
        _HIGH, "The product in use is not the one that was asked for",
        "Compare the product shown with the one on the line, and change over: on the PLC, here, or by command.",
    ),
    Alarm.PLC_REFUSED: AlarmKind(
        _HIGH, "The PLC refuses what it is asked",
        "Compare the addresses and the unit in line.toml with those of the PLC. The detail says what was asked.",
    ),
    Alarm.PLC_FROZEN: AlarmKind(
        _HIGH, "The PLC answers, but its program does not move",
        "Check that the PLC is in RUN and toggles its heartbeat bit. The line is ready again when the bit moves.",
    ),
    Alarm.REJECT_UNCONFIRMED: AlarmKind(
        _HIGH, "A rejected part was not confirmed as ejected",
        "Find the part that the detail names and take it out. Check ejector and gate sensor, then reset.",
        latched=True,
    ),
    Alarm.PLC_BYPASS: AlarmKind(
        _LOW, "Bypass is on at the PLC: bad parts go on",
        "Parts are judged, and recorded as bypassed. Switch bypass off at the PLC before parts count again.",
    ),
    Alarm.NOT_PROVEN: AlarmKind(
        _HIGH, "The product is not proven by golden parts of its own",
        "Add good and bad parts: `aoi-daemon golden add`, then `aoi-daemon reload`. The detail says what is missing.",
    ),
    Alarm.FRAME_SIZE: AlarmKind(
        _HIGH, "The camera's frames are not of the product's size",
        "All of them are rejected. Set the camera to the size that the detail names, or choose the right product.",
    ),
    Alarm.CAMERA_CLOCK: AlarmKind(
        _LOW, "A camera's clock is not what the camera says",
        "Inspection goes on: frames count from their arrival. Check that cameras.sensor_to_frame_ms holds, and the "
        "camera's clock and PTP settings; the detail says both rates.",
    ),
    Alarm.CLOCK_DOUBT: AlarmKind(
        _MEDIUM, "The PC's clock has jumped, and is not believed",
        "Records go on, and none is deleted for its age. Set the clock or mend its synchronisation, then confirm it: "
        "`aoi-daemon clock --confirm`. An hour of synchronised time ends it, too.",
    ),
    Alarm.VIEW_FAULT: AlarmKind(
        _HIGH, "One of the parts' pictures is missing, late or comes twice",
        "All such parts are rejected. Check the camera that the detail names: its trigger, cable and power; and the "
        "recipe's views.",
    ),
    Alarm.TARGET_MOVED: AlarmKind(
        _MEDIUM, "The camera, or the target in its view, has moved",
        "Inspection goes on. Put camera, lens or target back, and clean the target; or measure again "
        "(`aoi-daemon calibrate`) and prove the product with its golden parts. The detail says which view and how far.",
    ),
}  # fmt: skip


def mask_of(*alarms: Alarm) -> int:
    """The mask in which exactly `alarms` are active."""
    return sum(1 << alarm for alarm in set(alarms))


def alarms_in(mask: int) -> list[Alarm]:
    """The alarms that are active in a mask from the board."""
    return [alarm for alarm in Alarm if mask >> alarm & 1]
