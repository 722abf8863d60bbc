import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.acquire.camera import Dropped
from aoi_daemon.acquire.stamps import MAX_GAP, ClockMap, FrameIds, QueueWatch, places_ahead
from aoi_daemon.errors import CameraError

MS = 1_000_000
S = 1_000_000_000


def missed(*frame_ids):
    """What is missed before the last of `frame_ids`."""
    ids = FrameIds()
    return [ids.missed_before(frame_id) for frame_id in frame_ids][-1]


def answers(*frame_ids, first=()):
    """What is said of each of `frame_ids` after those of `first`; None is a frame without an id."""
    ids = FrameIds()
    said = [ids.unnumbered() if frame_id is None else ids.missed_before(frame_id) for frame_id in (*first, *frame_ids)]
    return said[len(first) :]


@pytest.mark.parametrize("end", [2**16 - 1, 2**32 - 1, 2**64 - 1])
@pytest.mark.parametrize("first", [0, 1])
def test_places_are_counted_over_a_counters_end_both_ways(end, first):
    assert places_ahead(first, end, first) == 1
    assert places_ahead(first + 4, end - 3, first) == 8
    assert places_ahead(first + MAX_GAP, end, first) == MAX_GAP + 1
    assert places_ahead(first + MAX_GAP + 1, end, first) < -16, "too far to be a gap: it counts anew"
    assert places_ahead(end, first, first) == -1
    assert places_ahead(end - 3, first + 4, first) == -8
    assert places_ahead(end - 15, first, first) == -16
    assert places_ahead(end - 16, first, first) > MAX_GAP, "too far to be a frame that came late"


def test_an_id_is_a_double_up_to_sixteen_places_back_and_further_back_the_camera_counts_anew():
    before = range(1, 101)
    assert answers(84, first=before) == [Dropped.DOUBLED]
    assert answers(83, first=before) == [0]
    assert answers(83, 84, 86, first=before) == [0, 0, 1]


def test_a_double_of_a_camera_that_does_count_stays_one_however_often_it_comes():
    assert answers(1, 2, 2, 2, 2, 2) == [0, 0, *[Dropped.DOUBLED] * 4]


def test_frames_without_an_id_are_the_last_of_the_gap():
    """They have been announced: with their ids they would be doubles, and the others are late."""
    assert answers(1, None, None, 5, 4, 3, 2) == [0, None, None, 1, Dropped.DOUBLED, Dropped.DOUBLED, Dropped.LATE]
    assert answers(1, 2, None, 5, 4, 3) == [0, 0, None, 1, Dropped.DOUBLED, Dropped.LATE]


def test_late_frames_in_a_row_are_late_and_no_new_count():
    """All of them have been counted as missing; announced again they would be parts that the PLC has not."""
    assert answers(1, 20, 10, 11, 12, 13, 14, 15, 16) == [0, 18, *[Dropped.LATE] * 7]


def test_after_a_new_count_doubles_are_counted_anew():
    """Sixteen in a row are borne, those before the new count not among them."""
    anew = [*range(1, 11), 3, 4, 5, 6, 7, 8]
    assert answers(*[8] * 16, first=anew) == [Dropped.DOUBLED] * 16
    with pytest.raises(CameraError, match="17 frames in a row, to 8, brought none after 8"):
        answers(*[8] * 17, first=anew)


def test_after_a_new_count_nothing_is_known_of_the_ids_before():
    """From far: those just behind the new id were never delivered by this count, they are late."""
    assert answers(50, 49, 48, first=range(1, 101)) == [0, Dropped.LATE, Dropped.LATE]
    assert answers(6, 5, first=[*range(1, 11), *range(1, 7)]) == [Dropped.DOUBLED, Dropped.LATE]


@pytest.mark.parametrize("begin", [3, 10])
def test_it_takes_six_doubles_in_a_row_to_be_a_new_count(begin):
    """Whichever id they begin with; a double out of its row, and a late frame, begin anew."""
    before = range(1, 19)
    row = range(begin, begin + 6)
    assert answers(*row, first=before) == [*[Dropped.DOUBLED] * 5, 5]
    assert answers(begin - 1, begin + 1, *row, first=before) == [*[Dropped.DOUBLED] * 7, 5]
    gap = [*range(1, 6), *range(7, 19)]  # 6 comes late
    said = answers(3, 4, 5, 6, 7, 8, 9, 10, 11, 12, first=gap)
    assert said == [*[Dropped.DOUBLED] * 3, Dropped.LATE, *[Dropped.DOUBLED] * 5, 5]


def test_a_camera_that_delivers_each_frame_twice_loses_none():
    """What was dropped, and what was a row of doubles, is forgotten with the next new frame."""
    ids = [number for number in range(1, 41) for _ in range(2)]
    assert answers(*ids) == [0, Dropped.DOUBLED] * 40


def test_sixteen_frames_in_a_row_may_be_late_and_no_more():
    """They come backwards, so they are no new count."""
    late = range(18, 2, -1)
    assert answers(*late, first=(1, 19)) == [Dropped.LATE] * 16
    with pytest.raises(CameraError, match="17 frames in a row, to 18, brought none after 19"):
        answers(*late, 18, first=(1, 19))


@pytest.mark.parametrize("last", [1, 16, 17])
def test_a_zero_is_refused_as_long_as_it_could_be_one_that_came_late(last):
    """Seventeen places back it is a new count."""
    before = [65534, 65535, *range(1, last + 1)]
    if last <= 16:
        with pytest.raises(CameraError, match=f"frame 0 came after frame {last}, and whether"):
            answers(0, first=before)
    else:
        assert answers(0, 1, 3, first=before) == [0, 0, 1]


def test_a_zero_just_after_the_first_frame_is_late():
    """Nothing was announced for it, and nothing after the first: no part is exchanged."""
    assert answers(5, 0, 6) == [0, Dropped.LATE, 0]


def test_all_that_came_before_the_first_frame_is_late_and_once_more_doubled():
    late, doubled = Dropped.LATE, Dropped.DOUBLED
    assert answers(99, 98, 97, 83, 97, 98) == [0, late, late, late, doubled, doubled]


def test_a_camera_that_does_not_count_is_found_out_by_its_first_id_alone():
    """Two more of the first; one more of another is a double."""
    assert answers(7, 7, 7, 7, 7) == [0, Dropped.DOUBLED, Dropped.DOUBLED, 2, 0]
    assert answers(7, 8, 8, 8, 8, 8) == [0, 0, *[Dropped.DOUBLED] * 4]
    assert answers(7, 9, 9, 9, 9, 9) == [0, 1, *[Dropped.DOUBLED] * 4]


def test_what_is_remembered_of_a_camera_does_not_grow():
    ids = FrameIds()
    for frame_id in range(1, 200):
        ids.missed_before(frame_id)
    assert ids._delivered.bit_length() == 17


def test_the_first_frame_misses_nothing_whatever_its_id():
    assert missed(0) == missed(1) == missed(2**63) == 0


def test_ids_in_a_row_miss_nothing():
    assert missed(7, 8) == missed(0, 1) == 0


def test_each_id_left_out_is_a_missed_part():
    assert missed(7, 9) == 1
    assert missed(7, 8, 18) == 9


@pytest.mark.parametrize(
    ("frame_ids", "expected"),
    [
        ((65535, 1), 0),  # GigE Vision 1: there is no 0
        ((65534, 1), 1),
        ((65535, 2), 1),
        ((65535, 0), 0),  # a 16 bit counter
        ((65534, 0), 1),
        ((2**32 - 1, 0), 0),
        ((2**32 - 1, 1), 0),
        ((2**32 - 2, 1), 1),
    ],
)
def test_a_counter_that_starts_over_is_no_gap(frame_ids, expected):
    assert missed(*frame_ids) == expected


def test_a_camera_that_was_restarted_counts_from_anew():
    assert missed(5000, 1) == 0
    assert missed(5000, 1, 3) == 1


@pytest.mark.parametrize("last", [6, 10, 16])
def test_a_camera_that_counts_anew_from_near_loses_no_part(last):
    """Its frames look like doubles, one after the other; once that is no accident they are announced as missed."""
    ids = FrameIds()
    for frame_id in range(1, last + 1):
        ids.missed_before(frame_id)
    answers = [ids.missed_before(frame_id) for frame_id in range(1, 30)]
    assert answers[:6] == [Dropped.DOUBLED] * 5 + [5]
    assert set(answers[6:]) == {0}


def test_a_zero_after_a_one_at_a_counters_end_is_not_put_in_the_wrong_place():
    """Whether there is a 0 was not known, so nothing was announced for it: parts would be exchanged."""
    ids = FrameIds()
    for frame_id in (65534, 65535, 1):
        ids.missed_before(frame_id)
    with pytest.raises(CameraError, match="frame 0 came after frame 1"):
        ids.missed_before(0)


def test_a_camera_that_does_not_count_is_found_out_and_none_of_its_frames_is_lost():
    """The second and third frame look like doubles of the first; they are announced with the fourth."""
    ids = FrameIds()
    answers = [ids.missed_before(0) for _ in range(40)]
    assert answers[:4] == [0, Dropped.DOUBLED, Dropped.DOUBLED, 2]
    assert set(answers[4:]) == {0}


def test_a_frame_without_an_id_is_not_counted_as_missed():
    ids = FrameIds()
    ids.missed_before(10)
    ids.unnumbered()
    assert ids.missed_before(12) == 0
    ids.unnumbered()
    assert ids.missed_before(15) == 1
    assert ids.missed_before(17) == 1


def test_more_frames_without_an_id_than_the_gap_holds_miss_nothing():
    ids = FrameIds()
    ids.missed_before(10)
    ids.unnumbered()
    assert ids.missed_before(11) == 0
    assert ids.missed_before(13) == 1, "it was that one frame, and stands for no other"


def test_ids_that_jump_ahead_are_a_fault_not_a_thousand_missed_parts():
    assert missed(1, MAX_GAP + 2) == MAX_GAP
    with pytest.raises(CameraError, match="jumped from 1 to 1003"):
        missed(1, MAX_GAP + 3)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 65535))
def test_all_missed_frames_are_counted_once_across_any_number_of_wraps(steps, first):
    ids = FrameIds()
    ids.missed_before(first)
    position, total = first, 0
    for step in steps:
        position += step
        total += ids.missed_before((position - 1) % 65535 + 1)
    assert total == sum(steps) - len(steps)


def test_the_first_stamp_maps_to_its_arrival():
    assert ClockMap().host_ns(123, 9 * S) == 9 * S


def test_the_shortest_delay_seen_is_taken_for_the_offset():
    clock = ClockMap()
    clock.host_ns(0, 10 * S + 3 * MS)
    clock.host_ns(50 * MS, 10 * S + 51 * MS)
    # 1 ms was the shortest delay: this frame was stamped at 100 ms and held up for 9 ms more.
    assert clock.host_ns(100 * MS, 10 * S + 110 * MS) == 10 * S + 101 * MS


@given(st.lists(st.integers(0, 40 * MS), min_size=2, max_size=80), st.integers(-(10**15), 10**15))
def test_no_stamp_is_told_after_its_arrival_nor_before_it_was_taken(delays, device_epoch_ns):
    clock = ClockMap(window_ns=S)
    for frame, delay_ns in enumerate(delays):
        taken_ns = 10**15 + frame * 50 * MS
        told_ns = clock.host_ns(taken_ns - device_epoch_ns, taken_ns + delay_ns)
        assert taken_ns <= told_ns <= taken_ns + delay_ns


def test_a_slow_drift_is_followed():
    clock = ClockMap()
    for frame in range(4000):
        taken_ns = frame * 50 * MS
        device_ns = taken_ns - taken_ns // 10_000  # 100 ppm slow
        told_ns = clock.host_ns(device_ns, taken_ns + 2 * MS)
        assert abs(told_ns - (taken_ns + 2 * MS)) <= 1.01 * MS


@pytest.mark.parametrize("standstill_s", [1, 6, 60, 3600])
def test_frames_that_waited_through_a_standstill_are_known_to_be_old(standstill_s):
    clock = ClockMap()
    for frame in range(200):
        clock.host_ns(frame * 50 * MS, frame * 50 * MS + MS)
    resumed_ns = 200 * 50 * MS + standstill_s * S
    for frame in range(200, 208):
        told_ns = clock.host_ns(frame * 50 * MS, resumed_ns)
        assert told_ns == frame * 50 * MS + MS


def test_a_frame_that_came_while_we_waited_is_new():
    watch = QueueWatch(awake_ns=40 * MS)
    watch.empty(S)
    assert watch.trigger_ns(S + 20 * MS, waited=True) == 0


def test_a_frame_that_was_there_already_came_after_the_one_before_it():
    watch = QueueWatch(awake_ns=40 * MS)
    watch.empty(S)
    watch.trigger_ns(S + 20 * MS, waited=True)
    assert watch.trigger_ns(S + 22 * MS, waited=False) == S + 20 * MS


def test_frames_found_after_a_standstill_are_as_old_as_the_standstill():
    watch = QueueWatch(awake_ns=40 * MS)
    watch.empty(S)
    assert watch.trigger_ns(4 * S, waited=True) == S
    assert watch.trigger_ns(4 * S + MS, waited=False) == S
    watch.empty(4 * S + 2 * MS)
    assert watch.trigger_ns(4 * S + 10 * MS, waited=True) == 0


def test_before_the_queue_was_ever_seen_empty_nothing_is_known_of_a_frame_s_age():
    assert QueueWatch(40 * MS).trigger_ns(5 * S, waited=False) == 0


def test_a_frame_is_new_as_long_as_we_were_awake():
    for late_ns, expected in ((40 * MS, 0), (40 * MS + 1, S)):
        watch = QueueWatch(40 * MS)
        watch.empty(S)
        assert watch.trigger_ns(S + late_ns, waited=True) == expected


def test_an_offset_is_trusted_for_five_seconds_and_the_window_after_it():
    """At exactly 5 s it is the same window; the one before it counts as well."""
    clocks = ClockMap()
    for arrived_ns, offset_ns in ((0, 0), (5 * S, 50), (5 * S + 1, 60), (10 * S + 2, 70)):
        told_ns = clocks.host_ns(arrived_ns - offset_ns, arrived_ns)
    assert told_ns == arrived_ns - 70 + 60


class PlainClock:
    """What a ClockMap is to tell, by all frames of the last two windows, gone through anew each time."""

    def __init__(self, window_ns, slack):
        self.window_ns, self.slack, self.windows = window_ns, slack, []

    def host_ns(self, device_ns, arrived_ns):
        if not self.windows or arrived_ns - self.windows[-1][0][1] > self.window_ns:
            self.windows.append([])
        self.windows[-1].append((device_ns, arrived_ns))
        return device_ns + self.least_ns(device_ns, self.slack)

    def late_ns(self, device_ns, arrived_ns):
        if not self.windows:
            return 0
        late, early = (arrived_ns - device_ns - self.least_ns(device_ns, slack) for slack in (self.slack, 0))
        return max(late, 0) or min(early, 0)

    def least_ns(self, device_ns, slack):
        """The offset, each frame's grown by `slack` of the time since it."""
        frames = (frame for window in self.windows[-2:] for frame in window)
        return min(arrived - device + int((device_ns - device) * slack) for device, arrived in frames)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), max_size=40),
    st.integers(-1000, 1000),
    st.sampled_from((0.0, 0.5, 0.25)),
)
def test_a_clock_map_tells_what_the_frames_of_two_windows_say(frames, begin, slack):
    """In fours: a growth by a quarter is exact. A question before each frame changes nothing."""
    clock, plain = ClockMap(window_ns=200, slack=slack), PlainClock(200, slack)
    device_ns = 4 * begin
    for step, delay in frames:
        device_ns += 4 * step
        arrived_ns = device_ns + 5000 + 4 * delay
        for offset_ns in (0, -4 * delay, -4 * step, 7):
            asked = device_ns, arrived_ns + offset_ns
            assert clock.late_ns(*asked) == plain.late_ns(*asked)
        assert clock.host_ns(device_ns, arrived_ns) == plain.host_ns(device_ns, arrived_ns)


def test_between_no_growth_and_all_of_it_a_frame_is_neither_late_nor_early():
    clocks = ClockMap(slack=0.5)
    assert clocks.late_ns(0, 100) == 0, "nothing is known yet"
    clocks.host_ns(0, 100)
    assert [clocks.late_ns(10, arrived) for arrived in (109, 110, 112, 115, 116)] == [-1, 0, 0, 0, 1]
