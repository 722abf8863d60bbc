"""The simulated PLC's wrong answers."""

import pytest

from aoi_daemon.kit.simulator.faults import ECHO_FIELDS, Fault, Kind, spoil

ECHO = bytes.fromhex("0001 0000 0006 01 0f 0000 0010")


@pytest.mark.parametrize("field", ECHO_FIELDS)
def test_each_field_spoils_the_answer_in_its_own_way(field):
    spoiled = spoil(ECHO, field)
    assert spoiled != ECHO
    assert [spoil(ECHO, other) for other in ECHO_FIELDS].count(spoiled) == 1


def test_an_answer_cut_short_says_its_new_length_and_a_long_one_its_old():
    assert spoil(ECHO, "short")[5] == 5
    assert len(spoil(ECHO, "short")) == 11
    assert spoil(ECHO, "long")[5] == 6
    assert len(spoil(ECHO, "long")) == 13


@pytest.mark.parametrize("wrong", [{"ms": -1}, {"ms": 60_001}, {"code": 0}, {"code": 9}, {"field": "colour"}])
def test_a_fault_with_a_wrong_parameter_cannot_be_made(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong)))):
        Fault(Kind.DELAY, **wrong)
