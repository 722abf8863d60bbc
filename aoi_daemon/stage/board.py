"""The board: 64-bit cells in shared memory that every process can read.

Each cell has one writer, named beside it, so nothing is ever locked. A cell
may be some microseconds old when it is read; whatever must not be missed is
sent through a doorbell as well.
"""

from __future__ import annotations

import enum
import ipaddress
from typing import Final

from aoi_daemon.messages import Reason
from aoi_daemon.plcmap.registers import Status
from aoi_daemon.ring.memory import SharedMemory

MAX_CAMERAS: Final = 8
MAX_LANES: Final = MAX_CAMERAS


class StageState(enum.IntEnum):
    """What a stage says of itself; LOST is said of it by the supervisor."""

    DOWN = 0
    STARTING = 1
    READY = 2
    LOST = 3
    REFUSED = 4  # it runs, and will not be ready until something is changed (golden check failed)
    CHANGEOVER = 5  # it has left in order, and the process that takes its place is about to be ready


class Link(enum.IntEnum):
    """The PLC link."""

    DOWN = 0
    UP = 1  # the safe state has been written since the connection was made


class Hears(enum.IntEnum):
    """Which readings of the PLC's triggers plc writes to a camera's pipe; nothing while nobody reads it."""

    NOTHING = 0
    TRIGGERS = 1  # those that found a trigger
    READINGS = 2  # all: that there was no trigger is said by them, too


class Cell(enum.IntEnum):
    """Cells of the line. The first block is written by the supervisor."""

    LINE_STATE = 0
    ALARMS = enum.auto()  # bit mask of active alarms, see decide/alarms.py
    RELOADS = enum.auto()
    RELOADS_REFUSED = enum.auto()
    RESTARTS = enum.auto()
    SUPERVISOR_NS = enum.auto()
    # inspection
    INSPECTION_STATE = enum.auto()
    INSPECTION_NS = enum.auto()
    GOLDEN_PASSED = enum.auto()
    PROVEN = enum.auto()  # a Proof; the supervisor takes it back where the stage is lost, or time has run out
    RECIPE = enum.auto()
    BUNDLE = enum.auto()
    VIEWS = enum.auto()  # which views it judges, `Expected.code`; plc passes parts of the same alone
    LIVE_NS = enum.auto()  # when this process took the line: parts that were ready before are nobody's
    # plc
    PLC_STATE = enum.auto()
    PLC_NS = enum.auto()
    LINK = enum.auto()
    READY = enum.auto()  # the PLC has verified READY=1
    READY_NS = enum.auto()  # when the PLC last verified READY=1 after READY=0
    COILS = enum.auto()  # the 16 bits last verified by the PLC
    FORCED = enum.auto()  # the word that a person forces onto the coils, -1 none
    PARTS = enum.auto()
    PASSED = enum.auto()
    REJECTED = enum.auto()
    DEADLINE_MISSES = enum.auto()
    UNDELIVERED = enum.auto()
    HEARTBEATS = enum.auto()
    RECONNECTS = enum.auto()
    PLC_ROUND_TRIP_NS = enum.auto()
    PLC_ADDRESSES = enum.auto()  # how many addresses plc.host has; 0: none is known
    PLC_ADDRESS_HIGH = enum.auto()  # the one connected to, or tried last: an IPv6 one, or an IPv4 one mapped into it
    PLC_ADDRESS_LOW = enum.auto()
    PLC_STATUS = enum.auto()  # the word polled from the PLC
    LINE_RUNNING = enum.auto()  # 1 running, 0 not, -1 not known (no poll)
    ACK_BEHIND = enum.auto()  # verdicts that the PLC's program has not taken
    ASKED_RECIPE = enum.auto()  # the id that the PLC asks for, 0 none, -1 not known (no poll yet)
    STOPPED_BY_RULE = enum.auto()  # why RUN_PERMIT is 0: bits of Stopped
    PLC_MOVES_BY_NS = enum.auto()  # when the PLC's heartbeat must have moved by; 0: it is not watched
    UNCONFIRMED = enum.auto()  # the first rejected part that was not seen to be ejected, 0 none
    UNCONFIRMED_MORE = enum.auto()  # how many such parts came after it
    REJECT_OPEN = enum.auto()  # the oldest rejected part that is still to be confirmed, 0 none
    VIEW_FAULTS = enum.auto()  # parts in a row rejected for one of several views, not seen as it must be
    VIEW_FAULT = enum.auto()  # the last of them: the reason and which view, packed
    RESULT_TOGGLE = enum.auto()  # the coil, which goes on over restarts of plc
    REJECTED_FOR = enum.auto()  # as many cells as there are reasons


class Stopped(enum.IntFlag):
    """Who asks the line to stop, until a person resets."""

    RULE = 1
    UNCONFIRMED = 2  # a rejected part was not seen to be ejected


class CameraCell(enum.IntEnum):
    """Cells of each camera, written by its acquire process but where noted."""

    STATE = 0
    PROGRESS_NS = enum.auto()
    SEQUENCE = enum.auto()  # last view announced; a restarted acquire goes on after it
    FRAME = enum.auto()  # last frame published in the ring
    RELEASED = enum.auto()  # last frame that inspection has done with (written by inspection)
    LAST_FRAME_NS = enum.auto()
    PRESENT = enum.auto()
    FRAMES = enum.auto()
    INCOMPLETE = enum.auto()
    MISSED = enum.auto()
    OVERRUNS = enum.auto()
    REOPENED = enum.auto()
    LATE = enum.auto()  # frames that another one overtook: counted as missed, then dropped
    DOUBLED = enum.auto()  # frames that came again, and were dropped
    CLOCK_STEPS = enum.auto()  # how often its clock stepped
    HEARS = enum.auto()  # which readings of the PLC's triggers its camera wants, see Hears
    MISFIT = enum.auto()  # size of its last frame where that is not the recipe's, else 0 (written by inspection)
    JUDGED = enum.auto()  # its frames that have been judged (written by inspection)
    ENGINE_FAULTS = enum.auto()  # judgements of it that plc did not take (written by inspection)


_FIRST_LANE: Final = Cell.REJECTED_FOR + len(Reason)
_FIRST_CAMERA: Final = _FIRST_LANE + MAX_LANES
_CAMERA_CELLS: Final = len(CameraCell)  # asked of the enumeration, it costs plc some us a part
CELLS: Final = _FIRST_CAMERA + MAX_CAMERAS * _CAMERA_CELLS
SIZE_BYTES: Final = CELLS * 8
_LOW_64: Final = 2**64 - 1
_IPV4_IN_IPV6: Final = 0xFFFF << 32


class Board:
    """The cells in `memory`. `board[Cell.X]` reads and writes one 64-bit integer."""

    def __init__(self, memory: SharedMemory) -> None:
        self._cells = memoryview(memory.map)[:SIZE_BYTES].cast("q")

    def __getitem__(self, cell: int) -> int:
        return self._cells[cell]

    def __setitem__(self, cell: int, value: int) -> None:
        # Aligned, 8 bytes at once: a reader sees the old value or the new one.
        self._cells[cell] = value

    def add(self, cell: int, amount: int = 1) -> None:
        """Count; only the cell's one writer may."""
        self._cells[cell] += amount


def camera_cell(camera: int, cell: CameraCell) -> int:
    """The index of `cell` of camera number `camera` (0 to MAX_CAMERAS - 1)."""
    return _FIRST_CAMERA + camera * _CAMERA_CELLS + cell


def lane_cell(lane: int) -> int:
    """The index of the cell in which lane number `lane` of inspection says when it last moved, in ns."""
    return _FIRST_LANE + lane


def reason_cell(reason: int) -> int:
    """The index of the count of parts that were rejected for `reason`."""
    return Cell.REJECTED_FOR + reason


def pack_size(width_px: int, height_px: int, channels: int) -> int:
    """A frame's size as the cell MISFIT holds it, never 0; sides up to 65,535 px."""
    return width_px << 24 | height_px << 8 | channels


def unpack_size(packed: int) -> tuple[int, int, int]:
    """The inverse of `pack_size`: width and height in px, channels."""
    return packed >> 24, packed >> 8 & 0xFFFF, packed & 0xFF


def pack_view_fault(reason: int, camera: int, fov: int) -> int:
    """The cell VIEW_FAULT: why, and which view."""
    return reason << 32 | camera << 16 | fov


def unpack_view_fault(packed: int) -> tuple[int, int, int]:
    """The inverse of `pack_view_fault`."""
    return packed >> 32, packed >> 16 & 0xFFFF, packed & 0xFFFF


def bypassed(board: Board) -> bool:
    """The PLC says that parts go on whatever their verdict; its word counts while it is connected."""
    return board[Cell.LINK] == Link.UP and bool(board[Cell.PLC_STATUS] & Status.BYPASS)


def put_plc_address(board: Board, address: str, of: int) -> None:
    """For plc: it connects, or tries to, to `address`, IPv4 or IPv6, one of `of` that the host has; of 0: none."""
    board[Cell.PLC_ADDRESSES] = 0  # while its two halves change
    if not of:
        return
    found = ipaddress.ip_address(address.partition("%")[0])
    number = int(found) + (_IPV4_IN_IPV6 if found.version == 4 else 0)
    board[Cell.PLC_ADDRESS_HIGH] = _signed(number >> 64)
    board[Cell.PLC_ADDRESS_LOW] = _signed(number & _LOW_64)
    board[Cell.PLC_ADDRESSES] = of


def plc_address(board: Board) -> str | None:
    """The address that plc is connected to, or tried last; None: it knows none."""
    number = (board[Cell.PLC_ADDRESS_HIGH] & _LOW_64) << 64 | board[Cell.PLC_ADDRESS_LOW] & _LOW_64
    if not board[Cell.PLC_ADDRESSES]:
        return None
    found = ipaddress.IPv6Address(number)
    return str(found.ipv4_mapped or found)


def _signed(word: int) -> int:
    return word - (word >> 63 << 64)


def frozen(board: Board, now_ns: int) -> bool:
    """The PLC's heartbeat is watched, and has not moved in time."""
    return 0 < board[Cell.PLC_MOVES_BY_NS] <= now_ns
