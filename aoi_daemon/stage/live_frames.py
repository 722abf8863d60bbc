"""Frames of a running line, copied out of a camera's ring: for threads and commands off the critical path.

Process: recorder, and commands. Blocks: `next_frame` alone, for as long as it is told. Memory: reads the ring in place
and copies; the ring cannot be written through it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import AoiError, FrameOverrunError
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, camera_cell
from aoi_daemon.stage.control import request

_LOOK_S: Final = 0.005


class LiveFrame(NamedTuple):
    """A copy of a frame: its number in the ring, its field of view, and (H, W, C) uint8."""

    number: int
    fov: int
    image: NDArray[np.uint8]


class LiveFrames:
    """The newest frames of camera number `camera`, out of its `ring`."""

    def __init__(self, board: Board, ring: FrameRing, camera: int) -> None:
        self._board = board
        self._ring = ring
        self._cell = camera_cell(camera, CameraCell.FRAME)

    @property
    def newest(self) -> int:
        """Number of the last frame; 0: none has come yet."""
        return self._board[self._cell]

    def copy(self, *, after: int = 0, fov: int | None = None) -> LiveFrame | None:
        """The newest frame whose number is above `after`, of `fov` (None: of any); None: there is none, or it left."""
        newest = self.newest
        # The slot after the newest is the one that acquire writes now.
        oldest = max(1, after + 1, newest - self._ring.layout.slots + 2)
        try:
            for number in range(newest, oldest - 1, -1):
                found = self._ring.stamps(number)[2]
                self._ring.check(number)
                if fov is None or found == fov:
                    image = self._ring.frame(number)[0].copy()
                    self._ring.check(number)
                    return LiveFrame(number, found, image)
        except FrameOverrunError:
            pass
        return None

    def next_frame(self, wait_s: float, *, fov: int | None = None) -> LiveFrame | None:
        """The first frame of `fov` that comes from now on; None: none came within `wait_s`."""
        after, until = self.newest, time.monotonic() + wait_s
        while time.monotonic() < until:
            found = self.copy(after=after, fov=fov)
            if found is not None:
                return found
            time.sleep(_LOOK_S)
        return None


@contextmanager
def frames_of_line(control: Path, camera: str) -> Iterator[LiveFrames]:
    """The frames of the camera called `camera`, of the line that listens at `control`.

    Raises:
        NotRunningError: no line does.
        AoiError: it has no such camera, or no descriptor left.
    """
    answer, fds = request(control, {"do": "frames", "camera": camera})
    if not answer["ok"]:
        raise AoiError(str(answer["error"]))
    layout = RingLayout(**answer["layout"])
    with ExitStack() as owned:
        ring, board = (
            owned.enter_context(SharedMemory(fd, size_bytes, read_only=True))
            for fd, size_bytes in zip(fds, (layout.size_bytes, SIZE_BYTES), strict=True)
        )
        yield LiveFrames(Board(board), FrameRing(ring, layout), int(answer["number"]))
