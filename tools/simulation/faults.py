"""What can go wrong on a line, and a fault as a seed has it."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple


class Kind(enum.Enum):
    """What can go wrong."""

    # The network.
    DELAY = "network delays"
    DROP = "network resets"
    CABLE = "cable out"
    SPLIT = "answers in pieces"
    GLUE = "answers glued"
    DUPLICATE = "requests doubled"
    OLD_AFTER_NEW = "old after new"
    # The PLC's Modbus server.
    SLOW = "plc slow"
    MUTE = "plc mute"
    REFUSE = "plc refuses"
    TRANSACTION = "other transaction"
    UNIT = "other unit"
    RESET = "plc resets"
    POWER = "plc restarts"
    ONE_CONNECTION = "one connection"
    NOISE = "poll noise"
    # Cameras.
    MISSES = "camera misses"
    TWICE = "camera fires twice"
    GAP = "frame lost"
    SWAP = "frames swapped"
    LATE_FRAME = "frame late"
    INCOMPLETE = "frame incomplete"
    CAMERA_LOST = "camera lost"
    UNNAMED = "picture of no view"
    # Inspection.
    JUDGES_SLOWLY = "inspection slow"
    HANGS = "inspection hangs"
    DIES = "inspection dies"
    CHANGEOVER = "changeover"
    # The daemon.
    PLC_KILLED = "plc killed"
    DAEMON_KILLED = "daemon killed"
    STARVED = "plc starved"
    # The belt.
    EYE_MISSES = "eye misses"
    EYE_BOUNCES = "eye bounces"
    PUT_ON = "put on"
    TAKEN_OFF = "taken off"
    # Persons.
    FORCE = "coils forced"
    PANEL = "switches of the plc"
    # Lanes; at the end, for the place of a kind decides what chance draws for it.
    LANE_SLOW = "lane slow"
    LANE_HANGS = "lane hangs"
    LANE_DIES = "lane dies"
    LANE_NOT_STARTED = "lane lost at its start"
    LANE_CHANGEOVER = "changeover loses a lane"


MILD: Final = {Kind.JUDGES_SLOWLY, Kind.LANE_SLOW, Kind.SPLIT, Kind.STARVED}
"""They cost the parts that they make late, and nothing else: whatever PASS is delivered meanwhile lets its part go."""
TOO_MANY: Final = {Kind.TWICE, Kind.EYE_MISSES, Kind.SWAP, Kind.LATE_FRAME, Kind.PUT_ON}
"""A verdict that is one too many for the parts which the PLC has seen."""
OF_LANES: Final = {
    Kind.LANE_SLOW, Kind.LANE_HANGS, Kind.LANE_DIES, Kind.LANE_NOT_STARTED, Kind.LANE_CHANGEOVER,
}  # fmt: skip
"""They need another lane than lane 0."""
STEPS: Final = TOO_MANY | {Kind.MISSES, Kind.EYE_BOUNCES, Kind.GAP}
"""They take PLC and daemon out of step."""


class Fault(NamedTuple):
    """`kind`, from part `at` on, for `parts`. `size`: how much, 0 up to 1."""

    kind: Kind
    at: int
    parts: int
    size: float

    @property
    def end(self) -> int:
        """The first part after it."""
        return self.at + self.parts

    def __str__(self) -> str:
        return f"{self.kind.value} at part {self.at} for {self.parts} ({self.size:.2f})"
