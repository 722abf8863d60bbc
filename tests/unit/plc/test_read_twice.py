"""A word that is read counts once it was read twice in a row."""

from __future__ import annotations

from aoi_daemon.plc.read_twice import ReadTwice


def test_a_word_counts_once_it_was_read_twice_and_the_first_is_no_change():
    word = ReadTwice()
    assert [word.read(value) for value in (3, 3, 4, 3, 5, 5, 5, 3, 3)] == [0, 0, 0, 0, 0, 1, 0, 0, 1]
    assert word.value == 3
