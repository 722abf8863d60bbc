"""A frame has the PLC's number of the trigger that made it, or none: in worlds where everything goes wrong.

A world knows the truth: a PLC that is triggered, counts, shows it late and is read now and then, and a camera
that takes its picture, gives it late, twice or not at all, and counts in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.acquire.numbers import AGREE, TriggerNumbers
from aoi_daemon.messages import Reading

MS = 1_000_000
TAKT = 50 * MS
TRIGGERS = 60
IDS = 2**32
START = 10**12


@dataclass(frozen=True)
class Faults:
    """How often each fault is, per trigger (the outage: per reading)."""

    missed: float = 0.0  # the camera took no picture; its counter stands still
    lost: float = 0.0  # the picture was taken and not delivered; its counter goes on
    doubled: float = 0.0  # the picture comes twice, its counter goes on
    repeated: float = 0.0  # the same buffer twice, its counter stands still
    counter: float = 0.0  # the camera's counter begins anew, or wraps
    reopened: float = 0.0  # the camera is opened again
    restarted: float = 0.0  # the PLC's count begins anew
    unsure: float = 0.0  # the frame waited for this process: its time is known from and to
    outage: float = 0.0  # so many readings do not come
    pause: float = 0.0  # the line stops for a while
    close: float = 0.0  # the next part is as close as parts may be


@dataclass(order=True)
class Event:
    """A reading that is answered, a frame that arrives, or a camera that is opened, at `at_ns`."""

    at_ns: int
    order: int
    reading: Reading | None = field(default=None, compare=False)
    frame: tuple[int, int, int] | None = field(default=None, compare=False)
    truth: int = field(default=0, compare=False)


class World:
    """`events` in the order in which this process hears of them."""

    def __init__(
        self, random: Random, faults: Faults, *, period_ns: int = 10 * MS, within_ns: int = 10 * MS,
        first_id: int = 0, frame_id: int = 0,
    ) -> None:  # fmt: skip
        self.random = random
        self.faults = faults
        self.within_ns = within_ns
        self.shown: list[tuple[int, int]] = [(0, first_id)]  # from when on the PLC shows this number
        self.events: list[Event] = []
        self._frame_id = frame_id
        self._heard_ns = 0
        at = START
        number = first_id
        for _ in range(TRIGGERS):
            at += self._gap()
            if self._is(faults.restarted):
                # Not ahead by a few, and the PLC is read in between: see TriggerNumbers, What remains.
                at += 2 * TAKT
                number = random.choice([0, 1, random.randrange(IDS), (number - random.randrange(1, 50)) % IDS])
                self.shown.append((at - TAKT, number))
            number = (number + 1) % IDS
            self._trigger(at, number)
        self._read(at + TAKT, period_ns)
        self.events.sort()

    def _is(self, often: float) -> bool:
        return self.random.random() < often

    def _gap(self) -> int:
        """Between two triggers; what the PLC shows is at least half a takt apart."""
        if self._is(self.faults.pause):
            return self.random.randrange(3 * TAKT, 40 * TAKT)
        if self._is(self.faults.close):
            return TAKT // 2 + self.within_ns
        return self.random.randrange(int(0.9 * TAKT), int(1.1 * TAKT))

    def _trigger(self, at: int, number: int) -> None:
        random, faults = self.random, self.faults
        self.shown.append((at + random.randrange(self.within_ns), number))
        if self._is(faults.reopened):
            self._frame_id = random.choice([0, 0, self._frame_id, random.randrange(1000)])
            self._put(at - 5 * MS)
        if self._is(faults.counter):
            self._frame_id = random.choice([0, 1, IDS - 1, 65_535])
        if self._is(faults.missed):
            return
        self._frame_id += 1
        if self._is(faults.lost):
            return
        taken = at + random.randrange(self.within_ns)
        self._deliver(taken, number)
        if self._is(faults.doubled):
            self._frame_id += 1
            self._deliver(taken + random.randrange(int(0.7 * TAKT)), number)
        elif self._is(faults.repeated):
            self._deliver(taken, number)

    def _deliver(self, taken: int, number: int) -> None:
        random = self.random
        earliest = latest = taken
        if self._is(self.faults.unsure):
            earliest, latest = taken - random.randrange(2 * TAKT), taken + random.randrange(2 * TAKT)
        arrives = latest + random.choice([0, random.randrange(5 * MS), random.randrange(30 * MS)])
        self._put(arrives, frame=(self._frame_id, earliest, latest), truth=number)

    def _put(self, at: int, **what) -> None:
        """A camera's frames come in order."""
        self._heard_ns = max(self._heard_ns, at)
        self.events.append(Event(self._heard_ns, len(self.events), **what))

    def _read(self, end: int, period_ns: int) -> None:
        random = self.random
        at, shown, triggered = START, sorted(self.shown), 0
        assert shown == self.shown
        while at < end:
            asked = at
            answered = asked + random.randrange(200_000, 4 * MS)
            sampled = random.randrange(asked, answered + 1)
            while triggered + 1 < len(shown) and shown[triggered + 1][0] <= sampled:
                triggered += 1
            reading = Reading(asked, answered, shown[triggered][1], triggered=False)
            self.events.append(Event(answered, len(self.events), reading=reading))
            at = max(answered, asked + period_ns)
            if self._is(self.faults.outage):
                at += random.randrange(6 * TAKT)

    def play(self) -> list[tuple[int, int]]:
        """(the truth, what was said) of each frame."""
        numbers = TriggerNumbers(TAKT, self.within_ns)
        found = []
        for event in self.events:
            if event.reading is not None:
                numbers.reading(event.reading)
            elif event.frame is not None:
                found.append((event.truth, numbers.number(*event.frame)))
            else:
                numbers = TriggerNumbers(TAKT, self.within_ns)
        return found


ALL = {
    "missed": 0.1, "lost": 0.1, "doubled": 0.1, "repeated": 0.1, "counter": 0.03, "reopened": 0.03, "restarted": 0.05,
    "unsure": 0.1, "outage": 0.05, "pause": 0.05, "close": 0.1,
}  # fmt: skip
often = st.fixed_dictionaries({name: st.sampled_from([0.0, 0.0, share, 3 * share]) for name, share in ALL.items()})
ids = st.sampled_from([0, 1, 65_530, IDS - 30, IDS - 5])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**64), often, ids, ids, st.sampled_from([5, 10, 20, 60]))
def test_a_number_is_right_or_there_is_none(seed, faults, first_id, frame_id, period_ms):
    world = World(Random(seed), Faults(**faults), first_id=first_id, frame_id=frame_id, period_ns=period_ms * MS)
    wrong = [(truth, said) for truth, said in world.play() if said not in (0, truth)]
    assert wrong == []


@pytest.mark.parametrize("fault", [None, *ALL])
def test_each_fault_alone_gives_many_numbers_and_no_wrong_one(fault):
    """So that a change which makes the property above hold by saying 0 always is found out."""
    given_, frames = 0, 0
    for seed in range(60):
        world = World(Random(seed), Faults() if fault is None else Faults(**{fault: ALL[fault]}))
        for truth, said in world.play():
            assert said in (0, truth), (fault, seed)
            frames += 1
            given_ += said != 0
    share = given_ / frames
    assert share > (0.85 if fault is None else 0.2), f"{share:.2f}"


def test_in_a_world_without_faults_only_the_first_frames_have_no_number():
    """Read every 5 ms: there is no frame of which the time leaves a choice."""
    for seed in range(40):
        found = World(Random(seed), Faults(), period_ns=5 * MS, within_ns=5 * MS).play()
        assert [said for _, said in found[: AGREE]] == [0] * AGREE
        assert all(truth == said for truth, said in found[AGREE + 1 :]), seed


def test_numbers_come_back_after_a_missed_trigger():
    """AGREE frames after the one that found it out."""
    for seed in range(40):
        world = World(Random(seed), Faults(missed=0.05), period_ns=5 * MS, within_ns=5 * MS)
        found = world.play()
        unknown = [index for index, (_, said) in enumerate(found) if not said]
        missed = [index for index, (before, after) in enumerate(pairwise([0, *(truth for truth, _ in found)])) if after - before > 1]
        allowed = {index + n for index in [0, *missed] for n in range(AGREE + 1)}
        assert set(unknown) <= allowed, seed
