"""plc/doorbells.py: no judgement comes to nothing because of the order in which plc reads."""

import os
import select
from contextlib import ExitStack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aoi_daemon.messages import Announcement, Judgement, Reason
from aoi_daemon.plc import doorbells
from aoi_daemon.plc.parts import Parts
from aoi_daemon.ring.doorbell import make_pipe
from tests.unit.plc.pictures import of_each

PARTS = 6
LATER = 10**12


class World:
    """acquire and inspection, who write whenever plc asks the system for something: `steps` records each time."""

    def __init__(self, steps: list[int], owned: ExitStack) -> None:
        self.announcements, self.to_announce = make_pipe()
        self.judgements, self.to_judge = make_pipe()
        for fd in (self.announcements, self.to_announce, self.judgements, self.to_judge):
            owned.callback(os.close, fd)
        self.todo = [write for number in range(1, PARTS + 1) for write in self._of(number)]
        self.steps = iter(steps)

    def _of(self, number: int) -> list[tuple[int, bytes]]:
        announced = Announcement(0, 0, 0, number, number, number, number, LATER)
        judged = Judgement(True, Reason.NONE, 0, -1, 0, 1, number, 0, 0, 0, 1, 2, 3, b"")
        return [(self.to_announce, announced.pack()), (self.to_judge, judged.pack())]

    def go_on(self) -> None:
        for _ in range(next(self.steps, 1)):
            if self.todo:
                os.write(*self.todo.pop(0))

    def select(self) -> list[int]:
        """As the kernel does it: one descriptor after the other, and the others go on meanwhile."""
        ready = []
        for fd in (self.announcements, self.judgements):
            self.go_on()
            ready += select.select([fd], [], [], 0)[0]
        return ready

    def read(self, fd: int, size: int) -> bytes:
        self.go_on()
        return os.read(fd, size)


@given(st.lists(st.integers(0, 4), max_size=40))
@example([0, 2])  # announced and judged after the announcements were looked at, before the judgements were
@example([1, 1, 0, 2])  # ... after they were read
def test_every_judgement_meets_its_part(steps):
    with ExitStack() as owned:
        world = World(steps, owned)
        parts = Parts(of_each(1), 0, 0, 0)
        passed = 0
        for _ in range(200):
            announced, judged = doorbells.read_doorbells(
                world.select(), world.announcements, world.judgements, parts.knows, world.read
            )
            for announcement in announced:
                parts.announce(announcement, ready=True)
            for judgement in judged:
                parts.judge(judgement)
            while (part := parts.take(0)) is not None:
                assert part.reason is Reason.NONE
                passed += 1
            if passed == PARTS:
                return
        pytest.fail(f"{PARTS - passed} of {PARTS} judgements came to nothing")
