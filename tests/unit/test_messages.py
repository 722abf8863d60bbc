"""Records between the stages: what is packed comes back, and what other programs read keeps its number and its place."""

import select

import pytest

from aoi_daemon import messages
from aoi_daemon.messages import (
    Announcement,
    Arrival,
    Defect,
    Judgement,
    Outcome,
    Proof,
    Reading,
    Reason,
    pack_defects,
    unpack_defects,
)

DEFECTS = tuple(Defect(n, n / 4, n, n + 1, n + 2, n + 3) for n in range(20))


def outcome(**fields):
    numbers = dict(zip(Outcome._fields, range(1, 100), strict=False))
    return Outcome(**{**numbers, "passed": True, "defects": pack_defects(DEFECTS[:3]).ljust(messages.MAX_DEFECTS * 24, b"\0"), "bypassed": True, **fields})


def test_what_the_plc_and_the_records_read_keeps_its_number():
    """PLC programs, MQTT readers and rows written before an update know them by these."""
    assert {each.name: each.value for each in Reason} == {
        "NONE": 0, "DEFECT": 1, "LATE": 2, "NO_IMAGE": 3, "INCOMPLETE": 4, "OVERRUN": 5, "ENGINE_FAULT": 6, "OPTICS": 7, "NO_RECIPE": 8,
        "NOT_READY": 9, "REGISTRATION": 10, "DOUBLED": 11,
    }  # fmt: skip
    assert {each.name: each.value for each in Proof} == {"NOT_PROVEN": 0, "PROVEN": 1, "ACCEPTED": 2, "UPGRADED": 3}


def test_only_a_frame_comes_in_without_a_reason_to_reject():
    assert {arrival.name: arrival.reason.name for arrival in Arrival} == {
        "FRAME": "NONE", "NO_IMAGE": "NO_IMAGE", "INCOMPLETE": "INCOMPLETE", "OVERRUN": "OVERRUN",
    }  # fmt: skip
    assert sorted(Arrival) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "record",
    [
        Announcement(1, 2, 3, 2**32 - 1, 2**64 - 1, -1, 2**62, -(2**62), 2**64 - 2),
        Reading(-(2**62), 2**62, 2**32 - 1, True),
        Judgement(True, 10, 255, -1, 65535, 2**32 - 1, 2**64 - 1, 2**64 - 2, -(2**31), 2**31 - 1, 1, 2, 3, bytes(range(24)) * 16),
        outcome(),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_record_comes_back_as_it_was_written_and_no_pipe_tears_it(record):
    packed = record.pack()
    assert type(record).unpack(packed) == record
    assert len(packed) <= select.PIPE_BUF


def test_what_is_not_said_is_not_known():
    assert Announcement(0, 0, 0, 1, 1, 0, 0, 0).trigger_id == 0
    fields = outcome()._asdict()
    for name in ("trigger_id", "bypassed", "proof"):
        del fields[name]
    bare = Outcome(**fields)
    assert (bare.trigger_id, bare.bypassed, bare.proof) == (0, False, Proof.NOT_PROVEN)


def test_the_worst_sixteen_defects_travel():
    packed = pack_defects(DEFECTS)
    assert len(packed) == len(pack_defects(DEFECTS[:16])) == 16 * len(pack_defects(DEFECTS[:1]))
    assert unpack_defects(packed, 20) == DEFECTS[:16]
    assert unpack_defects(packed, 16) == DEFECTS[:16]
    assert unpack_defects(packed, 3) == DEFECTS[:3]
    assert unpack_defects(packed, 0) == ()


def test_of_a_record_only_the_defects_that_were_counted_are_found():
    """The room for the others holds zeros, which would read as defects of class 0."""
    back = Outcome.unpack(outcome(defect_count=3).pack())
    assert back.found == DEFECTS[:3]
    assert outcome(defect_count=0).found == ()


@pytest.mark.parametrize(("answered_ns", "missed"), [(0, True), (1, False), (50, False), (51, True)])
def test_a_part_is_missed_where_the_answer_came_after_the_deadline_or_never(answered_ns, missed):
    assert outcome(answered_ns=answered_ns, deadline_ns=50).missed is missed
