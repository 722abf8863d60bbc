"""Which field of view a frame shows is told by the frame, and where nothing tells it, no view is of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.acquire.fovs import NOT_KNOWN, ByCount, ByPause, ByTrigger, part_trigger
from aoi_daemon.acquire.main import fovs_of
from aoi_daemon.config.schema import LineConfig

PAUSE = 40


def camera(**keys):
    return LineConfig.model_validate({"cameras": [keys], "plc": {"poll": {"base": 0}}}).cameras[0]


def test_each_way_of_a_configuration_is_the_one_that_it_names():
    replay = {"kind": "replay", "source": "."}
    genicam = {"kind": "genicam", "producer": "x.cti"}
    assert fovs_of(camera(**replay, fov=3)) is None
    assert fovs_of(camera(**genicam, fov_chunk="C")) is None
    assert isinstance(fovs_of(camera(**replay, fov_from="count", fovs=3)), ByCount)
    assert isinstance(fovs_of(camera(**genicam, fov_from="count", fovs=3, fov_pause_ms=5.0)), ByPause)
    numbered = {"fov_from": "trigger_id", "fovs": 2}
    assert isinstance(fovs_of(camera(**replay, **numbered, pace="plc")), ByTrigger)
    with pytest.raises(ValueError, match="the takt numbers no triggers"):
        camera(**replay, **numbered)


@given(st.integers(1, 10**6), st.integers(2, 8))
def test_a_count_goes_round_and_is_the_same_after_a_restart(sequence, count):
    assert ByCount(count).of(sequence, 0, 0) == (sequence - 1) % count
    assert ByCount(count).of(sequence + count, 0, 0) == ByCount(count).of(sequence, 0, 0)


parts = st.lists(st.tuples(st.integers(1, 5), st.integers(PAUSE + 1, 500)), min_size=1, max_size=20)


@given(parts, st.lists(st.integers(1, PAUSE), min_size=5, max_size=5))
def test_after_a_pause_frames_are_counted_from_0_and_one_too_many_is_of_no_view(history, gaps):
    """Whatever came before: a frame that was missed, or came twice, is no fault of the next part."""
    fovs, now = ByPause(3, PAUSE), 10**9
    told = [fovs.of(0, now, 0)]
    assert told == [NOT_KNOWN], "nobody saw how its part began"
    for frames, pause in history:
        now += pause
        found = []
        for place in range(frames):
            now += gaps[place] if place else 0
            found.append(fovs.of(0, now, 0))
        assert found == [0, 1, 2, NOT_KNOWN, NOT_KNOWN][:frames]


def test_what_comes_before_the_first_pause_is_of_no_view():
    fovs = ByPause(3, PAUSE)
    assert [fovs.of(0, at, 0) for at in (0, 10, 20, 30)] == [NOT_KNOWN] * 4
    assert fovs.of(0, 30 + PAUSE, 0) == NOT_KNOWN, "no longer than the pause"
    assert fovs.of(0, 31 + 2 * PAUSE, 0) == 0


@given(st.integers(1, 2**32 - 1), st.integers(2, 8))
def test_all_views_of_a_part_are_known_by_the_number_of_its_first_trigger(first, count):
    fovs = ByTrigger(count)
    first -= (first - 1) % count
    told = [(fovs.of(0, 0, number), number) for number in range(first, first + count)]
    assert [fov for fov, _ in told] == list(range(count))
    assert {part_trigger(number, fov) for fov, number in told} == {first}


def test_a_frame_whose_trigger_is_not_known_is_of_no_view_and_of_no_part():
    assert ByTrigger(3).of(1, 0, 0) == NOT_KNOWN
    assert part_trigger(0, NOT_KNOWN) == part_trigger(7, NOT_KNOWN) == part_trigger(0, 2) == 0
