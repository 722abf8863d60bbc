"""A camera's stamps are used where its clock is what its nodes say, and never tell a frame later than it arrived.

Cameras by seed: rate, epoch, drift, delays of arrival, steps, counters of 32 bits; nodes that tell the truth, in either
meaning of an increment, and nodes that lie.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.acquire.clock import STEP_NS, CameraClock, ClockEvent
from aoi_daemon.acquire.stamps import WINDOW_NS
from aoi_daemon.acquire.ticks import FRAMES, rates

MS = 1_000_000
seeds = st.integers(0, 2**32 - 1)

RATES_HZ = (1e9, 125e6, 100e6, 66_666_667.0, 399_996_034.0, 1e6, 10e6, 1_024_000.0)


class Camera:
    """The oracle. Its clock begins anywhere; its frames arrive a fixed time and a random delay after they were taken."""

    def __init__(self, random: Random, hz: float, *, bits: int = 64, drift_ppm: float = 0.0) -> None:
        self.random, self.hz, self.bits = random, hz * (1 + drift_ppm / 1e6), bits
        self.drift_ppm = drift_ppm
        self.epoch_s = random.choice((1.0, 30.0, 1e4, 1.7e9))
        self.period_ns = random.choice((5, 20, 50, 200)) * MS
        self.fixed_ns = random.randrange(20) * MS
        self.jitter_ns = random.uniform(0.0, 0.008) * self.period_ns * (FRAMES - 1)
        self.taken_ns = 10**15

    def frame(self) -> tuple[int, int, int]:
        """The next one: taken and arrived by the host's clock, and its stamp."""
        self.taken_ns += self.period_ns
        arrived_ns = self.taken_ns + self.fixed_ns + int(self.random.uniform(0, self.jitter_ns))
        elapsed_s = (self.taken_ns - 10**15) / 1e9
        ticks = int(self.epoch_s * self.hz) + round(elapsed_s * self.hz)
        return self.taken_ns, arrived_ns, max(1, ticks % (1 << self.bits))


def nodes(random: Random, hz: float) -> dict[str, float]:
    """What a camera of that rate says of it, the one way or the other, among what says nothing."""
    told = random.choice((
        {"GevTimestampTickFrequency": hz}, {"TimestampTickFrequency": hz}, {"DeviceTimestampFrequency": hz},
        {"TimestampIncrement": 1e9 / hz}, {"DeviceTimestampIncrement": 1e9 / hz}, {"DeviceTimestampIncrement": hz},
        {"TimestampIncrement": hz}, {"TimestampLatchValue": 1e9 / hz}, {"GevTimestampValue": 1e9 / hz},
    ))  # fmt: skip
    other = random.choice(({}, {"GevTimestampTickFrequency": 0}, {"TimestampIncrement": 1}, {"GevTimestampValue": 1}))
    return {**other, **told}


@settings(deadline=None, max_examples=150)
@given(seeds)
def test_an_honest_cameras_stamps_are_used_after_twenty_frames(seed):
    """And tell a frame between its exposure and its arrival, as the shortest delay of late has it."""
    random = Random(seed)
    hz = random.choice(RATES_HZ)
    camera = Camera(random, hz, bits=random.choice((32, 64)), drift_ppm=random.uniform(-200, 200))
    events = []
    clock = CameraClock(rates(nodes(random, hz)), lambda event, why: events.append(event))
    # An offset is remembered over two windows, and the clocks drift meanwhile.
    drift_ns = 2 * (WINDOW_NS + camera.period_ns) * 200e-6 + 2e9 / hz
    for number in range(400):
        taken_ns, arrived_ns, stamp = camera.frame()
        told_ns = clock.told_ns(stamp, arrived_ns, fresh=True)
        if number < FRAMES:
            assert told_ns == 0
        else:
            assert taken_ns + camera.fixed_ns - drift_ns <= told_ns <= arrived_ns
    assert events == [ClockEvent.AGREED]


@settings(deadline=None, max_examples=100)
@given(seeds, st.floats(0.02, 0.3), st.booleans())
def test_a_lying_cameras_stamps_are_never_used(seed, off, fast):
    """It is off by more than can be jitter from all that its nodes say; and it is said once."""
    random = Random(seed)
    hz = random.choice(RATES_HZ)
    possible = rates(nodes(random, hz))
    true_hz = hz * (1 + off if fast else 1 - off)
    if any(abs(true_hz - rate.hz) < 0.015 * rate.hz for rate in possible):
        return
    camera = Camera(random, true_hz)
    events = []
    clock = CameraClock(possible, lambda event, why: events.append((event, why)))
    for _ in range(int(12e9 / camera.period_ns) + 50):
        _, arrived_ns, stamp = camera.frame()
        assert clock.told_ns(stamp, arrived_ns, fresh=True) == 0
    assert [event for event, _ in events] == [ClockEvent.REFUSED]
    measured = float(events[0][1].split(" at ")[1].split(" Hz")[0])
    assert abs(measured - true_hz) < 0.01 * true_hz


@settings(deadline=None, max_examples=150)
@given(seeds)
def test_a_step_is_noticed_and_the_stamps_are_used_again_once_frames_agree(seed):
    """PTP, a reset, either way, from a fraction of a second to decades; no frame is told after its arrival."""
    random = Random(seed)
    hz = random.choice(RATES_HZ)
    camera = Camera(random, hz)
    camera.epoch_s = 1e9
    # What is no more than a step's bound, delays included, is no step.
    least_s = (STEP_NS + 2 * camera.jitter_ns + 2 * MS) / 1e9
    camera.jitter_ns = min(camera.jitter_ns, STEP_NS / 4)
    by_s = random.choice((-1, 1)) * random.choice((least_s, 0.3, 2.0, 9.0, 11.0, 3600.0, 9e8))
    if abs(by_s) < least_s:
        return
    events = []
    clock = CameraClock(rates({"GevTimestampTickFrequency": hz}), lambda event, why: events.append(event))
    for number in range(220):
        if number == 100:
            camera.epoch_s += by_s
        taken_ns, arrived_ns, stamp = camera.frame()
        told_ns = clock.told_ns(stamp, arrived_ns, fresh=True)
        assert told_ns <= arrived_ns
        if FRAMES <= number < 100 or number > 100 + FRAMES:
            assert taken_ns + camera.fixed_ns - 2 * MS <= told_ns, number
    assert events.count(ClockEvent.STEPPED) == 1
    assert ClockEvent.REFUSED not in events


@settings(deadline=None, max_examples=150)
@given(seeds)
def test_whatever_the_stamps_no_frame_is_told_after_its_arrival(seed):
    """Noise: stamps that stand still, jump, go back, are 0, wrap; frames that waited; frames that were held up."""
    random = Random(seed)
    hz = random.choice(RATES_HZ)
    camera = Camera(random, hz, bits=random.choice((32, 64)))
    clock = CameraClock(rates(nodes(random, hz)), lambda event, why: None)
    before = 1
    for _ in range(600):
        _, arrived_ns, stamp = camera.frame()
        chance = random.random()
        if chance < 0.03:
            stamp = random.choice((0, before, random.randrange(1, 2**40), 2**63))
        if chance > 0.99:
            camera.epoch_s = max(0.5, camera.epoch_s + random.uniform(-100, 100))
        arrived_ns += random.choice((0, 0, 0, 0, 30, 200)) * MS if chance > 0.9 else 0
        told_ns = clock.told_ns(stamp, arrived_ns, fresh=random.random() < 0.9)
        assert told_ns <= arrived_ns
        before = stamp


OFF = [sign * off for off in (20e-6, 200e-6, 1e-3, 5e-3, 8e-3, 9e-3) for sign in (-1, 1)]


@pytest.mark.parametrize("period_ms", [50, 500])
@pytest.mark.parametrize("jitter_ms", [0, 1, 3])
@pytest.mark.parametrize("off", [0.0, *OFF])
def test_a_rate_that_is_off_by_less_than_a_percent_is_followed(off, jitter_ms, period_ms):
    """Ten minutes: no good part is too old for it, and nobody says that the clock stepped."""
    random = Random(f"{off} {jitter_ms} {period_ms}")
    events, early_ns = [], []
    clock = CameraClock(rates({"GevTimestampTickFrequency": 125_000_000}), lambda event, why: events.append(event))
    for number in range(600_000 // period_ms):
        taken_ns = number * period_ms * MS
        arrived_ns = 10**15 + taken_ns + int(random.uniform(0, jitter_ms * MS))
        told_ns = clock.told_ns(10**9 + round(taken_ns * 0.125 * (1 + off)), arrived_ns, fresh=True)
        assert told_ns <= arrived_ns
        if told_ns:
            early_ns.append(arrived_ns - told_ns)
    assert max(early_ns) <= (jitter_ms + 5) * MS
    assert events == [ClockEvent.AGREED]
    assert len(early_ns) >= 600_000 // period_ms - 3 * FRAMES


@pytest.mark.parametrize("period_ms", [50, 500])
@pytest.mark.parametrize("jitter_ms", [0, 1, 3])
@pytest.mark.parametrize("off", [-0.015, 0.015])
def test_a_rate_that_is_off_by_more_than_a_percent_is_refused(off, jitter_ms, period_ms):
    random = Random(f"{off} {jitter_ms} {period_ms}")
    events = []
    clock = CameraClock(rates({"GevTimestampTickFrequency": 125_000_000}), lambda event, why: events.append(event))
    for number in range(600_000 // period_ms):
        taken_ns = number * period_ms * MS
        arrived_ns = 10**15 + taken_ns + int(random.uniform(0, jitter_ms * MS))
        assert clock.told_ns(10**9 + round(taken_ns * 0.125 * (1 + off)), arrived_ns, fresh=True) == 0
    assert events == [ClockEvent.REFUSED]
