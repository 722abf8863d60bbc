"""Whether the line may be READY, read from the board. Pure but for reading cells; time is passed in."""

from __future__ import annotations

from aoi_daemon.board import Board, CameraCell, Cell, StageState, camera_cell, frozen
from aoi_daemon.lifecycle import Line


class Readiness:
    """What the board says of `cameras` cameras and of inspection. A stage stands after `stall_ns`."""

    def __init__(self, board: Board, cameras: int, stall_ns: int) -> None:
        self._board = board
        self._cameras = range(cameras)
        self._stall_ns = stall_ns

    def line(self, now_ns: int) -> bool:
        """Camera, engine and recipe are good, the golden check has passed, and the PLC's program moves."""
        board = self._board
        return (
            board[Cell.LINE_STATE] == Line.RUNNING
            and board[Cell.INSPECTION_STATE] == StageState.READY
            and board[Cell.GOLDEN_PASSED] == 1
            and all(self._camera(camera) for camera in self._cameras)
            and self.all_move(now_ns)
            and not frozen(board, now_ns)
        )

    def all_move(self, now_ns: int) -> bool:
        """Whoever says that it works has moved lately; without that the heartbeat stops.

        A stage that is known to be down, or a camera that is being opened, does not stop it: READY=0
        says so already. The heartbeat is for what nobody would notice otherwise.
        """
        board = self._board
        since_ns = now_ns - self._stall_ns
        if board[Cell.INSPECTION_STATE] == StageState.READY and board[Cell.INSPECTION_NS] < since_ns:
            return False
        return not any(
            self._camera(camera) and board[camera_cell(camera, CameraCell.PROGRESS_NS)] < since_ns
            for camera in self._cameras
        )

    def _camera(self, camera: int) -> bool:
        state = self._board[camera_cell(camera, CameraCell.STATE)]
        return state == StageState.READY and self._board[camera_cell(camera, CameraCell.PRESENT)] == 1
