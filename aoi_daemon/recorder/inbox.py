"""What waits for the disk: rows, pictures, events. Bounded, and the least important goes first.

Filled by the reader thread, emptied by the disk thread. Neither ever waits for the other.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from aoi_daemon.messages import Outcome
from aoi_daemon.recorder.flight import Frame
from aoi_daemon.records.parts import Gap, What, Why
from aoi_daemon.ring.events import Event

_RANK: Final[dict[Why, int]] = {"reject": 0, "fault": 0, "around": 1, "sample": 2}
"""Under pressure samples go first, then what was around a fault, rejects last."""


BEFORE_START: Final = "the recorder was not there yet"
KILLED: Final = "the recorder was killed before it was written"
LEFT_THE_RING: Final = "its frame had left the ring"


class Row(NamedTuple):
    """A part to be recorded; `at` Unix seconds. `lost`: why the picture that it should have is not there, or ""."""

    outcome: Outcome
    at: float
    lost: str = ""


class Moment(NamedTuple):
    """An event to be recorded."""

    event: Event
    at: float


@dataclass(frozen=True, eq=False)
class Job:
    """A picture to be written.

    `part` is the frame's own, 0 where it is not known; `around` the part with the fault that it lies beside, or 0;
    `recipe` the number of the recipe that the part was judged by.
    """

    frame: Frame
    why: Why
    at: float
    part: int
    recipe: int
    cause: str = ""
    around: int = 0


class Inbox:
    """The queues between the two threads.

    Args:
        rows: how many rows may wait.
        pictures: how many pictures of each camera may wait.
        cameras: how many there are.
    """

    def __init__(self, *, rows: int, pictures: int, cameras: int) -> None:
        self._lock = threading.Lock()
        self._most_rows = rows
        self._most_pictures = pictures
        self._rows: deque[Row] = deque()
        self._moments: deque[Moment] = deque()
        self._jobs: tuple[deque[Job], ...] = (deque(), deque(), deque())
        self._waiting = [0] * cameras
        self._gaps: dict[tuple[What, str], Gap] = {}
        self.pictures_lost = 0
        self.lost_ns = 0

    # -- the reader's side ---------------------------------------------------

    def room(self) -> int:
        """How many rows find room now. What finds none is left in the verdict ring, which is the larger queue."""
        return self._most_rows - len(self._rows)

    def put_row(self, row: Row) -> None:
        """A part to be recorded."""
        with self._lock:
            self._rows.append(row)

    def put_moment(self, moment: Moment) -> None:
        """An event to be recorded."""
        with self._lock:
            self._moments.append(moment)

    def put_picture(self, job: Job) -> Job | None:
        """A picture to be written; what gave way to it, or itself where nothing less important waits."""
        with self._lock:
            dropped = self._make_way(job)
            if dropped is not job:
                self._jobs[_RANK[job.why]].append(job)
                self._waiting[job.frame.camera] += 1
                job.frame.waiting = True
            return dropped

    def _make_way(self, job: Job) -> Job | None:
        camera = job.frame.camera
        if self._waiting[camera] < self._most_pictures:
            return None
        for queue in reversed(self._jobs[_RANK[job.why] + 1 :]):
            for other in queue:
                if other.frame.camera == camera:
                    queue.remove(other)
                    self._waiting[camera] -= 1
                    return other
        return job

    # -- both sides ----------------------------------------------------------

    def lose(self, what: What, part: int, *, at: float, why: str, last: int = 0) -> None:
        """Part `part` (to `last`) has no row or no picture, and never will. Recorded in time, and not one by one."""
        last = last or part
        count = last - part + 1
        with self._lock:
            gap = self._gaps.get((what, why), Gap(what, part, last, 0, at, why))
            first, last = min(part, gap.first_part), max(last, gap.last_part)
            self._gaps[what, why] = Gap(what, first, last, gap.parts + count, at, why)

    def lose_picture(self, job: Job, *, at: float, why: str) -> None:
        """`job` was dropped. Only a reject's or a fault's own picture is a gap; the rest is counted."""
        self._picture_is_lost()
        if job.why in ("reject", "fault"):
            self.lose("images", job.part, at=at, why=why)

    def lose_frame(self, row: Row) -> None:
        """The picture of `row` was never there."""
        self.lose("images", row.outcome.part, at=row.at, why=row.lost)
        if row.lost != BEFORE_START:  # no fault of the disk or of this process
            self._picture_is_lost()

    def _picture_is_lost(self) -> None:
        self.pictures_lost += 1
        self.lost_ns = time.monotonic_ns()

    # -- the disk's side -----------------------------------------------------

    def rows(self, at_most: int) -> list[Row]:
        """The oldest rows; they stay until `recorded` says that they are on the disk."""
        with self._lock:
            return list(islice(self._rows, at_most))

    def moments(self, at_most: int) -> list[Moment]:
        """The oldest events, likewise."""
        with self._lock:
            return list(islice(self._moments, at_most))

    def gaps(self) -> list[Gap]:
        """What has been lost since the last time that it was recorded."""
        with self._lock:
            return list(self._gaps.values())

    def recorded(self, rows: int, moments: int, gaps: list[Gap]) -> None:
        """So many of each are on the disk."""
        with self._lock:
            for _ in range(rows):
                self._rows.popleft()
            for _ in range(moments):
                self._moments.popleft()
            for gap in gaps:
                # One that has grown meanwhile is recorded once more, with what came to it.
                now = self._gaps.pop((gap.what, gap.why))
                if now != gap:
                    rest = now.parts - gap.parts
                    self._gaps[gap.what, gap.why] = Gap(
                        gap.what, min(gap.last_part + 1, now.last_part), now.last_part, rest, now.at, gap.why
                    )

    def take_picture(self, up_to_part: int) -> Job | None:
        """The most important picture whose part is at most `up_to_part`; None where there is none."""
        with self._lock:
            for queue in self._jobs:
                if queue and max(queue[0].part, queue[0].around) <= up_to_part:
                    job = queue.popleft()
                    self._waiting[job.frame.camera] -= 1
                    return job
        return None

    @property
    def rows_waiting(self) -> int:
        """How many rows wait."""
        return len(self._rows)

    @property
    def pictures_waiting(self) -> int:
        """How many pictures wait."""
        return sum(len(queue) for queue in self._jobs)

    @property
    def moments_waiting(self) -> int:
        """How many events wait."""
        return len(self._moments)
