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


def config(takt_ms, answer_ms, **plc):
    return LineConfig.model_validate(
        {
            "cameras": [CAMERA],
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


@given(st.floats(1, 1000), st.floats(0, 1000), st.booleans(), st.booleans())
def test_what_is_accepted_leaves_time_and_what_is_refused_names_what_would_be_accepted(takt, answer, has_registers, polls):
    plc = ({"registers": {"base": 0}} if has_registers else {}) | ({"poll": {"base": 16}} if polls else {})
    try:
        line = config(takt, answer, **plc)
    except ValidationError as error:
        text = str(error)
        better_takt = float(re.search(r"takt of ([\d.]+) ms", text).group(1))
        config(better_takt, answer, **plc)
        better_answer = re.search(r"plc\.answer_ms = ([\d.]+)", text)
        if better_answer is not None and float(better_answer.group(1)) > 0:
            config(takt, float(better_answer.group(1)), **plc)
        if "coils alone" in text:
            config(takt, answer)
    else:
        assert timing.timing_of(line.line, line.plc).judge_ms >= 0.1 * takt


def test_the_defaults_work():
    assert not list(timing.problems(LineSection(), PlcSection(), LineConfig.model_fields["supervisor"].default))
