"""How many lanes: the chosen number ran and none is beaten by it, in whatever order they were measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.inspection.auto.choice import TIE
from aoi_daemon.inspection.auto.lane_choice import LaneRow, LaneTable, choose, counts, divided, on_cpu, told

MS = st.floats(0.01, 10_000.0)


@st.composite
def measured(draw):
    numbers = draw(st.lists(st.integers(1, 8), unique=True, max_size=5))
    figures = [draw(st.none() | MS) for _ in numbers]
    whys = [draw(st.sampled_from(["", "", "crashed (SIGSEGV)"])) for _ in numbers]
    return [LaneRow(lanes=n, p95_ms=ms, why=why) for n, ms, why in zip(numbers, figures, whys, strict=True)]


@given(measured(), st.randoms())
def test_the_chosen_number_ran_and_none_is_quicker_by_more_than_two_measurements_differ(rows, chance):
    chosen = choose(rows)
    ran = [row for row in rows if row.holds]
    if chosen is None:
        assert ran == []
        return
    assert chosen in ran
    assert all(chosen.p95_ms <= row.p95_ms * (1 + TIE) for row in ran)
    as_quick = [row.lanes for row in ran if row.p95_ms <= min(each.p95_ms for each in ran) * (1 + TIE)]
    assert chosen.lanes == min(as_quick), "more lanes must be worth their processes"
    chance.shuffle(rows)
    assert choose(rows) == chosen, "whatever was measured first"


@given(st.integers(1, 8), st.integers(1, 64), st.integers(1, 256))
def test_one_lane_is_always_measured_and_no_lane_is_without_a_camera_a_thread_or_a_core(cameras, threads, cores):
    found = counts(cameras, threads, cores)
    assert found[0] == 1 and list(found) == sorted(set(found))
    assert found[-1] == min(cameras, threads, cores)


@given(st.integers(1, 64), st.integers(1, 8))
def test_lanes_share_the_threads_and_each_has_one(threads, lanes):
    each = divided(InspectionSection(threads=threads), lanes).threads
    assert each >= 1 and (each * lanes <= threads or each == 1)


@pytest.mark.parametrize(
    ("backend", "device", "is_on"),
    [("onnx", None, True), ("onnx", 0, True), ("openvino", None, True), ("openvino", "cpu", True), ("openvino", "gpu.1", False), ("openvino", "npu", False), ("tensorrt", 0, False)],
)
def test_what_is_not_on_the_processor_has_one_lane(backend, device, is_on):
    assert on_cpu(InspectionSection(backend=backend, device=device)) is is_on


def test_which_it_is_and_why_is_told_with_what_it_was_compared_with():
    one, two, broken = LaneRow(lanes=1, p95_ms=40.0), LaneRow(lanes=2, p95_ms=25.0), LaneRow(lanes=4, why="crashed (SIGSEGV)")
    assert told(LaneTable(rows=(one, two, broken))) == "2 lanes p95 25.0 ms; 1 lane p95 40.0 ms; 4 lanes: crashed (SIGSEGV)"
    assert told(LaneTable(rows=(one,), beside=True)) == "1 lane p95 40.0 ms, measured beside a running line"
    assert told(LaneTable(rows=(broken,))) == "1 lane: none could be measured (4 lanes: crashed (SIGSEGV))"
