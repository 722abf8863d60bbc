"""Reading the records beside the recorder: a real database, written by the records' own functions."""

import os
import sqlite3
import time
from contextlib import closing

import pytest

from aoi_daemon.publisher.source import Source
from aoi_daemon.publisher.stream import Cursor
from aoi_daemon.records.database import DATABASE, RecordsError
from tests.unit.publisher.recording import RUN, record, record_alarm, remove


@pytest.fixture
def source(tmp_path):
    with closing(Source(tmp_path, "line-1", passes=True)) as found:
        yield found


def test_parts_come_in_the_order_of_their_rows(tmp_path, source):
    record(tmp_path, range(1, 8))
    assert [(row.id, row.key) for row in source.results(2, 3)] == [(n, f"{RUN}-{n}") for n in (3, 4, 5)]
    assert source.results(7, 3) == [] and source.newest("parts") == 7


def test_passes_are_rows_without_a_message_where_they_are_not_wanted(tmp_path):
    record(tmp_path, range(1, 5))
    with closing(Source(tmp_path, "line-1", passes=False)) as source:
        assert [row.payload is not None for row in source.results(0, 9)] == [False, False, True, False]


def test_events_other_than_alarms_have_no_message(tmp_path, source):
    record_alarm(tmp_path, 1)
    record_alarm(tmp_path, 2, kind="audit")
    assert [(row.key, row.payload is not None) for row in source.alarms(0, 9)] == [(f"{RUN}-1", True), (f"{RUN}-2", False)]
    assert source.newest("events") == 2


def test_the_first_row_of_a_time_is_found(tmp_path, source):
    now = time.time()
    record(tmp_path, [1, 2], at=now - 1000)
    record(tmp_path, [3, 4], at=now)
    assert source.first_since("parts", now - 2000) == 1
    assert source.first_since("parts", now - 500) == 3
    assert source.first_since("parts", now + 1) == 5, "one past the newest where there is none"
    remove(tmp_path, 1, 3)
    assert source.first_since("parts", 0) == 4
    remove(tmp_path, 4, 4)
    assert source.first_since("parts", 0) == 5
    assert source.first_since("events", 0) == 1


def test_a_cursor_belongs_to_the_database_that_it_was_made_with(tmp_path, source):
    record(tmp_path, range(1, 6))
    record_alarm(tmp_path, 1)
    assert source.belongs("parts", Cursor(3, f"{RUN}-3")) and source.belongs("events", Cursor(1, f"{RUN}-1"))
    assert source.belongs("parts", Cursor(0, ""))
    assert not source.belongs("parts", Cursor(3, f"{'e' * 32}-3")), "another row has that number"
    assert not source.belongs("parts", Cursor(6, "")), "no row has had that number yet"
    remove(tmp_path, 1, 4)
    assert source.belongs("parts", Cursor(3, f"{RUN}-3")), "its row has been removed; nothing speaks against it"


def test_records_that_are_not_there_yet_are_an_error_and_then_not(tmp_path):
    folder = tmp_path / "records"
    with closing(Source(folder, "line-1", passes=True)) as source:
        with pytest.raises(RecordsError, match="the recorder makes it"):
            source.look()
        record(folder, [1])
        source.look()
        assert len(source.results(0, 9)) == 1


def test_a_database_that_was_replaced_is_opened_anew(tmp_path, source):
    record(tmp_path, [1, 2])
    source.look()
    assert len(source.results(0, 9)) == 2 and source.opened == 1
    (tmp_path / DATABASE).rename(tmp_path / "old")
    with pytest.raises(RecordsError):
        source.look()
    record(tmp_path, [1])
    source.look()
    assert len(source.results(0, 9)) == 1 and source.opened == 2


def test_a_database_that_another_took_the_place_of_is_opened_anew(tmp_path, source):
    record(tmp_path, [1, 2])
    source.look()
    record(tmp_path / "other", [1], run="e" * 32)
    (tmp_path / "other" / DATABASE).replace(tmp_path / DATABASE)
    for end in ("-wal", "-shm"):
        (tmp_path / (DATABASE + end)).unlink(missing_ok=True)
    source.look()
    assert [row.key for row in source.results(0, 9)] == ["e" * 32 + "-1"]


@pytest.mark.parametrize("content", [b"", b"no database, long enough to have been read as the head of one" * 99])
def test_a_file_that_is_no_records_database_is_an_error(tmp_path, source, content):
    (tmp_path / DATABASE).write_bytes(content)
    with pytest.raises(RecordsError, match=DATABASE):
        source.look()


def test_damage_met_while_reading_is_an_error_and_the_file_is_let_go(tmp_path, source):
    record(tmp_path, range(1, 2000))
    with closing(sqlite3.connect(tmp_path / DATABASE)) as whole:
        whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    source.look()
    with (tmp_path / DATABASE).open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(os.path.getsize(tmp_path / DATABASE) - 8192))
    with pytest.raises(RecordsError, match=DATABASE):
        source.results(0, 500)
    with pytest.raises(RecordsError):
        source.results(0, 500)


def test_a_locked_database_is_an_error_soon_and_then_not(tmp_path, source):
    record(tmp_path, [1])
    # Out of WAL mode a writer shuts readers out, as a maintenance tool would.
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as tool:
        tool.execute("PRAGMA journal_mode = DELETE")
        source.look()
        tool.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RecordsError, match=r"locked|busy"):
            source.results(0, 9)
        tool.execute("ROLLBACK")
        assert len(source.results(0, 9)) == 1


def test_a_reader_holds_no_transaction_between_two_reads(tmp_path, source):
    """Else the recorder's write-ahead log would grow for as long as the publisher lives."""
    record(tmp_path, range(1, 50))
    source.look()
    source.results(0, 10)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as writer:
        busy, _, _ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0
