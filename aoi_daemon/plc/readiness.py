"""Whether the line may be READY, read from the board. Pure but for reading cells; time is passed in."""

from __future__ import annotations

from aoi_daemon.messages import Proof
from aoi_daemon.stage.board import Board, CameraCell, Cell, StageState, camera_cell, frozen
from aoi_daemon.stage.lifecycle import Line


class Readiness:
    """What the board says of `cameras` cameras and of inspection. One that has not moved for `stall_ns` has stopped."""

    def __init__(self, board: Board, cameras: int, stall_ns: int) -> None:
        self._board = board
        # The cells of each camera, looked at for each part: STATE, PRESENT, PROGRESS_NS.
        self._cameras = [
            tuple(camera_cell(camera, cell) for cell in (CameraCell.STATE, CameraCell.PRESENT, CameraCell.PROGRESS_NS))
            for camera in range(cameras)
        ]
        self._stall_ns = stall_ns
        self.views = 0
        """Which views parts are counted by: `Expected.code`."""

    def line(self, now_ns: int) -> bool:
        """Camera, engine and recipe are good, bundle and product are proven, and the PLC's program moves."""
        board = self._board
        return (
            board[Cell.LINE_STATE] == Line.RUNNING
            and board[Cell.INSPECTION_STATE] == StageState.READY
            and board[Cell.GOLDEN_PASSED] == 1
            and board[Cell.PROVEN] != Proof.NOT_PROVEN
            # In the midst of a changeover one of the two may have the other product's views already.
            and board[Cell.VIEWS] == self.views
            and self._cameras_are_there()
            and self.all_move(now_ns)
            and not frozen(board, now_ns)
        )

    def all_move(self, now_ns: int) -> bool:
        """Whoever says that it works has moved lately; without that the heartbeat stops.

        A stage that is known to be down, or a camera that is being opened, does not stop it: READY=0
        says so already. The heartbeat is for what would not be noticed otherwise.
        """
        board = self._board
        since_ns = now_ns - self._stall_ns
        # It says that it works, and has not moved: no cell says so but its time.
        if board[Cell.INSPECTION_STATE] == StageState.READY and board[Cell.INSPECTION_NS] < since_ns:
            return False
        for state, present, progress_ns in self._cameras:
            if board[state] == StageState.READY and board[present] == 1 and board[progress_ns] < since_ns:
                return False
        return True

    def _cameras_are_there(self) -> bool:
        board = self._board
        return all(board[state] == StageState.READY and board[present] == 1 for state, present, _ in self._cameras)
