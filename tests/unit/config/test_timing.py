"""What of a part's time is the PLC's: a configuration that is accepted leaves time to judge, and one that is not names one that is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aoi_daemon.config import timing
from aoi_daemon.config.schema import LineConfig, LineSection, PlcSection
from aoi_daemon.plcmap import registers

CAMERA = {"kind": "replay", "source": "."}


def config(takt_ms, answer_ms, sensor_to_frame_ms=0.0, **plc):
    return LineConfig.model_validate(
        {
            "cameras": [{**CAMERA, "sensor_to_frame_ms": sensor_to_frame_ms}],
            "line": {"takt_ms": takt_ms, "deadline_ms": takt_ms},
            "plc": {"answer_ms": answer_ms, "timeout_ms": max(answer_ms, 1.0), **plc},
            "supervisor": {"hang_ms": 60_000.0},
        }
    )


@pytest.mark.parametrize(("plc", "found"), [({}, (1, 5.0, 10.0, 40.0)), ({"registers": {"base": 0}}, (2, 10.0, 15.0, 35.0))])
def test_a_part_is_judged_before_each_request_of_its_verdict_and_one_more(plc, found):
    line = config(50.0, 5.0, **plc)
    assert timing.timing_of(line.line, line.plc) == found


def test_the_lengths_of_the_blocks_are_those_of_the_map():
    assert (timing.REPORT_WORDS, timing.POLL_WORDS) == (registers.REPORT_WORDS, registers.POLL_WORDS)


@given(st.floats(1, 1000), st.floats(0, 1000), st.floats(0, 500), st.booleans(), st.booleans())
def test_what_is_accepted_leaves_time_and_what_is_refused_names_what_would_be_accepted(takt, answer, late, has_registers, polls):
    """Each way out that is named is one, and coils alone are named where they are one."""

    def config_of(takt, answer, **plc):
        return config(takt, answer, sensor_to_frame_ms=late, **plc)

    def is_taken(takt, answer, **plc):
        try:
            return bool(config_of(takt, answer, **plc))
        except ValidationError:
            return False

    polled = {"poll": {"base": 16}} if polls else {}
    plc = ({"registers": {"base": 0}} if has_registers else {}) | polled
    try:
        line = config_of(takt, answer, **plc)
    except ValidationError as error:
        text = str(error)
        better_takt = float(re.search(r"takt of ([\d.]+) ms", text).group(1))
        config_of(better_takt, answer, **plc)
        better_answer = re.search(r"plc\.answer_ms = ([\d.]+)", text)
        if better_answer is not None:
            assert float(better_answer.group(1)) > 0
            config_of(takt, float(better_answer.group(1)), **plc)
        else:
            assert not is_taken(takt, 0.2, **plc)
        assert ("coils alone" in text) is (has_registers and is_taken(takt, answer, **polled))
    else:
        assert timing.timing_of(line.line, line.plc, late).judge_ms >= 0.1 * takt - 1e-5


def test_the_defaults_work():
    assert not list(timing.problems(LineSection(), PlcSection(), LineConfig.model_fields["supervisor"].default))


def said(plc=None, line=None, hang_ms=10_000.0):
    """What is wrong, in one text."""
    supervisor = LineConfig.model_fields["supervisor"].default.model_copy(update={"hang_ms": hang_ms})
    return "\n".join(timing.problems(LineSection(**line or {}), PlcSection.model_validate(plc or {}), supervisor))


@pytest.mark.parametrize(
    ("report", "poll", "overlaps"),
    [(0, 16, False), (0, 15, True), (8, 0, False), (7, 0, True), (20, 20, True), (100, 0, False), (0, 100, False)],
)
def test_blocks_that_overlap_are_refused_with_a_base_that_works_and_blocks_that_touch_are_not(report, poll, overlaps):
    text = said({"registers": {"base": report}, "poll": {"base": poll}})
    assert bool(text) is overlaps
    if overlaps:
        better = int(re.search(r"set plc\.poll\.base to (\d+)", text).group(1))
        assert not said({"registers": {"base": report}, "poll": {"base": better}})


@pytest.mark.parametrize(("plc", "connect_ms"), [({}, 200 + 30), ({"registers": {"base": 0}}, 200 + 60), ({"registers": {"base": 0}, "poll": {"base": 16}}, 200 + 90)])
def test_plc_must_not_be_taken_for_hanging_while_it_connects_and_asks_each_kind_of_request_once(plc, connect_ms):
    plc = {**plc, "timeout_ms": 30.0}
    assert "hang_ms" in said(plc, hang_ms=float(connect_ms))
    assert not said(plc, hang_ms=connect_ms + 0.1)


def test_a_time_out_beyond_that_of_connecting_counts_for_it_too():
    plc = {"timeout_ms": 300.0}
    assert "may take 600 ms" in said(plc, hang_ms=600.0)
    assert not said(plc, hang_ms=600.1)


@pytest.mark.parametrize(("timeout_ms", "refused"), [(4.9, True), (5.0, False)])
def test_a_time_out_below_the_answer_is_refused(timeout_ms, refused):
    assert ("is below plc.answer_ms" in said({"timeout_ms": timeout_ms})) is refused


@pytest.mark.parametrize(("deadline_ms", "refused"), [(50.0, False), (50.1, True)])
def test_a_deadline_beyond_the_takt_is_refused(deadline_ms, refused):
    assert ("two parts would wait" in said(line={"takt_ms": 50.0, "deadline_ms": deadline_ms})) is refused


@pytest.mark.parametrize(
    ("deadline_ms", "answer_ms", "registers", "refused", "coils_alone"),
    [
        (50.0, 22.5, False, False, False),
        (50.0, 22.6, False, True, False),  # a tenth of the deadline, 5 ms
        (50.0, 15.0, True, False, False),
        (50.0, 15.1, True, True, True),
        (50.0, 22.5, True, True, True),
        (50.0, 22.6, True, True, False),
        (2.0, 0.75, False, False, False),
        (2.0, 0.8, False, True, False),  # half a ms, though a tenth is less
        (2.0, 2.0, False, True, False),
    ],
)
def test_a_tenth_of_the_deadline_and_half_a_ms_must_be_left_and_coils_alone_are_offered_where_they_would_do(
    deadline_ms, answer_ms, registers, refused, coils_alone
):
    text = said({"answer_ms": answer_ms, **({"registers": {"base": 0}} if registers else {})}, {"takt_ms": deadline_ms, "deadline_ms": deadline_ms})
    assert ("possible would be" in text) is refused
    assert ("coils alone" in text) is coils_alone
    assert "leaves -" not in text


def test_what_the_frame_comes_after_the_sensor_is_said_where_it_does():
    supervisor = LineConfig.model_fields["supervisor"].default.model_copy(update={"hang_ms": 10_000.0})
    line, plc = LineSection(), PlcSection(answer_ms=24.0, timeout_ms=24.0)
    assert "a part in, 7 ms after the sensor: " in "\n".join(timing.problems(line, plc, supervisor, 7.0))
    assert "to judge a part in: " in said({"answer_ms": 24.0, "timeout_ms": 24.0})


@pytest.mark.parametrize(("late_ms", "answer"), [(0.06, "plc.answer_ms = 0.2"), (0.5, ""), (0.8, ""), (1.0, "")])
def test_a_faster_answer_is_offered_where_one_would_do(late_ms, answer):
    """Of a deadline of 1 ms half is left for judging."""
    supervisor = LineConfig.model_fields["supervisor"].default
    line, plc = LineSection(takt_ms=1.0, deadline_ms=1.0), PlcSection(answer_ms=5.0)
    told = "\n".join(timing.problems(line, plc, supervisor, late_ms))
    assert ("or plc.answer_ms" in told) is bool(answer) and answer in told


@pytest.mark.parametrize(("takt_ms", "way"), [(53.4, "a deadline of 53.4 ms"), (53.3, "a deadline and takt of 53.4 ms")])
def test_the_takt_is_to_be_changed_where_it_must_be(takt_ms, way):
    line = {"takt_ms": takt_ms, "deadline_ms": 50.0}
    assert way in said({"answer_ms": 24.0, "timeout_ms": 24.0}, line)


@pytest.mark.parametrize("late_ms", [0.0, 5.0, 12.5])
@pytest.mark.parametrize("has_registers", [False, True])
def test_what_would_be_possible_is_possible_where_frames_come_after_the_sensor(late_ms, has_registers):
    """Each of the ways out that the error names, put to the same check."""
    given = {"registers": {"base": 0}} if has_registers else {}
    supervisor = LineConfig.model_fields["supervisor"].default.model_copy(update={"hang_ms": 60_000.0})

    def wrong(deadline_ms, answer_ms, plc):
        line = LineSection(takt_ms=200.0, deadline_ms=deadline_ms)
        section = PlcSection.model_validate({**plc, "answer_ms": answer_ms, "timeout_ms": 100.0})
        return "\n".join(timing.problems(line, section, supervisor, late_ms))

    told = wrong(50.0, 24.0, given)
    assert ("after the sensor" in told) is (late_ms > 0)
    deadline_ms = float(re.search(r"a deadline of ([\d.]+) ms", told).group(1))
    answer_ms = float(re.search(r"plc\.answer_ms = ([\d.]+)", told).group(1))
    assert not wrong(deadline_ms, 24.0, given) and not wrong(50.0, answer_ms, given)
    assert wrong(deadline_ms - 1, 24.0, given) and wrong(50.0, answer_ms + 1, given)
