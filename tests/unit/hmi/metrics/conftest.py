"""A board of a line that is READY, and a verdict ring."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aoi_daemon.ring import verdicts
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, Cell, Link, StageState, camera_cell
from aoi_daemon.stage.lifecycle import Line

S = 1_000_000_000
NOW = 1_000 * S
CAMERAS = 2


@pytest.fixture
def board() -> Iterator[Board]:
    """Two cameras, all moved at NOW."""
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        board = Board(memory)
        cameras = range(CAMERAS)
        for cell in (Cell.SUPERVISOR_NS, Cell.INSPECTION_NS, Cell.PLC_NS, *(camera_cell(i, CameraCell.PROGRESS_NS) for i in cameras)):
            board[cell] = NOW
        for cell in (Cell.INSPECTION_STATE, Cell.PLC_STATE, *(camera_cell(i, CameraCell.STATE) for i in cameras)):
            board[cell] = StageState.READY
        for cell in (Cell.READY, Cell.GOLDEN_PASSED, Cell.PROVEN, *(camera_cell(i, CameraCell.PRESENT) for i in cameras)):
            board[cell] = 1
        board[Cell.LINE_STATE], board[Cell.LINK], board[Cell.LINE_RUNNING] = Line.RUNNING, Link.UP, -1
        yield board
        board._cells.release()


@pytest.fixture
def verdict_memory() -> Iterator[SharedMemory]:
    with SharedMemory.create("verdicts", verdicts.SIZE_BYTES) as memory:
        yield memory
