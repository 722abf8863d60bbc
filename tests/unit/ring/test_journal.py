"""ring/journal.py: what a reader gets that is behind, in front of a writer that goes on meanwhile."""

import itertools

import pytest

from aoi_daemon.ring.journal import JournalLayout, JournalReader, JournalWriter
from aoi_daemon.ring.memory import SharedMemory

LAYOUT = JournalLayout(records=4, body_bytes=8)


def body(number: int) -> bytes:
    return b"%08d" % number


@pytest.fixture
def memory():
    with SharedMemory.create("journal", LAYOUT.size_bytes) as made:
        yield made


@pytest.fixture
def writer(memory):
    return JournalWriter(memory, LAYOUT)


def append(writer: JournalWriter, *numbers: int) -> None:
    for number in numbers:
        writer.append(body(number))


def read(reader: JournalReader, at_most: int = 99) -> list[int]:
    found = reader.read(at_most)
    assert all(text == body(number) for number, text in found)
    return [number for number, _ in found]


class Racing:
    """The cursor; once it has been looked at, the writer appends `more` records before the next look."""

    def __init__(self, cells, writer, more) -> None:
        self.cells, self.writer, self.more = cells, writer, more

    def __getitem__(self, index: int) -> int:
        found = self.cells[index]
        append(self.writer, *self.more)
        self.more = ()
        return found


def test_no_more_than_was_asked_for_and_the_rest_the_next_time(memory, writer):
    reader = JournalReader(memory, LAYOUT)
    append(writer, 1, 2, 3, 4)
    assert read(reader, 3) == [1, 2, 3]
    assert read(reader, 0) == []
    assert read(reader, 3) == [4]
    assert reader.lost == 0


@pytest.mark.parametrize("count", range(4, 15))
def test_a_reader_that_is_behind_gets_the_newest_and_knows_what_it_lost(memory, writer, count):
    reader = JournalReader(memory, LAYOUT)
    append(writer, *range(1, count + 1))
    assert read(reader) == list(range(count - 3, count + 1))
    assert (reader.lost, reader.next) == (count - 4, count + 1)


@pytest.mark.parametrize("more", range(1, 5))
def test_what_is_overwritten_while_it_is_read_is_lost_and_the_rest_is_read(memory, writer, more):
    reader = JournalReader(memory, LAYOUT)
    append(writer, 1, 2, 3, 4)
    reader._cells = Racing(reader._cells, writer, range(5, 5 + more))
    assert read(reader) == list(range(1 + more, 5))
    assert reader.lost == more
    assert read(reader) == list(range(5, 5 + more))


def test_a_record_that_is_being_overwritten_is_lost_though_the_cursor_has_not_moved(memory, writer):
    reader = JournalReader(memory, LAYOUT)
    append(writer, 1, 2, 3, 4)
    memory.map[LAYOUT.start(5)] ^= 1  # the first byte of record 5, in the place of record 1
    assert read(reader) == [2, 3, 4]
    assert reader.lost == 1


def test_a_record_that_is_not_whole_yet_is_read_the_next_time_and_none_before_it(memory, writer):
    """On a processor that shows the cursor before the record."""
    reader = JournalReader(memory, LAYOUT)
    append(writer, 1, 2, 3)
    memory.map[LAYOUT.start(2) + LAYOUT.record_bytes - 1] ^= 1
    assert read(reader) == [1]
    assert read(reader) == []
    memory.map[LAYOUT.start(2) + LAYOUT.record_bytes - 1] ^= 1
    assert read(reader) == [2, 3]
    assert reader.lost == 0


def test_neither_cursor_nor_what_is_prepared_lies_in_a_record():
    """Each byte of the memory belongs to one of them."""
    starts = sorted([LAYOUT.start(number) for number in range(1, 5)] + [LAYOUT.prepared])
    assert [after - start for start, after in itertools.pairwise(starts)] == [LAYOUT.record_bytes] * 4
    assert starts[0] == 64, "the cursor has a cache line of its own"
    assert starts[-1] + LAYOUT.record_bytes == LAYOUT.size_bytes
    assert LAYOUT.start(5) == LAYOUT.start(1)


@pytest.mark.parametrize("cursor", [2**32 - 3, 2**40])
def test_a_journal_goes_on_beyond_what_its_checksum_counts(memory, cursor):
    """At a part each 5 ms that is after 248 days."""
    memory.map[:8] = cursor.to_bytes(8, "little")
    writer, reader = JournalWriter(memory, LAYOUT), JournalReader(memory, LAYOUT)
    for number in range(4):
        writer.append(body(number))
    assert reader.read(9) == [(cursor + 1 + number, body(number)) for number in range(4)]
    assert (reader.lost, writer.cursor) == (0, cursor + 4)


def test_what_was_prepared_for_a_record_that_has_been_appended_is_not_appended_again(memory, writer):
    writer.prepare(body(1))
    append(writer, 1)
    successor = JournalWriter(memory, LAYOUT)
    assert (successor.recovered, successor.cursor) == (None, 1)


def test_what_was_prepared_is_appended_by_the_successor_and_is_read_once(memory, writer):
    append(writer, *range(1, 6))
    reader = JournalReader(memory, LAYOUT)
    writer.prepare(body(6))
    assert read(reader) == []
    successor = JournalWriter(memory, LAYOUT)
    assert (successor.recovered, successor.cursor) == (body(6), 6)
    assert read(reader) == [6]
    assert JournalWriter(memory, LAYOUT).recovered is None


def test_a_reader_from_the_start_reads_what_is_kept_and_a_new_one_what_comes(memory, writer):
    append(writer, 1, 2, 3)
    early, late = JournalReader(memory, LAYOUT, from_start=True), JournalReader(memory, LAYOUT)
    append(writer, 4)
    assert (read(early), read(late)) == ([1, 2, 3, 4], [4])
    append(writer, 5)
    last = JournalReader(memory, LAYOUT, from_start=True)
    assert (read(last), last.lost) == ([2, 3, 4, 5], 1)


def test_a_reader_that_is_very_far_behind_does_not_look_for_what_is_lost(memory):
    """One look for each lost record would take days."""
    cursor = 2**40
    memory.map[:8] = cursor.to_bytes(8, "little")
    writer, reader = JournalWriter(memory, LAYOUT), JournalReader(memory, LAYOUT, from_start=True)
    for number in range(4):
        writer.append(body(number))
    assert reader.read(9) == [(cursor + 1 + number, body(number)) for number in range(4)]
    assert (reader.lost, reader.next) == (cursor, cursor + 5)
