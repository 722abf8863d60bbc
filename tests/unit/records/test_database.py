"""What a records folder may be, and what becomes of one that is something else."""

import sqlite3
from contextlib import closing

import pytest

from aoi_daemon.records.database import DamagedError, RecordsError, open_reader, open_writer, writing
from aoi_daemon.records.schema import SCHEMA_VERSION


def made(folder):
    open_writer(folder, create=True).close()
    return folder / "records.sqlite"


def test_a_new_database_is_what_the_schema_says(tmp_path):
    with closing(open_writer(tmp_path / "deep" / "records", create=True)) as found:
        pragma = {name: found.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "auto_vacuum", "foreign_keys", "synchronous", "user_version")}
    assert pragma == {"journal_mode": "wal", "auto_vacuum": 2, "foreign_keys": 1, "synchronous": 2, "user_version": SCHEMA_VERSION}


def test_a_database_is_opened_again_as_it_was(records):
    records.add(1)
    with closing(open_writer(records.folder)) as again:
        assert again.execute("SELECT count(*) FROM parts").fetchone() == (1,)


def test_only_the_recorder_makes_one(tmp_path):
    for open_it in (open_reader, open_writer):
        with pytest.raises(RecordsError, match=r"no such folder.*line\.toml"):
            open_it(tmp_path / "records")
    assert not (tmp_path / "records").exists()


def test_one_that_is_being_made_is_not_taken_for_another_programs(tmp_path):
    (tmp_path / "records.sqlite").touch()
    with pytest.raises(RecordsError, match="nothing in it yet"):
        open_reader(tmp_path)
    open_writer(tmp_path, create=True).close()
    open_reader(tmp_path).close()


@pytest.mark.parametrize(("version", "words"), [(SCHEMA_VERSION + 1, "newer aoi-daemon"), (0, "move the folder away")])
def test_another_version_is_refused_with_what_to_do(tmp_path, version, words):
    with closing(sqlite3.connect(made(tmp_path))) as raw:
        raw.execute(f"PRAGMA user_version = {version}")
    for open_it in (open_reader, open_writer):
        with pytest.raises(RecordsError, match=f"schema version {version}.*{words}"):
            open_it(tmp_path)


def test_another_programs_database_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "records.sqlite"
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("CREATE TABLE recipes (name)")
    before = file.read_bytes()
    with pytest.raises(RecordsError, match="another program"):
        open_writer(tmp_path, create=True)
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_file_that_is_no_database_is_damaged(tmp_path, content):
    (tmp_path / "records.sqlite").write_bytes(content)
    with pytest.raises(DamagedError, match=r"records\.sqlite"):
        open_writer(tmp_path, create=True)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordsError, match=r"file/records: cannot be made"):
        open_writer(tmp_path / "file" / "records", create=True)


def test_a_reader_cannot_write(records):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        records.reader.execute("DELETE FROM parts")


def test_a_transaction_that_fails_leaves_nothing(records):
    with pytest.raises(ZeroDivisionError), writing(records.writer):
        records.writer.execute("INSERT INTO runs (run, line, at) VALUES ('x', 'y', 0)")
        raise ZeroDivisionError
    assert records.reader.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_a_reader_sees_what_was_committed_while_another_is_written(records):
    records.add(1)
    with writing(records.writer):
        records.writer.execute("DELETE FROM parts")
        assert records.reader.execute("SELECT count(*) FROM parts").fetchone() == (1,)
    assert records.reader.execute("SELECT count(*) FROM parts").fetchone() == (0,)


def test_the_view_reads_as_the_tables_do(records):
    records.add(1)
    row = records.reader.execute("SELECT uid, recipe, bundle, passed, reason FROM part_list").fetchone()
    assert row == ("f" * 32 + "-1", "demo", "ab" * 8, 1, "NONE")
