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
    Field,
    Flag,
    Poll,
    Report,
    Status,
    decode_poll,
    decode_report,
    encode_poll,
    encode_report,
    offset_of,
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


# Name, first register, registers; then what becomes of a number out of range: clamped to the lowest and the highest, or
# None where it wraps. Written down here apart from the tables: PLC programs count on every line of it.
LIMITS = {"unsigned": (0, 0xFFFF), "signed": (-0x8000, 0x7FFF), "wraps": None}
REPORT_MAP = (
    ("map_version", 0, 1, "unsigned"),
    ("heartbeat", 1, 1, "wraps"),
    ("trigger_id", 2, 2, "wraps"),
    ("verdict", 4, 1, "unsigned"),
    ("defect_class", 5, 1, "signed"),
    ("defect_count", 6, 1, "unsigned"),
    ("latency", 7, 1, "unsigned"),
    ("recipe", 8, 1, "unsigned"),
    ("error_code", 9, 1, "unsigned"),
    ("flags", 10, 1, "unsigned"),
    ("offset_x", 11, 1, "signed"),
    ("offset_y", 12, 1, "signed"),
    ("reject_rate", 13, 1, "unsigned"),
    ("frequent_class", 14, 1, "signed"),
    ("sequence", 15, 1, "wraps"),
)
POLL_MAP = (
    ("status", 0, 1, "unsigned"),
    ("trigger_id", 1, 2, "wraps"),
    ("result_ack", 3, 1, "wraps"),
    ("recipe_request", 4, 1, "unsigned"),
    ("acted_on", 5, 1, "wraps"),
    ("reserved", 6, 2, "wraps"),
)
EDGES = sorted(
    {sign * (1 << bits) + step for bits in (0, 15, 16, 31, 32, 33) for sign in (1, -1) for step in (-1, 0, 1)}
)


def in_registers(value, words, rule):
    """The registers of `value`, by the rule in words: two's complement, high word first."""
    if LIMITS[rule] is not None:
        lowest, highest = LIMITS[rule]
        value = lowest if value < lowest else highest if value > highest else value
    whole = value % 2 ** (16 * words)
    return [whole] if words == 1 else [whole // 65_536, whole % 65_536]


@pytest.mark.parametrize(
    ("encode", "nothing", "table"),
    [(encode_report, Report(), REPORT_MAP), (encode_poll, Poll(), POLL_MAP)],
    ids=["report", "poll"],
)
def test_each_number_is_at_its_registers_and_a_number_out_of_range_does_what_the_map_says(encode, nothing, table):
    """And moves no other: a trigger number that overflowed into its neighbour would be a verdict."""
    rest = encode(nothing)
    assert [name for name, *_ in table] == list(nothing._fields)
    for name, at, words, rule in table:
        for value in EDGES if name != "verdict" else (0, 2):
            found = encode(nothing._replace(**{name: value}))
            assert found[at : at + words] == in_registers(value, words, rule), (name, value)
            assert found[:at] + found[at + words :] == rest[:at] + rest[at + words :], (name, value)


def test_a_report_of_nothing_says_so():
    """No defect is class -1, not class 0; no verdict, no flag, no recipe is 0."""
    assert encode_report(Report()) == [MAP_VERSION, 0, 0, 0, 0, 0xFFFF, 0, 0, 0, 0, 0, 0, 0, 0, 0xFFFF, 0]
    assert encode_poll(Poll()) == [0] * 8
    assert (decode_report(encode_report(Report())), decode_poll(encode_poll(Poll()))) == (Report(), Poll())


def test_the_map_is_version_2_and_its_bits_are_where_the_plc_reads_them():
    assert MAP_VERSION == 2
    assert {bit.name: bit.value for bit in Flag} == {"ALARM": 1, "READY": 2, "RUN_PERMIT": 4, "OVERRUN": 8}
    status = {"LINE_RUNNING": 1, "TRIGGER": 2, "REJECT_CONFIRMED": 4, "ALARM_RESET": 8, "BYPASS": 16, "HEARTBEAT": 32}
    assert {bit.name: bit.value for bit in Status} == status


@pytest.mark.parametrize(("name", "at"), [(name, at) for name, at, *_ in REPORT_MAP])
def test_a_register_is_found_by_its_name(name, at):
    assert offset_of(name) == at


@pytest.mark.parametrize(("words", "signed"), [(1, True), (2, True), (1, False), (2, False)])
def test_a_number_of_any_kind_in_range_is_read_as_it_was_written(words, signed):
    size = 2 ** (16 * words)
    lowest, highest = (-size // 2, size // 2 - 1) if signed else (0, size - 1)
    for wraps in (False, True):
        field = Field("one", words, signed, wraps, "One.")
        for value in (each for each in EDGES if lowest <= each <= highest):
            assert field.decode(field.encode(value)) == value


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


@pytest.mark.parametrize("count", [0, 15, 17])
def test_a_report_of_another_length_is_refused(count):
    with pytest.raises(ValueError, match="16 registers"):
        decode_report([0] * count)


@pytest.mark.parametrize("count", [0, 7, 9])
def test_a_poll_block_of_another_length_is_refused(count):
    with pytest.raises(ValueError, match="8 registers"):
        decode_poll([0] * count)
