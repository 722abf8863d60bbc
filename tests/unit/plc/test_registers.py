"""The register profile and the poll block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.plcmap.coils import Result
from aoi_daemon.plcmap.registers import (
    MAP_VERSION,
    POLL_FIELDS,
    POLL_WORDS,
    REPORT_FIELDS,
    REPORT_WORDS,
    Flag,
    Poll,
    Report,
    Status,
    decode_poll,
    decode_report,
    encode_poll,
    encode_report,
)

SIXTEEN = st.integers(0, 0xFFFF)
SIGNED = st.integers(-0x8000, 0x7FFF)
REPORTS = st.builds(
    Report,
    map_version=st.just(MAP_VERSION),
    heartbeat=SIXTEEN,
    trigger_id=st.integers(0, 2**32 - 1),
    verdict=st.sampled_from([Result.NONE, Result.REJECT]),
    defect_class=SIGNED,
    defect_count=SIXTEEN,
    latency=SIXTEEN,
    recipe=SIXTEEN,
    error_code=SIXTEEN,
    flags=st.integers(0, 15),
    offset_x=SIGNED,
    offset_y=SIGNED,
    reject_rate=st.integers(0, 1000),
    frequent_class=SIGNED,
    sequence=SIXTEEN,
)


def test_the_tables_name_the_fields_in_the_order_of_the_records():
    assert tuple(field.name for field in REPORT_FIELDS) == Report._fields
    assert tuple(field.name for field in POLL_FIELDS) == Poll._fields
    assert (REPORT_WORDS, POLL_WORDS) == (16, 8)
    assert all(field.meaning for field in REPORT_FIELDS + POLL_FIELDS)


def test_the_commit_word_is_last_and_the_version_first():
    words = encode_report(Report(sequence=0xABCD))
    assert words[0] == MAP_VERSION
    assert words[-1] == 0xABCD


@given(REPORTS)
def test_a_report_in_range_survives_the_registers(report):
    words = encode_report(report)
    assert len(words) == REPORT_WORDS
    assert all(0 <= word <= 0xFFFF for word in words)
    assert decode_report(words) == report


@given(st.integers(-(2**70), 2**70), st.sampled_from(range(len(REPORT_FIELDS))))
def test_every_value_of_every_field_fits_its_registers(value, index):
    field = REPORT_FIELDS[index]
    words = field.encode(value)
    assert len(words) == field.words
    assert all(0 <= word <= 0xFFFF for word in words)


def test_measures_are_clamped_and_counters_wrap():
    found = decode_report(
        encode_report(
            Report(latency=70_000, offset_x=40_000, offset_y=-40_000, sequence=65_537, trigger_id=2**32 + 5, recipe=-1)
        )
    )
    assert (found.latency, found.offset_x, found.offset_y) == (65_535, 32_767, -32_768)
    assert (found.sequence, found.trigger_id, found.recipe) == (1, 5, 0)


def test_a_signed_offset_is_in_twos_complement_and_a_trigger_id_has_its_high_word_first():
    words = encode_report(Report(offset_x=-1, trigger_id=0x0001_0002))
    assert words[2:4] == [1, 2]
    assert words[11] == 0xFFFF


def test_a_good_part_that_is_not_ready_is_unknown():
    assert decode_report(encode_report(Report(verdict=Result.PASS))).verdict == Result.NONE
    assert decode_report(encode_report(Report(verdict=Result.PASS, flags=Flag.READY))).verdict == Result.PASS


@pytest.mark.parametrize("verdict", [Result.FAULT, 4, -1])
def test_a_verdict_that_is_none_is_refused(verdict):
    with pytest.raises(ValueError):
        encode_report(Report(verdict=verdict))


def test_what_the_plc_says_is_read_by_name():
    poll = decode_poll([0b100011, 1, 2, 7, 3, 6, 0, 0])
    assert poll.status == Status.LINE_RUNNING | Status.TRIGGER | Status.HEARTBEAT
    assert (poll.trigger_id, poll.result_ack, poll.recipe_request, poll.acted_on) == (65_538, 7, 3, 6)
    assert encode_poll(poll) == [0b100011, 1, 2, 7, 3, 6, 0, 0]


def test_status_bits_without_a_meaning_are_dropped():
    assert decode_poll([0xFFFF, 0, 0, 0, 0, 0, 0, 0]).status == Status(0b111111)


@pytest.mark.parametrize("count", [0, 7, 9])
def test_a_poll_block_of_another_length_is_refused(count):
    with pytest.raises(ValueError, match="8 registers"):
        decode_poll([0] * count)
