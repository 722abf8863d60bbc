"""The lanes of one inspection: processes that judge views side by side, each with cameras of its own.

Lane 0 is the stage that the supervisor knows. It starts the others and speaks for all of them: they prove themselves,
take the line and leave it when it does, so that a changeover of all lanes lands complete or not at all. A part passes
when every view of it passes, so a line with one lane less passes nothing: the end of one lane is the end of the stage,
which the supervisor starts again.
"""

from __future__ import annotations

import select
import time
from dataclasses import replace
from typing import Any, Final

from aoi_daemon.errors import AoiError
from aoi_daemon.stage.board import lane_cell
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.stage import Stage

_SLICE_MS: Final = 20
_STDERR: Final = 2


class LaneLostError(AoiError):
    """A lane has ended, or does not answer: the stage ends with it."""


def cameras_of(lane: int, lanes: int, cameras: int) -> list[int]:
    """The numbers of the cameras that `lane` of `lanes` judges, of `cameras`."""
    return list(range(lane, cameras, lanes))


class Lanes:
    """The lanes beside lane 0; none where there is one lane."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        count = stage.config.inspection.lanes if stage.setup.index == 0 else 1
        self._processes = [StageProcess("inspection", lane, _STDERR) for lane in range(1, count)]
        self._cells = [lane_cell(lane) for lane in range(1, count)]

    @property
    def fds(self) -> list[int]:
        """Readable when a lane has ended."""
        return [process.pidfd for process in self._processes]

    def start(self) -> None:
        """Start them: they open their engines while this process opens its own. Raises OSError, MessageError."""
        for process in self._processes:
            process.start(replace(self._stage.setup, index=process.index))

    def slowest_ns(self, now_ns: int) -> int:
        """When the lane that has not moved for longest moved last; this one moves at `now_ns`."""
        for cell in self._cells:
            now_ns = min(now_ns, self._stage.board[cell])
        return now_ns

    def check(self) -> None:
        """Raises LaneLostError where one has ended."""
        for process in self._processes:
            process.heard()  # so that its word of how it goes finds room
            _raise_if_ended(process)

    def close(self) -> None:
        """End them; one that does not is killed with this process."""
        for process in self._processes:
            process.tell(do="stop")

    def tell(self, **command: Any) -> None:
        """Tell each lane. Raises LaneLostError where one cannot hear it."""
        for process in self._processes:
            if not process.hand(**command):
                raise LaneLostError(f"lane {process.index} does not take {command['do']!r}")

    def hear(self, word: str, limit_s: float) -> list[dict[str, Any]]:
        """What each lane says with `tell` = `word`, in their order.

        Raises:
            LaneLostError: one has ended, or has not said it within `limit_s`.
        """
        said: dict[int, dict[str, Any]] = {}
        until_s = time.monotonic() + limit_s
        while len(said) < len(self._processes):
            poll = select.poll()
            for process in self._processes:
                assert process.control is not None
                if process.index not in said:
                    poll.register(process.control, select.POLLIN)
                    poll.register(process.pidfd, select.POLLIN)
            poll.poll(_SLICE_MS)
            for process in self._processes:
                for message in process.heard():
                    if message["tell"] == word:
                        said[process.index] = message
                    elif message["tell"] == "realtime_refused":
                        self._stage.tell(**message)
            for process in self._processes:
                _raise_if_ended(process)
            if time.monotonic() > until_s:
                silent = [process.index for process in self._processes if process.index not in said]
                raise LaneLostError(f"lane {silent[0]} has not said {word!r} within {limit_s:g} s")
        return [said[process.index] for process in self._processes]


def _raise_if_ended(process: StageProcess) -> None:
    if process.pidfd >= 0 and select.select([process.pidfd], [], [], 0)[0]:
        raise LaneLostError(f"lane {process.index} ended: {process.reap()}")
