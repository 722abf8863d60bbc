"""The target: a ChArUco board, and the page that it is printed on.

Process: offline. A chessboard with a marker in each white square: each corner has a number, so a part of the target
that is in view is enough, and it may lie turned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.faults import InputError
from aoi_daemon.pictures.pdf import write_page

PAPERS_MM: Final = {"a3": (420, 297), "a4": (297, 210), "a5": (210, 148), "letter": (279, 216)}
"""Width and height, lying."""
PX_PER_MM: Final = 20
"""Of the printed page: 508 dpi. All sides are so many px, and so exactly so long."""
LINE_MM: Final = 100
_MARGIN_MM: Final = 10
_FOOT_MM: Final = 18
_LEAST_SQUARE_MM: Final = 2.0
MARKER: Final = 0.75
"""Side of a marker, in squares."""
_DICTIONARIES: Final = {
    50: cv2.aruco.DICT_5X5_50, 100: cv2.aruco.DICT_5X5_100, 250: cv2.aruco.DICT_5X5_250, 1000: cv2.aruco.DICT_5X5_1000,
}  # fmt: skip
"""By how many markers each has: the smaller, the fewer a marker can be taken for, and the sooner it is read."""
_MOST_MARKERS: Final = max(_DICTIONARIES)


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


def checked(columns: int, rows: int, square_mm: float) -> Target:
    """A target. Raises InputError: there is none such."""
    if min(columns, rows) < 4 or columns * rows > 2 * _MOST_MARKERS:
        raise InputError(f"--squares {columns}x{rows}: at least 4 a side, at most {2 * _MOST_MARKERS} in all")
    if not _LEAST_SQUARE_MM <= square_mm <= 200:
        raise InputError(f"--square-mm {square_mm:g}: from {_LEAST_SQUARE_MM:g} (what a printer can do) to 200")
    return Target(columns, rows, square_mm)


def filling(paper: str, square_mm: float) -> Target:
    """The target that fills a page. Raises InputError: the squares are too large or too small for it."""
    wide, high = PAPERS_MM[paper]
    columns = int((wide - 2 * _MARGIN_MM) / square_mm)
    rows = int((high - 2 * _MARGIN_MM - _FOOT_MM) / square_mm)
    return checked(columns, rows, square_mm)


def picture(target: Target, px_per_mm: float) -> NDArray[np.uint8]:
    """The board alone, (H, W) uint8."""
    size = (round(target.columns * target.square_mm * px_per_mm), round(target.rows * target.square_mm * px_per_mm))
    return np.asarray(target.board.generateImage(size, marginSize=0, borderBits=1), np.uint8)


def write_target(file: Path, target: Target, paper: str) -> None:
    """Write the page as a PDF of exactly the paper's size: board, a line to measure, and how it is printed.

    Raises:
        InputError: the board is larger than the page.
        OSError: the file cannot be written.
    """
    wide, high = PAPERS_MM[paper]
    board = picture(target, PX_PER_MM)
    page = np.full((high * PX_PER_MM, wide * PX_PER_MM), 255, np.uint8)
    left = (page.shape[1] - board.shape[1]) // 2
    top = _MARGIN_MM * PX_PER_MM
    if left < _MARGIN_MM * PX_PER_MM // 2 or top + board.shape[0] > page.shape[0] - _FOOT_MM * PX_PER_MM:
        raise InputError(f"{target.text}: larger than {paper}; fewer or smaller squares, or --paper a3")
    page[top : top + board.shape[0], left : left + board.shape[1]] = board
    _line(page, _MARGIN_MM * PX_PER_MM, page.shape[0] - 12 * PX_PER_MM)
    said = (
        f"aoi-daemon calibrate measure PICTURE {target.text}",
        "Print at 100 %, not fitted to the page. This line must be 100.0 mm long; where it is not: --line-mm LENGTH",
    )
    for number, text in enumerate(said):
        place = (_MARGIN_MM * PX_PER_MM, page.shape[0] - (7 - 4 * number) * PX_PER_MM)
        cv2.putText(page, text, place, cv2.FONT_HERSHEY_SIMPLEX, 1.8, 0, 3, cv2.LINE_8)
    write_page(file, page, PX_PER_MM)


def _line(page: NDArray[np.uint8], left: int, y: int) -> None:
    """A line of LINE_MM with a tick each 10 mm, from the first tick's left side to the last one's right side."""
    length, thick = LINE_MM * PX_PER_MM, 4
    page[y - thick // 2 : y + thick // 2, left : left + length] = 0
    for mm in range(0, LINE_MM + 1, 10):
        at = left + min(mm * PX_PER_MM, length - thick)
        high = (3 if mm % 50 == 0 else 2) * PX_PER_MM
        page[y - high : y, at : at + thick] = 0
