"""What was printed: a ChArUco board.

A chessboard with a marker in each white square: each corner has a number, so a part of the target that is in view is
enough, and it may lie turned.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

MARKER: Final = 0.75
"""Side of a marker, in squares."""
_DICTIONARIES: Final = {
    50: cv2.aruco.DICT_5X5_50, 100: cv2.aruco.DICT_5X5_100, 250: cv2.aruco.DICT_5X5_250, 1000: cv2.aruco.DICT_5X5_1000,
}  # fmt: skip
"""By how many markers each has: the smaller, the fewer a marker can be taken for, and the sooner it is read."""


class Target(NamedTuple):
    """What was printed: so many squares, of so many mm each."""

    columns: int
    rows: int
    square_mm: float

    @property
    def board(self) -> Any:
        """OpenCV's."""
        needed = -(-self.columns * self.rows // 2)
        name = next(name for most, name in _DICTIONARIES.items() if most >= needed)
        dictionary = cv2.aruco.getPredefinedDictionary(name)
        size = (self.columns, self.rows)
        return cv2.aruco.CharucoBoard(size, self.square_mm, self.square_mm * MARKER, dictionary)

    @property
    def text(self) -> str:
        """As the command line takes it."""
        return f"--squares {self.columns}x{self.rows} --square-mm {self.square_mm:g}"


def picture(target: Target, px_per_mm: float) -> NDArray[np.uint8]:
    """The board alone, (H, W) uint8."""
    size = (round(target.columns * target.square_mm * px_per_mm), round(target.rows * target.square_mm * px_per_mm))
    return np.asarray(target.board.generateImage(size, marginSize=0, borderBits=1), np.uint8)
