"""The verdict ring: every reader gets each record whole, or is told how many it lost."""

import subprocess
import sys

import pytest

from aoi_daemon.messages import Defect, Outcome, Reason, pack_defects
from aoi_daemon.ring import journal, verdicts
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.verdicts import RECORDS, SIZE_BYTES, VerdictReader, VerdictWriter

DEFECTS = (Defect(2, 0.5, 1.0, 2.0, 3.0, 4.0), Defect(0, 0.25, 5.0, 6.0, 7.0, 8.0))


def outcome(part: int) -> Outcome:
    return Outcome(
        part, False, Reason.DEFECT, 0, 2, len(DEFECTS), 1, 0, part, 2**64 - 1, -3, 4,
        10, 20, 30, 40, 50, 60, 70, 80, pack_defects(DEFECTS),
    )  # fmt: skip


@pytest.fixture
def memory():
    with SharedMemory.create("verdicts", SIZE_BYTES) as memory:
        yield memory


def test_an_outcome_comes_back_as_it_was_written(memory):
    VerdictWriter(memory).append(outcome(1))
    (found,) = VerdictReader(memory, from_start=True).read()
    assert found.part == 1
    assert found.bundle == 2**64 - 1
    assert (found.offset_x, found.offset_y) == (-3, 4)
    assert found.found == DEFECTS


def test_a_new_reader_starts_at_the_newest(memory):
    writer = VerdictWriter(memory)
    writer.append(outcome(1))
    reader = VerdictReader(memory)
    writer.append(outcome(2))
    assert [each.part for each in reader.read()] == [2]


def test_a_restarted_writer_goes_on_after_the_last_record(memory):
    VerdictWriter(memory).append(outcome(1))
    VerdictWriter(memory).append(outcome(2))
    assert [each.part for each in VerdictReader(memory, from_start=True).read()] == [1, 2]


def test_a_record_that_was_prepared_is_not_seen_until_it_is_appended(memory):
    writer, reader = VerdictWriter(memory), VerdictReader(memory)
    writer.prepare(outcome(1))
    assert reader.read() == []
    writer.append(outcome(1)._replace(answered_ns=99))
    assert [each.answered_ns for each in reader.read()] == [99]


def test_the_successor_of_a_killed_writer_appends_what_was_prepared(memory):
    """A PASS that the PLC may have seen has its record, though the writer died while sending it."""
    VerdictWriter(memory).prepare(outcome(7)._replace(answered_ns=0))
    successor, reader = VerdictWriter(memory), VerdictReader(memory, from_start=True)
    assert successor.recovered is not None and successor.recovered.part == 7
    assert [each.part for each in reader.read()] == [7]
    assert VerdictWriter(memory).recovered is None


def test_a_reader_that_was_lapped_knows_how_many_it_lost(memory):
    writer, reader = VerdictWriter(memory), VerdictReader(memory)
    for part in range(1, RECORDS + 101):
        writer.append(outcome(part))
    found = [each.part for each in reader.read()]
    assert found == list(range(RECORDS + 101 - len(found), RECORDS + 101))
    assert reader.lost == RECORDS + 100 - len(found)


def test_a_record_that_was_torn_is_not_given_out(memory):
    VerdictWriter(memory).append(outcome(1))
    start = journal._START + verdicts._LAYOUT.record_bytes + journal._HEAD.size
    memory.map[start] ^= 1
    assert VerdictReader(memory, from_start=True).read() == []


def test_a_reader_beside_a_busy_writer_gets_only_whole_records(memory):
    code = f"""
from aoi_daemon.messages import Outcome
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.verdicts import SIZE_BYTES, VerdictWriter
writer = VerdictWriter(SharedMemory({memory.fd}, SIZE_BYTES))
for n in range(1, 40001):
    writer.append(Outcome(n, False, 1, 0, 0, 0, 1, 0, n, n, 0, 0, n, n, n, n, n, n, n, n, b""))
"""
    reader = VerdictReader(memory)
    process = subprocess.Popen([sys.executable, "-c", code], pass_fds=[memory.fd])
    seen = 0
    last = 0
    running = True
    while running:
        running = process.poll() is None
        for each in reader.read():
            assert each.part == each.sequence == each.trigger_ns == each.answered_ns
            assert each.part > last
            last = each.part
            seen += 1
    assert process.wait(30) == 0
    assert last == 40000
    assert seen + reader.lost == 40000
