"""The words that the generator's modules share: what was asked for, and what came out.

Coordinates are pixels of the final image, x to the right, y down. A box is (x1, y1, x2, y2) with x2 and
y2 one past the last pixel. Light passes through the board: copper is dark and the substrate bright, as
in DeepPCB's scans.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards.labels import BoardsError

# DeepPCB's label boxes are the damaged pixels and ten more on each side. Measured over 6,873 boxes: nine to
# eleven in the median of every class and side; for copper and pin-hole, where no edge disturbs the
# measurement, both quartiles are ten, too.
DEEPPCB_MARGIN_PX = 10

# A side must hold a few traces, and the sites that defects need.
MIN_SIDE_PX = 160
MAX_SIDE_PX = 8192


class DefectClass(enum.IntEnum):
    """DeepPCB's six classes by their ids in its label files."""

    OPEN = 1
    SHORT = 2
    MOUSEBITE = 3
    SPUR = 4
    COPPER = 5
    PIN_HOLE = 6


class Style(str, enum.Enum):
    """How the camera's picture is rendered."""

    BINARY = "binary"
    GRAY = "gray"
    MIXED = "mixed"


class Colour(str, enum.Enum):
    """One channel, or three in OpenCV's order."""

    MONO = "mono"
    BGR = "bgr"


@dataclass(frozen=True)
class BoardOptions:
    """What a board may look like. Invalid values raise `BoardsError` at construction.

    Attributes:
        width_px, height_px: size of both images.
        good_fraction: part of the boards that carry no defect, 0 to 1.
        defects_min, defects_max: how many defects are asked for on a board that is not good. DeepPCB's
            scans hold 3 to 12 (1st and 99th percentile), 7 on average.
        margin_px: added on each side of the damaged pixels to make the label box.
    """

    width_px: int = 640
    height_px: int = 640
    colour: Colour = Colour.MONO
    style: Style = Style.MIXED
    good_fraction: float = 0.3
    defects_min: int = 3
    defects_max: int = 11
    margin_px: int = DEEPPCB_MARGIN_PX

    def __post_init__(self) -> None:
        for name, value in (("width", self.width_px), ("height", self.height_px)):
            if not MIN_SIDE_PX <= value <= MAX_SIDE_PX:
                raise BoardsError(f"size: {name} is {value} px, allowed are {MIN_SIDE_PX} to {MAX_SIDE_PX}")
        if not 0.0 <= self.good_fraction <= 1.0:
            raise BoardsError(f"good-fraction: {self.good_fraction}, allowed are 0 to 1")
        if not 1 <= self.defects_min <= self.defects_max <= 64:
            raise BoardsError(
                f"defects: {self.defects_min} to {self.defects_max}, allowed are 1 to 64, the lesser first"
            )
        if not 0 <= self.margin_px <= 64:
            raise BoardsError(f"margin: {self.margin_px} px, allowed are 0 to 64")


@dataclass(frozen=True)
class Defect:
    """One labelled defect.

    Attributes:
        box: `damage` grown by the margin and cut at the image's border.
        damage: the smallest box around the pixels that differ from the undamaged board's image.
    """

    kind: DefectClass
    box: tuple[int, int, int, int]
    damage: tuple[int, int, int, int]


@dataclass(frozen=True)
class Board:
    """A board under test, its golden template and what is wrong with it.

    Attributes:
        test, template: uint8, (height_px, width_px) or (height_px, width_px, 3).
        style: BINARY or GRAY, the one drawn for this board.
    """

    test: NDArray[np.uint8]
    template: NDArray[np.uint8]
    defects: tuple[Defect, ...]
    style: Style
