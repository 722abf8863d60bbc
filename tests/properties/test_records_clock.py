"""The records' clock over random histories: a PC that is switched off and put to sleep, a wall clock that is set at will.

Nothing here is the product's but `RecordsClock`; rows are removed as `recorder/retention.py` removes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.kernel_time import Reading
from aoi_daemon.recorder.clock.kept import Kept, after_restore
from aoi_daemon.recorder.clock.wall import DAY_S, MOST_OFF_S, RecordsClock

HOUR = 3600.0
LONGEST_S = 6 * HOUR
"""Between two looks: what was due by the first is not gone before the second."""
DAYS = 6
BEGIN = 1_790_000_000.0
seeds = st.integers(0, 2**32 - 1)


@dataclass
class Row:
    id: int
    at: float
    came_s: float
    """By the true time."""
    boots: int


@dataclass
class Pace:
    """What has gone since a doubt ended, by its dates, and when that was."""

    since_ran_s: float
    gone: list[float] = field(default_factory=list)

    def holds(self, ran_s: float) -> bool:
        """A second of records for each second; a time without any counts as an hour, however long it was."""
        gaps_s = (min(HOUR, later - earlier) for earlier, later in pairwise(sorted(self.gone)))
        return sum(gaps_s) <= ran_s - self.since_ran_s + LONGEST_S + HOUR


@dataclass
class World:
    """One PC. `true_s` is the true time; `off_by_s` what the wall clock says more."""

    true_s: float = BEGIN
    off_by_s: float = 0.0
    synchronised: bool | None = None
    boot: int = 1
    booted_s: float = BEGIN - 60.0
    slept_s: float = 0.0
    ran_s: float = 0.0
    rows: list[Row] = field(default_factory=list)
    removed: list[Row] = field(default_factory=list)
    ids: int = 0
    kept: Kept | None = None
    doubts: int = 0
    ended: int = 0
    swept_ran_s: float = 0.0
    ended_ran_s: float = 0.0
    pace: Pace | None = None

    def __post_init__(self) -> None:
        self.start()

    def reading(self) -> Reading:
        up_s = self.true_s - self.booted_s
        return Reading(self.true_s + self.off_by_s, up_s, up_s - self.slept_s, f"boot {self.boot}", self.synchronised)

    def last(self) -> dict[str, int]:
        return {"parts": self.ids}

    def start(self) -> None:
        """The recorder starts."""
        self.clock = RecordsClock(self.reading(), self.kept)
        self.clock.opened("a", self.last(), self.rows[-1].at if self.rows else None)
        self.count_doubts(False)

    def count_doubts(self, doubted: bool) -> None:
        self.doubts += self.clock.doubt is not None and not doubted

    def run(self, step_s: float, steps: int, parts: bool = True) -> None:
        """So many looks, a part at each."""
        for _ in range(steps):
            self.true_s += step_s
            self.ran_s += step_s
            if parts:
                self.ids += 1
                now = self.reading()
                at = self.clock.dated(self.clock.time_at(now.wall_s, now.boot_s), now.wall_s, now.boot_s)
                self.rows.append(Row(self.ids, at, self.true_s, self.boot))
            doubted = self.clock.doubt is not None
            if self.clock.look(self.reading()):
                self.end()
            self.count_doubts(doubted)
            self.sweep()

    def end(self) -> None:
        self.clock.end(self.last)
        self.ended += 1
        self.ended_ran_s, self.pace = self.ran_s, None

    def confirm(self) -> None:
        if self.clock.doubt is not None:
            self.end()

    def sweep(self) -> None:
        """As retention does it, every five minutes."""
        if self.clock.doubt is not None or self.ran_s - self.swept_ran_s < 300:
            return
        self.swept_ran_s = self.ran_s
        ends = [(span.up_to.get("parts", 2**62), span.shift_s) for span in self.clock.spans()]
        now_s, kept_s, oldest_s = self.clock.deleting_s, DAYS * DAY_S, -math.inf
        gone, left, dates = [], [], []
        for row in self.rows:
            age_s = now_s - row.at - next(shift_s for up_to, shift_s in ends if row.id <= up_to)
            if age_s > kept_s:
                gone.append(row)
                dates.append(now_s - age_s)
            else:
                left.append(row)
                oldest_s = max(oldest_s, age_s)
        self.rows = left
        self.removed += gone
        if self.clock._paced:
            self.pace = self.pace or Pace(self.ended_ran_s)
            self.pace.gone += dates
        else:
            self.pace = None
        self.clock.nothing_due_before(now_s + kept_s - oldest_s)
        self.clock.forget({"parts": left[0].id if left else 0})

    # -- what happens to a PC --------------------------------------------------

    def restart(self, *, kept: bool = True) -> None:
        """The recorder alone."""
        self.kept = Kept.model_validate_json(self.clock.kept().model_dump_json()) if kept else None
        self.start()

    def reboot(self, off_s: float, lie_s: float = 0.0, *, kept: bool = True) -> None:
        """Off for so long; the wall clock then says so much more."""
        self.kept = Kept.model_validate_json(self.clock.kept().model_dump_json()) if kept else None
        self.true_s += off_s + 30.0
        self.boot, self.booted_s, self.slept_s = self.boot + 1, self.true_s - 30.0, 0.0
        self.off_by_s += lie_s
        self.synchronised = None if self.synchronised is None else False
        self.start()

    def sleep(self, for_s: float) -> None:
        self.true_s += for_s
        self.slept_s += for_s


@settings(max_examples=5)
@given(seeds)
def test_a_right_clock_is_never_doubted_and_what_is_old_goes(seed):
    """A year: nights and works holidays off, sleep, crystals that drift; a kernel that keeps the clock, or none."""
    rng = Random(seed)
    keeps = rng.random() < 0.5
    world = World(synchronised=True if keeps else rng.choice([False, None]))
    holiday_s = BEGIN
    while world.true_s < BEGIN + 365 * DAY_S:
        if keeps:
            world.synchronised = True
            world.run(59.0, 64, parts=False)
        world.run(rng.choice([2, 6]) * HOUR, rng.randrange(1, 20))
        if not keeps:
            world.off_by_s += rng.uniform(-1, 1) * 100e-6 * 2 * DAY_S
            world.off_by_s *= rng.random() < 0.9  # somebody sets it
        what = rng.random()
        if what < 0.5:
            world.reboot(rng.uniform(60, 16 * HOUR))
        elif what < 0.6 and world.true_s - holiday_s > 60 * DAY_S:
            world.reboot(rng.uniform(DAY_S, MOST_OFF_S - DAY_S))
            holiday_s = world.true_s
        elif what < 0.7:
            world.sleep(rng.uniform(60, 3 * DAY_S))
        elif what < 0.8:
            world.restart()
        assert world.doubts == 0, world.clock.doubt
    if keeps:
        world.synchronised = True
        world.run(59.0, 75)
    late_s = max(world.true_s - row.came_s for row in world.rows) - DAYS * DAY_S
    assert late_s < (6 * HOUR if keeps else 36 * DAY_S)
    assert len(world.removed) > 100


def shake(world: World, rng: Random, *, lies: bool, lost: bool) -> None:
    """One thing happens, then it runs for a while."""
    what = rng.random()
    far_s = rng.choice([-1, 1]) * 10 ** rng.uniform(0, 8.8)
    if what < 0.2:
        world.off_by_s += far_s
    elif what < 0.3:
        world.off_by_s = 0.0
    elif what < 0.4:
        for _ in range(rng.randrange(50)):
            world.off_by_s += math.copysign(HOUR, far_s)
            world.run(60.0, 1)
    elif what < 0.55:
        world.reboot(rng.uniform(0, 3 * DAY_S), far_s if lies else 0.0, kept=not lost or rng.random() < 0.7)
    elif what < 0.65:
        world.restart(kept=not lost or rng.random() < 0.7)
    elif what < 0.7:
        world.sleep(rng.uniform(0, 3 * DAY_S))
    elif what < 0.85:
        world.confirm()
    elif what < 0.95:
        world.synchronised = rng.choice([True, False, None])
        world.run(50.0, rng.randrange(100), parts=False)
    world.run(rng.choice([60.0, HOUR, 6 * HOUR]), rng.randrange(30))


@settings(max_examples=8)
@given(seeds)
def test_nothing_younger_than_is_kept_goes_for_its_age_whatever_the_clock_says(seed):
    """Set at will while the PC runs, and confirmed right or wrong: a row has been there for the days, asleep and off too.

    Within two days: steps of a day in all, to either side, are followed.
    """
    rng = Random(seed)
    world = World()
    for _ in range(70):
        shake(world, rng, lies=False, lost=False)
        for row in world.removed:
            if row.boots == world.boot:
                assert world.true_s - row.came_s > (DAYS - 2) * DAY_S - 0.001 * (world.true_s - row.came_s)
        world.removed.clear()


@settings(max_examples=8)
@given(seeds)
def test_after_a_doubt_a_day_of_records_goes_for_each_day_of_running(seed):
    """Whatever the clock says while the PC runs and when it boots, and where what was kept is lost now and then."""
    rng = Random(seed)
    world = World()
    for _ in range(70):
        shake(world, rng, lies=True, lost=False)
        assert world.pace is None or world.pace.holds(world.ran_s)


@settings(max_examples=6)
@given(seeds)
def test_a_doubt_ends_in_two_ways_only(seed):
    """By a person, or by an hour of a kernel that is sure; over restarts, boots and a clock that comes back."""
    rng = Random(seed)
    world = World()
    for _ in range(60):
        before = world.clock.doubt, world.ended
        shake(world, rng, lies=True, lost=False)
        if before[0] is not None and world.ended == before[1]:
            assert world.clock.doubt == before[0]


def set_wrong(world: World, rng: Random) -> None:
    """Set days away, and confirmed."""
    world.off_by_s += rng.choice([-1, 1]) * rng.uniform(2, 300) * DAY_S
    world.run(60.0, 3)
    world.confirm()


def shifts(world: World) -> dict[int, float]:
    ends = [(span.up_to.get("parts", 2**62), span.shift_s) for span in world.clock.spans()]
    return {row.id: next(shift_s for up_to, shift_s in ends if row.id <= up_to) for row in world.rows}


@settings(max_examples=12)
@given(seeds)
def test_a_restored_backup_takes_the_time_of_its_pc_and_loses_nothing_for_it(seed):
    """From a PC whose clock was set at will to one that is new, or has a clock that it knows; after any time."""
    rng = Random(seed)
    old = World()
    for _ in range(12):
        shake(old, rng, lies=True, lost=False)
    set_wrong(old, rng)
    old.run(60.0, 3)
    if rng.random() < 0.5:
        shake(old, rng, lies=True, lost=False)
    kept = Kept.model_validate_json(old.clock.kept().model_dump_json())
    at_s = old.true_s + 10 ** rng.uniform(0, 8.5)
    here = None
    if rng.random() < 0.5:
        here = World(true_s=at_s - DAY_S, boot=1000, booted_s=at_s - DAY_S)
        shake(here, rng, lies=False, lost=False)
        here.run(60.0, 1)  # it has looked at its clock as it is now
        at_s = here.true_s
    of_here = here.clock.kept() if here else None
    new = World(
        true_s=at_s, boot=here.boot if here else 1000, booted_s=here.booted_s if here else at_s - 60,
        slept_s=here.slept_s if here else 0.0, off_by_s=here.off_by_s if here else 0.0, rows=[*old.rows], ids=old.ids,
        kept=after_restore(kept, of_here),
    )  # fmt: skip
    if of_here:
        assert (new.clock.doubt, new.clock.now_s) == (of_here.doubt, of_here.now_s)
    else:
        assert new.clock.now_s == at_s
        assert (new.clock.doubt is not None) == (bool(old.rows) and old.rows[-1].at > at_s + DAY_S)
    for (row, was_s), is_s in zip(shifts(old).items(), shifts(new).values(), strict=True):
        assert is_s >= was_s if old.clock.doubt else is_s == was_s, row
    for steps in (10, 20, 40):
        before = shifts(new)
        new.run(60.0, steps)
        assert new.ran_s >= HOUR or not [row for row in new.removed if row in old.rows]
        shake(new, rng, lies=True, lost=False)
        set_wrong(new, rng)
        after = shifts(new)
        # Its own rows move with its own clock; those that it was given do not.
        assert all(after[row.id] == before[row.id] for row in old.rows if row.id in after)
        assert new.pace is None or new.pace.holds(new.ran_s)
