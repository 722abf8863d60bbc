"""The coil map: what can be written, and what it reads as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.plcmap.coils import COILS, SAFE, Coil, Result, bits, pack, view, word_of

WORDS = st.integers(0, 0xFFFF)
VERDICTS = st.sampled_from([Result.NONE, Result.PASS, Result.REJECT])
FLAGS = st.fixed_dictionaries(
    {name: st.booleans() for name in ("ready", "alarm", "heartbeat", "result_toggle", "run_permit", "overrun")}
)


def test_each_coil_is_where_the_map_says():
    assert pack(Result.PASS, ready=True) == 0b1001
    assert pack(Result.REJECT) == 0b10
    assert pack(alarm=True) == 1 << 2
    assert pack(ready=True) == 1 << 3
    assert pack(heartbeat=True) == 1 << 4
    assert pack(result_toggle=True) == 1 << 5
    assert pack(run_permit=True) == 1 << 6
    assert pack(overrun=True) == 1 << 7
    assert pack(sequence=0x01) == 1 << 8
    assert pack(sequence=0x80) == 1 << 15


def test_the_safe_word_is_what_nothing_set_makes():
    assert pack() == SAFE == 0


@given(VERDICTS, FLAGS, st.integers(0, 2**64 - 1))
def test_a_word_reads_as_it_was_packed(result, flags, sequence):
    coils = view(pack(result, **flags, sequence=sequence))
    withdrawn = result == Result.PASS and not flags["ready"]
    assert coils.result == (Result.NONE if withdrawn else result)
    assert {name: getattr(coils, name) for name in flags} == flags
    assert coils.sequence == sequence % 256


@given(VERDICTS, FLAGS, st.integers(0, 255))
def test_no_packed_word_passes_a_part_without_ready(result, flags, sequence):
    word = pack(result, **flags, sequence=sequence)
    assert not word >> Coil.PASS & 1 or word >> Coil.READY & 1


@given(VERDICTS, FLAGS, st.integers(0, 255))
def test_no_packed_word_has_pass_and_reject(result, flags, sequence):
    assert view(pack(result, **flags, sequence=sequence)).result != Result.FAULT


def test_pass_and_reject_together_cannot_be_packed():
    with pytest.raises(ValueError, match="antivalent"):
        pack(Result.FAULT, ready=True)


def test_a_negative_sequence_is_refused():
    with pytest.raises(ValueError, match="-1"):
        pack(sequence=-1)


def test_a_foreign_word_with_both_set_reads_as_a_fault():
    assert view(0b11).result == Result.FAULT


@given(WORDS)
def test_bits_are_the_word_with_pass_first(word):
    assert len(bits(word)) == COILS
    assert bits(word)[Coil.PASS] == bool(word & 1)
    assert word_of(bits(word)) == word
