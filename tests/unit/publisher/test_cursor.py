"""How far the broker has confirmed, over restarts and over damage."""

import sqlite3
from contextlib import closing

import pytest

from aoi_daemon.publisher.cursor import FILE, CursorError, CursorFile
from aoi_daemon.publisher.stream import Cursor


def test_a_cursor_outlives_the_process(tmp_path):
    with CursorFile(tmp_path) as file:
        assert file.read("results") is None and file.lost == 0
        file.write("results", Cursor(5, "run-5"))
        file.write("results", Cursor(7, "run-7"), lost=2)
        file.write("alarms", Cursor(1, "run-1"), lost=1)
    with CursorFile(tmp_path) as file:
        assert file.read("results") == Cursor(7, "run-7")
        assert file.read("alarms") == Cursor(1, "run-1")
        assert file.lost == 3


def test_a_cursor_written_and_not_closed_is_there(tmp_path):
    """What a SIGKILL leaves behind."""
    first = CursorFile(tmp_path)
    first.write("results", Cursor(7, "run-7"))
    with CursorFile(tmp_path) as second:
        assert second.read("results") == Cursor(7, "run-7")
    first.close()


def test_a_damaged_file_is_moved_aside_and_begun_anew(tmp_path):
    content = b"not a database at all, but long enough to be read as the head of one" * 20
    (tmp_path / FILE).write_bytes(content)
    with CursorFile(tmp_path) as file:
        assert file.read("results") is None
    assert [path.read_bytes() for path in tmp_path.glob(f"{FILE}.damaged-*")] == [content]


def test_pages_that_do_not_fit_together_are_damage(tmp_path):
    with CursorFile(tmp_path) as file:
        for number in range(200):
            file.write(f"stream-{number}", Cursor(1, "k" * 100))
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    path.write_bytes(data)
    with CursorFile(tmp_path) as file:
        assert file.read("stream-1") is None
    assert list(tmp_path.glob(f"{FILE}.damaged-*"))


def test_another_program_s_database_is_not_written_to(tmp_path):
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("CREATE TABLE theirs (x)")
    with CursorFile(tmp_path) as file:
        file.write("results", Cursor(1, "a"))
    (aside,) = tmp_path.glob(f"{FILE}.damaged-*")
    with closing(sqlite3.connect(aside)) as other:
        assert other.execute("SELECT count(*) FROM theirs").fetchone() == (0,)


def test_an_empty_file_is_begun(tmp_path):
    (tmp_path / FILE).touch()
    with CursorFile(tmp_path) as file:
        file.write("results", Cursor(1, "a"))


def test_a_folder_that_is_not_there_is_an_error_with_its_name(tmp_path):
    with pytest.raises(CursorError, match=r"none/publisher.sqlite.*able to write there"):
        CursorFile(tmp_path / "none")


def test_a_file_that_somebody_holds_is_an_error_and_can_be_written_after(tmp_path):
    with CursorFile(tmp_path) as file:
        with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(CursorError, match=r"locked.*move the file away"):
                file.write("results", Cursor(1, "a"))
        file.write("results", Cursor(2, "b"))
        assert file.read("results") == Cursor(2, "b")
