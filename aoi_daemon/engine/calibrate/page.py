"""The page that a target is printed on.

Process: offline.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.lens import MOST_SQUARES
from aoi_daemon.engine.faults import InputError
from aoi_daemon.pictures.pdf import write_page
from aoi_daemon.target.board import Target, picture

PAPERS_MM: Final = {"a3": (420, 297), "a4": (297, 210), "a5": (210, 148), "letter": (279, 216)}
"""Width and height, lying."""
PX_PER_MM: Final = 20
"""Of the printed page: 508 dpi. All sides are so many px, and so exactly so long."""
LINE_MM: Final = 100
_MARGIN_MM: Final = 10
_FOOT_MM: Final = 18
_LEAST_SQUARE_MM: Final = 2.0


def checked(columns: int, rows: int, square_mm: float) -> Target:
    """A target. Raises InputError: there is none such."""
    if min(columns, rows) < 4 or columns * rows > MOST_SQUARES:
        raise InputError(f"--squares {columns}x{rows}: at least 4 a side, at most {MOST_SQUARES} in all")
    if not _LEAST_SQUARE_MM <= square_mm <= 200:
        raise InputError(f"--square-mm {square_mm:g}: from {_LEAST_SQUARE_MM:g} (what a printer can do) to 200")
    return Target(columns, rows, square_mm)


def filling(paper: str, square_mm: float) -> Target:
    """The target that fills a page. Raises InputError: the squares are too large or too small for it."""
    wide, high = PAPERS_MM[paper]
    columns = int((wide - 2 * _MARGIN_MM) / square_mm)
    rows = int((high - 2 * _MARGIN_MM - _FOOT_MM) / square_mm)
    return checked(columns, rows, square_mm)


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
