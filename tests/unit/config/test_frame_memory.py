"""How many frames fit, for cameras of any size; what cannot be had is refused before it is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aoi_daemon.config.frame_memory import frame_memory, in_words, memory_problems
from aoi_daemon.config.schema import LineConfig

MIB = 1 << 20
SIZES = st.tuples(st.integers(16, 16_384), st.integers(16, 16_384), st.sampled_from([1, 3]), st.booleans())


def line(sizes, ring, **more):
    cameras = [
        {"name": f"c{i}", "max_width_px": width, "max_height_px": height, "channels": channels}
        | ({"kind": "replay", "source": "."} if replayed else {"kind": "genicam", "producer": "x.cti"})
        for i, (width, height, channels, replayed) in enumerate(sizes)
    ]
    return LineConfig.model_validate({"cameras": cameras, "ring": ring, **more})


@given(st.lists(SIZES, min_size=1, max_size=8), st.integers(1, 1 << 20))
def test_as_many_frames_as_the_memory_holds_and_never_fewer_than_three(sizes, mib):
    """A replayed frame may bring a template, which takes as much again."""
    each = [width * height * channels * (1 + replayed) for width, height, channels, replayed in sizes]
    fits = [mib * MIB // size for size in each]
    if min(fits) < 3:
        with pytest.raises(ValidationError, match=r"ring.max_mib .* a ring needs 3: at least (\d+)") as refused:
            line(sizes, {"max_mib": mib})
        small = next(size for size, fit in zip(each, fits, strict=True) if fit < 3)
        least = str(refused.value).split("at least ")[1].split(";")[0].split(" ")[0]
        assert int(least) * MIB >= 3 * small
    else:
        found = frame_memory(line(sizes, {"max_mib": mib}))
        assert [memory.slots for memory in found] == [min(256, fit) for fit in fits]
        assert all(memory.slots * memory.frame_bytes <= mib * MIB for memory in found)


def test_slots_and_memory_are_two_ways_to_say_one_thing():
    assert [memory.slots for memory in frame_memory(line([(64, 64, 1, True)], {}))] == [8]
    assert [memory.slots for memory in frame_memory(line([(64, 64, 1, True)], {"slots": 5}))] == [5]
    with pytest.raises(ValidationError, match=r"ring.slots \(5\) and ring.max_mib \(9\) say the same: leave one out"):
        line([(64, 64, 1, True)], {"slots": 5, "max_mib": 9})


def test_a_line_that_was_sent_to_a_stage_is_the_same_there():
    sent = line([(4096, 3072, 1, False)], {"max_mib": 100})
    assert LineConfig.model_validate_json(sent.model_dump_json()) == sent


def test_rings_that_this_pc_cannot_hold_are_refused_with_what_would_do():
    large = line([(4096, 3072, 1, False), (2448, 2048, 3, False)], {"slots": 20})
    rings = 20 * (4096 * 3072 + 2448 * 2048 * 3)
    assert memory_problems(large, int(rings / 0.75) + 1) == []
    (problem,) = memory_problems(large, int(rings / 0.75) - 1)
    assert problem.startswith(f"ring: frames of {rings / MIB:.0f} MiB at once, this PC has {rings / 0.75 / MIB:.0f}: set ring.max_mib")
    assert problem.endswith(f"with three frames of each it is {3 * rings / 20 / MIB:.0f} MiB")
    assert memory_problems(line([(640, 640, 1, True)], {})) == [], "any PC holds these"


def test_what_the_recorder_may_copy_is_said_too():
    """Around a fault 4, a ring of 8, 3 until the verdict, 5 that wait for the disk, a ring and one more."""
    with_recorder = line([(4096, 3072, 1, False)], {}, recorder={"buffer_mb": 64})
    (memory,) = frame_memory(with_recorder)
    assert memory == (8, 4 + 8 + 3 + 5 + 8 + 1, 4096 * 3072)
    assert in_words(with_recorder) == "frames kept in memory: c0 8 of 12.0 MiB, recorder at most 29; 444 MiB at most"
    assert in_words(line([(4096, 3072, 1, False)], {})) == "frames kept in memory: c0 8 of 12.0 MiB; 96 MiB at most"
