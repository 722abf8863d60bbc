"""What a camera's nodes say of its clock, and what its clock does then: tables. The rules are in test_camera_clock."""

import pytest

from aoi_daemon.acquire.clock import CameraClock, ClockEvent
from aoi_daemon.acquire.ticks import FRAMES, NANOSECONDS, PATIENCE_NS, Survey, Trial, rates

MS = 1_000_000
S = 1_000_000_000


@pytest.mark.parametrize(
    ("told", "hz"),
    [
        ({}, []),
        ({"GevTimestampTickFrequency": 125_000_000}, [125e6]),
        ({"TimestampTickFrequency": 66_666_667}, [66_666_667]),
        ({"DeviceTimestampFrequency": 1_000_000}, [1e6]),
        ({"producer": 100_000_000}, [100e6]),
        # ns for a tick, or ticks in a second: 10 Hz is no clock.
        ({"TimestampIncrement": 8}, [125e6]),
        ({"DeviceTimestampIncrement": 10}, [100e6]),
        ({"DeviceTimestampIncrement": 100_000_000}, [100e6]),
        # 1 us, or 1 kHz: the frames decide.
        ({"DeviceTimestampIncrement": 1000}, [1e6, 1e3]),
        ({"TimestampLatchValue": 1000}, [1e6]),
        ({"GevTimestampValue": 8, "GevTimestampTickFrequency": 125_000_000}, [125e6]),
        ({"GevTimestampTickFrequency": 125_000_000, "DeviceTimestampIncrement": 10}, [125e6, 100e6]),
        ({"TimestampIncrement": 1}, []),
        ({"GevTimestampTickFrequency": 1_000_000_000}, []),
        # Nothing that a clock can have.
        *(({node: value}, []) for node in ("GevTimestampTickFrequency", "TimestampIncrement", "TimestampLatchValue")
          for value in (0, -1, None, "fast", True, float("nan"), float("inf"), 1e-300, 10**400)),
        ({"GevTimestampTickFrequency": 999}, []),
        ({"GevTimestampTickFrequency": 2e10}, []),
    ],
)  # fmt: skip
def test_a_clock_has_a_rate_that_a_node_says_or_counts_nanoseconds(told, hz):
    assert [rate.hz for rate in rates(told)] == pytest.approx([*hz, 1e9])


def frames(clock, stamps, *, fresh=True, begin_ns=10**15):
    """What is told of a frame each 50 ms with these stamps, which are functions of its number."""
    return [clock.told_ns(stamps(number), begin_ns + number * 50 * MS, fresh=fresh) for number in range(200)]


def heard(told=()):
    events = []
    return events, CameraClock(rates(dict(told)), lambda event, why: events.append((event, why)))


@pytest.mark.parametrize(
    ("stamps", "said"),
    [
        (lambda _: 0, []),  # none
        (lambda _: 5, [ClockEvent.REFUSED]),  # stands still
        (lambda number: 10**12 - number * 50 * MS, []),  # goes back
        (lambda number: 10**12 + number * 51 * MS, [ClockEvent.REFUSED]),  # 2 % off
        (lambda number: 10**12 + number * 5 * MS, [ClockEvent.REFUSED]),  # ticks of 10 ns, and nobody says so
        (lambda number: 10**12 + (number % 7) * 50 * MS, []),  # goes in a circle
        (lambda number: number + 1, [ClockEvent.REFUSED]),  # counts frames
    ],
)
def test_a_clock_that_is_none_is_never_used(stamps, said):
    events, clock = heard()
    assert set(frames(clock, stamps)) == {0}
    assert [event for event, _ in events] == said


def test_a_refusal_says_what_was_measured_and_what_the_camera_says():
    events, clock = heard({"GevTimestampTickFrequency": 125_000_000})
    frames(clock, lambda number: 10**12 + number * 5 * MS)
    assert events[0][1].startswith(
        "its clock ticks at 1e+08 Hz, that is none of: 1.25e+08 Hz (GevTimestampTickFrequency), 1e+09 Hz (nanoseconds)"
    )


def test_a_clock_that_was_refused_is_used_once_it_is_right():
    events, clock = heard()
    frames(clock, lambda number: 10**12 + number * 5 * MS)
    told = frames(clock, lambda number: 10**13 + number * 50 * MS, begin_ns=10**15 + 200 * 50 * MS)
    assert told[-1] == 10**15 + 399 * 50 * MS
    assert [event for event, _ in events] == [ClockEvent.REFUSED, ClockEvent.AGREED]


@pytest.mark.parametrize("hz", [1e9, 125e6])
def test_a_counter_of_32_bits_goes_on_when_it_starts_over(hz):
    """At 125 MHz each 34 s, at 1 GHz each 4.3 s."""
    events, clock = heard({"GevTimestampTickFrequency": hz})
    told = frames(clock, lambda number: max(1, (2**32 - int(3 * hz) + int(number * 0.05 * hz)) % 2**32))
    taken = [10**15 + number * 50 * MS for number in range(FRAMES, 200)]
    assert max(abs(one - other) for one, other in zip(told[FRAMES:], taken, strict=True)) <= 2e9 / hz
    assert [event for event, _ in events] == [ClockEvent.AGREED]


@pytest.mark.parametrize(
    ("by_ns", "why"),
    [
        (10**18, "it stepped by +1000000000.000 s"),
        (30 * MS, "it stepped by +0.030 s"),
        (-40 * MS, "it went back"),
        (-(10**12), "it went back"),
    ],
)
def test_a_step_is_said_and_the_stamp_is_not_used_until_frames_agree(by_ns, why):
    events, clock = heard()
    told = frames(clock, lambda number: 2 * 10**12 + number * 50 * MS + (by_ns if number >= 100 else 0))
    if why == "it went back" and -by_ns < 50 * MS:
        assert events[1][0] is ClockEvent.STEPPED
    else:
        assert events[1][0] is ClockEvent.STEPPED
        assert events[1][1].startswith(why)
        assert set(told[100 : 100 + FRAMES]) == {0}
    assert told[150:] == [10**15 + number * 50 * MS for number in range(150, 200)]


def test_a_frame_that_was_held_up_is_told_early_and_is_no_step():
    """It belongs to a part that has gone on: by its arrival its verdict would meet the next part."""
    events, clock = heard()
    frames(clock, lambda number: 10**12 + number * 50 * MS)
    at_ns = 10**15 + 200 * 50 * MS
    told_ns = clock.told_ns(10**12 + 200 * 50 * MS, at_ns + 300 * MS, fresh=True)
    assert at_ns <= told_ns <= at_ns + MS, "a percent of the time since the last frame"
    assert [event for event, _ in events] == [ClockEvent.AGREED]


def test_frames_that_waited_for_this_process_say_nothing_of_the_clock():
    events, clock = heard()
    assert set(frames(clock, lambda number: 10**12 + number * 50 * MS, fresh=False)) == {0}
    assert events == []


def test_jitter_takes_more_frames_and_no_rate_is_refused_for_it():
    """A frame in ten comes 40 ms late: the wait in the producer at the worst."""
    events = []
    clock = CameraClock((NANOSECONDS,), lambda event, why: events.append(event))
    told = []
    for number in range(1000):
        taken_ns = number * 50 * MS
        late_ns = 40 * MS if number % 10 == 9 else 0
        told.append(clock.told_ns(10**12 + taken_ns, 10**15 + taken_ns + late_ns, fresh=True))
    assert set(told[: 2 * FRAMES]) == {0}
    assert events == [ClockEvent.AGREED]


def test_a_trial_is_over_after_its_patience_and_not_before_frames_enough():
    trial = Trial((NANOSECONDS,))
    trial.agreed(1, 0)
    trial.agreed(2, 2 * PATIENCE_NS)
    assert not trial.over(), "two frames of a slow line"
    for number in range(FRAMES):
        trial.agreed(3 + number, 2 * PATIENCE_NS + number)
    assert trial.over()
    assert trial.refuted()


@pytest.mark.parametrize("drift", [-8e-3, -100e-6, -50e-6, 50e-6, 100e-6, 8e-3])
@pytest.mark.parametrize("pause_s", [3, 6, 60, 600, 3600, 30 * 3600])
def test_a_pause_of_the_line_costs_no_frame_its_time(drift, pause_s):
    """The clocks drift apart meanwhile: no part that comes then is told too old, and nobody says that a clock stepped."""
    events, clock = heard()
    for number in range(200):
        taken_ns = number * 50 * MS + (pause_s * S if number >= 100 else 0)
        arrived_ns = 10**15 + taken_ns + (number % 3) * MS
        told_ns = clock.told_ns(10**15 + int(taken_ns * (1 + drift)), arrived_ns, fresh=True)
        assert told_ns == 0 if number < FRAMES else 10**15 + taken_ns - 2 * MS <= told_ns <= arrived_ns
    assert [event for event, _ in events] == [ClockEvent.AGREED]


@pytest.mark.parametrize("pause_s", [1, 3, 60])
@pytest.mark.parametrize("drift", [-8e-3, 8e-3])
def test_a_frame_that_was_held_up_before_a_pause_costs_those_after_it_no_time(drift, pause_s):
    """While a frame is in doubt no drift is allowed for, but in a pause it is."""
    events, clock = heard()
    for number in range(200):
        taken_ns = number * 50 * MS + (pause_s * S if number > 100 else 0)
        arrived_ns = 10**15 + taken_ns + (100 * MS if number == 100 else 0)
        told_ns = clock.told_ns(10**15 + int(taken_ns * (1 + drift)), arrived_ns, fresh=True)
        assert told_ns == 0 if number < FRAMES else 10**15 + taken_ns - 2 * MS <= told_ns <= arrived_ns
    assert [event for event, _ in events] == [ClockEvent.AGREED]


def test_a_frame_that_was_held_up_after_a_pause_is_told_early():
    """By more than clocks can have drifted apart: 12 ms, once the rate is measured."""
    _, clock = heard()
    for number in range(500):
        clock.told_ns(10**12 + number * 50 * MS, 10**15 + number * 50 * MS, fresh=True)
    taken_ns = 500 * 50 * MS + 60 * S
    told_ns = clock.told_ns(10**12 + taken_ns, 10**15 + taken_ns + 300 * MS, fresh=True)
    assert 10**15 + taken_ns <= told_ns <= 10**15 + taken_ns + 13 * MS


@pytest.mark.parametrize("period_s", [1, 20, 60, 300])
@pytest.mark.parametrize("drift", [-8e-3, -100e-6, 100e-6, 8e-3])
def test_a_slow_line_s_frames_are_told_as_they_arrive_or_by_their_stamp(period_s, drift):
    events, clock = heard()
    for number in range(100):
        taken_ns = number * period_s * S
        told_ns = clock.told_ns(10**15 + int(taken_ns * (1 + drift)), 10**15 + taken_ns, fresh=True)
        assert told_ns == 0 if number < FRAMES else 10**15 + taken_ns - 2 * MS <= told_ns <= 10**15 + taken_ns, number
    assert [event for event, _ in events] == [ClockEvent.AGREED]


@pytest.mark.parametrize("off", [-9e-3, -200e-6, 0.0, 200e-6, 9e-3])
def test_a_survey_measures_a_rate_by_the_frames_that_were_delayed_least(off):
    """Each fourth frame waited for nothing, the others came up to 30 ms late."""
    survey = Survey()
    answers = []
    for number in range(600):
        device_ns = number * 50 * MS
        late_ns = (number * 7919 % 30 + 1) * MS if number % 4 else 0
        answers.append(survey.off(device_ns, 10**15 + int(device_ns * off) + late_ns))
    found = [answer for answer in answers if answer is not None]
    assert found == [pytest.approx(off, abs=1e-6)]
    assert answers.index(found[0]) == 403, "four windows of 5 s"


@pytest.mark.parametrize("step_ms", [-15, -5, 5, 15])
@pytest.mark.parametrize("at", range(10, 300, 20))
def test_a_step_too_small_to_be_noticed_is_not_taken_for_a_rate(step_ms, at):
    survey = Survey()
    for number in range(2000):
        offset_ns = 10**15 + (step_ms * MS if number >= at else 0)
        off = survey.off(number * 50 * MS, offset_ns)
        assert off is None or abs(off) <= 200e-6, number


@pytest.mark.parametrize("off", [-8e-3, 0.0, 8e-3])
def test_a_small_step_while_the_rate_is_not_known_is_said(off):
    """Frames come 35 ms later by their stamps from one on: no drift that the map allows for hides it."""
    events, clock = heard()
    for number in range(200):
        taken_ns = number * 50 * MS
        stamp = 10**12 + int(taken_ns * (1 + off)) - (35 * MS if number >= 60 else 0)
        told_ns = clock.told_ns(stamp, 10**15 + taken_ns, fresh=True)
        assert number < 60 + FRAMES or told_ns >= 10**15 + taken_ns - MS
    assert [event for event, _ in events] == [ClockEvent.AGREED, ClockEvent.STEPPED]
