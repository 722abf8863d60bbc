"""The lanes of one inspection: processes that judge views side by side, each with cameras of its own.

Lane 0 is the stage that the supervisor knows. It starts the others and speaks for all of them: they prove themselves,
take the line and leave it when it does, so that a changeover of all lanes lands complete or not at all. A part passes
when every view of it passes, so a line with one lane less passes nothing: the end of one lane is the end of the stage,
which the supervisor starts again.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aoi_daemon.errors import AoiError
from aoi_daemon.ring.ports import MONOTONIC, Clock
from aoi_daemon.stage.board import lane_cell
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.stage import Stage

_SLICE_MS: Final = 20
_STDERR: Final = 2
LANE_S: Final = 2.0
"""Longest wait for a lane to take the line or to leave it; it may be in the midst of a part."""


class LaneLostError(AoiError):
    """A lane has ended, or does not answer: the stage ends with it."""


def cameras_of(lane: int, lanes: int, cameras: int) -> list[int]:
    """The numbers of the cameras that `lane` of `lanes` judges, of `cameras`."""
    return list(range(lane, cameras, lanes))


def lanes_of(stage: Stage) -> int:
    """How many lanes judge: as line.toml names them, or as lane 0 has chosen; one until it has."""
    named = stage.config.inspection.lanes
    return stage.setup.lanes or 1 if named == "auto" else named


@dataclass(eq=False)
class Awaited:
    """A word that each lane is to say until `until_ns`, and what those have said that did."""

    word: str
    limit_s: float
    until_ns: int
    said: dict[int, dict[str, Any]] = field(default_factory=dict)


class Lanes:
    """The lanes beside lane 0; none where there is one lane.

    Args:
        stage: that of lane 0.
        process: makes the process of the lane of that number.
        clock: by which lanes are waited for.
    """

    def __init__(
        self, stage: Stage, *, process: Callable[[int], StageProcess] | None = None, clock: Clock = MONOTONIC
    ) -> None:
        self._stage = stage
        self._now_ns = clock.now_ns
        count = lanes_of(stage) if stage.setup.index == 0 else 1
        self._processes = [(process or _process)(lane) for lane in range(1, count)]
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
        """Wait until each lane has said `word`. Gives and raises as `answers` does."""
        awaited = self.awaits(word, limit_s)
        while (said := self.answers(awaited)) is None:
            poll = select.poll()
            for process in self._processes:
                assert process.control is not None
                if process.index not in awaited.said:
                    poll.register(process.control, select.POLLIN)
                    poll.register(process.pidfd, select.POLLIN)
            poll.poll(_SLICE_MS)
        return said

    def awaits(self, word: str, limit_s: float) -> Awaited:
        """Each lane is to say `tell` = `word` within `limit_s` from now on."""
        return Awaited(word, limit_s, self._now_ns() + int(limit_s * 1e9))

    def answers(self, awaited: Awaited) -> list[dict[str, Any]] | None:
        """What each lane has said, in their order, once all have; until then None. Waits for nothing.

        Raises:
            LaneLostError: one has ended, or has not said it in time.
        """
        for process in self._processes:
            for message in process.heard():
                if message["tell"] == awaited.word:
                    awaited.said[process.index] = message
                elif message["tell"] == "realtime_refused":
                    self._stage.tell(**message)
        for process in self._processes:
            _raise_if_ended(process)
        silent = [process.index for process in self._processes if process.index not in awaited.said]
        if silent and self._now_ns() > awaited.until_ns:
            raise LaneLostError(f"lane {silent[0]} has not said {awaited.word!r} within {awaited.limit_s:g} s")
        return None if silent else [awaited.said[process.index] for process in self._processes]


def _process(lane: int) -> StageProcess:
    return StageProcess("inspection", lane, _STDERR)


def _raise_if_ended(process: StageProcess) -> None:
    if process.has_ended:
        raise LaneLostError(f"lane {process.index} ended: {process.reap()}")
