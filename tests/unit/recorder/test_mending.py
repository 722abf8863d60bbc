"""What a killed recorder, a power cut and a damaged disk leave behind."""

import sqlite3
from contextlib import closing

import pytest

from aoi_daemon.recorder import lost_pictures, mending
from aoi_daemon.recorder.mending import mend, open_whole
from aoi_daemon.recorder.pictures import Pictures
from aoi_daemon.records.database import RecordsError, open_writer, writing
from aoi_daemon.records.parts import Image, insert_image
from tests.unit.recorder.conftest import picture
from tests.unit.records.conftest import NOON


def put(connection, folder, name, *, recorded=True, kind="frame"):
    """A picture as the recorder writes it; `recorded` False: killed before its row."""
    with closing(Pictures(folder, 1)) as pictures:
        written = pictures.write(picture(7), name, NOON)
        if recorded:
            with writing(connection):
                insert_image(connection, Image(NOON, "top", kind, "reject", "", written.file, written.size_bytes, 16, 16))
            pictures.recorded()
    return folder / written.file


def files(connection):
    return [name for (name,) in connection.execute("SELECT file FROM images ORDER BY id")]


@pytest.fixture
def whole(tmp_path, log):
    connection, aside = open_whole(tmp_path, log, check=True)
    assert aside == ""
    yield connection
    connection.close()


def test_a_picture_without_a_row_is_removed_and_one_with_a_row_stays(whole, tmp_path, log):
    kept = put(whole, tmp_path, "kept")
    orphan = put(whole, tmp_path, "orphan", recorded=False)
    (tmp_path / "incoming" / "partial.png").write_bytes(b"half a pict")
    mend(whole, tmp_path, log)
    assert kept.exists() and not orphan.exists()
    assert [path.name for path in (tmp_path / "incoming").iterdir()] == ["list"]
    assert (tmp_path / "incoming" / "list").read_text() == ""
    assert log.events[-1] == ("records_mended", {"files_without_row": 2, "rows_without_file": 0, "pictures_missing": 0})


def test_killed_between_the_row_and_the_list_nothing_is_removed(whole, tmp_path, log):
    kept = put(whole, tmp_path, "kept")
    (tmp_path / "incoming" / "list").write_text(kept.relative_to(tmp_path).as_posix() + "\n")
    mend(whole, tmp_path, log)
    assert kept.exists() and len(files(whole)) == 1


@pytest.mark.parametrize("line", ["../../etc/passwd", "/etc/passwd", "images/../records.sqlite", "templates/x.png", "imag", "", "images/\0.png"])
def test_a_torn_list_removes_nothing_else(whole, tmp_path, log, line):
    for name in ("templates", "images"):
        (tmp_path / name).mkdir()
    (tmp_path / "templates" / "x.png").write_bytes(b"")
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "list").write_text(line)
    mend(whole, tmp_path, log)
    assert (tmp_path / "records.sqlite").exists() and (tmp_path / "templates" / "x.png").exists()


def test_rows_whose_picture_a_power_cut_took_are_removed(whole, tmp_path, log):
    put(whole, tmp_path, "whole")
    put(whole, tmp_path, "empty").write_bytes(b"")
    put(whole, tmp_path, "gone").unlink()
    mend(whole, tmp_path, log)
    assert files(whole) == ["images/2026-11-22/12/whole.png"]


@pytest.mark.parametrize("content", [lambda raw: bytes(len(raw)), lambda raw: raw[:-60] + bytes(60), lambda raw: bytes(20) + raw[20:]])
def test_a_picture_of_the_right_length_is_read_for_a_cut_may_leave_zeros(whole, tmp_path, log, content):
    put(whole, tmp_path, "whole")
    file = put(whole, tmp_path, "zeros")
    file.write_bytes(content(file.read_bytes()))
    mend(whole, tmp_path, log)
    assert files(whole) == ["images/2026-11-22/12/whole.png"]


def test_pictures_are_read_for_as_long_as_there_is_time(whole, tmp_path):
    names = [put(whole, tmp_path, name).name for name in ("a", "b", "c")]
    for name in names:
        file = tmp_path / "images/2026-11-22/12" / name
        file.write_bytes(bytes(file.stat().st_size))
    ticks = iter((0.0, 0.5, 2.0, 2.0))
    with writing(whole):
        lost_pictures.forget_lost(whole, tmp_path, "", lambda: next(ticks))
    assert len(files(whole)) == 2, "the newest was read, and the others are for whoever looks at them"


def rejected(connection, number, run="a"):
    """A reject of `run`; its row's number."""
    connection.execute("INSERT OR IGNORE INTO runs (run, line, at) VALUES (?, 'l', 0)", (run,))
    connection.execute("INSERT OR IGNORE INTO products (id, recipe_id, recipe, bundle, classes, px_per_mm) VALUES (1, 1, 'r', '', '[]', 1)")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(parts)") if row[3] and not row[5]]
    values = {name: 0 for name in columns} | {"part": number, "at": NOON, "product_id": 1, "camera": "top", "reason": "DEFECT"}
    values["run_id"] = connection.execute("SELECT id FROM runs WHERE run = ?", (run,)).fetchone()[0]
    names = ", ".join(values)
    return connection.execute(f"INSERT INTO parts ({names}) VALUES ({', '.join('?' * len(values))})", [*values.values()]).lastrowid


def gaps(connection):
    return connection.execute("SELECT r.run, g.first_part, g.last_part, g.what FROM gaps g JOIN runs r ON r.id = g.run_id ORDER BY 1, 2").fetchall()


def test_a_reject_whose_picture_did_not_reach_the_disk_has_a_gap_that_says_so(whole, tmp_path, log):
    """Whether its row was there and the file gone, or the cut came before the picture was begun."""
    with closing(Pictures(tmp_path, 1)) as pictures, writing(whole):
        for number in (1, 2, 3):
            part = rejected(whole, number)
            if number < 3:
                written = pictures.write(picture(7), f"part{number}", NOON)
                insert_image(whole, Image(NOON, "top", "frame", "reject", "", written.file, written.size_bytes, 16, 16), part=part)
        rejected(whole, 4, run="this one")
    (tmp_path / "images/2026-11-22/12/part1.png").write_bytes(b"")
    mend(whole, tmp_path, log, "this one")
    assert gaps(whole) == [("a", 1, 1, "images"), ("a", 3, 3, "images")], "part 4 comes once more, from the ring"
    mend(whole, tmp_path, log, "this one")
    assert len(gaps(whole)) == 2, "once"


def test_a_list_that_is_older_than_its_pictures_rows_removes_none_of_them(whole, tmp_path, log, monkeypatch):
    """Nobody syncs the list: after a cut it may be one of long ago."""
    monkeypatch.setattr(mending, "NEWEST", 1)
    old = put(whole, tmp_path, "old")
    put(whole, tmp_path, "new")
    (tmp_path / "incoming" / "list").write_text(f"{old.relative_to(tmp_path).as_posix()}\n")
    mend(whole, tmp_path, log)
    assert old.exists() and len(files(whole)) == 2


def test_only_the_newest_rows_are_looked_at(whole, tmp_path, log, monkeypatch):
    monkeypatch.setattr(lost_pictures, "NEWEST", 2)
    old = put(whole, tmp_path, "old")
    old.unlink()
    for name in ("a", "b"):
        put(whole, tmp_path, name)
    mend(whole, tmp_path, log)
    assert len(files(whole)) == 3, "a start takes as long with a year of pictures as with a day"


def test_a_clean_folder_is_not_written_about(whole, tmp_path, log):
    mend(whole, tmp_path, log)
    assert log.events == []


def damage(folder, where):
    with closing(open_writer(folder, create=True)) as connection:
        with writing(connection):
            connection.executemany("INSERT INTO runs (run, line, at) VALUES (?, 'l', 0)", ((f"{n:032x}",) for n in range(2000)))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = folder / "records.sqlite"
    content = bytearray(file.read_bytes())
    content[where : where + 3000] = b"\xa5" * 3000
    file.write_bytes(content)
    return bytes(content)


@pytest.mark.parametrize("where", [0, 4096 * 3 + 8, 40 * 4096])
def test_a_damaged_database_is_kept_under_another_name_and_a_new_one_begun(tmp_path, log, where):
    content = damage(tmp_path, where)
    connection, aside = open_whole(tmp_path, log, check=True)
    with closing(connection):
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    assert aside.startswith("records.sqlite.damaged-")
    assert (tmp_path / aside).read_bytes() == content
    assert log.events[0][0] == "records_damaged" and log.events[0][1]["kept_as"] == aside


def test_two_damaged_ones_do_not_overwrite_each_other(tmp_path, log):
    names = set()
    for _ in range(2):
        (tmp_path / "records.sqlite").write_bytes(b"no database" * 999)
        connection, aside = open_whole(tmp_path, log, check=True)
        connection.close()
        names.add(aside)
    assert len(names) == 2 and all((tmp_path / name).exists() for name in names)


def test_another_programs_database_is_not_moved(tmp_path, log):
    with closing(sqlite3.connect(tmp_path / "records.sqlite")) as raw:
        raw.execute("CREATE TABLE recipes (name)")
    with pytest.raises(RecordsError, match="another program"):
        open_whole(tmp_path, log, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["records.sqlite"]


def test_a_check_that_takes_too_long_is_cut_short(tmp_path, log, monkeypatch):
    with closing(open_writer(tmp_path, create=True)) as made:
        made.execute(
            "CREATE TABLE large AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 300000) SELECT x FROM n"
        )
    monkeypatch.setattr(mending, "_CHECK_S", 0.001)
    connection, aside = open_whole(tmp_path, log, check=True)
    assert connection.execute("SELECT count(*) FROM large").fetchone() == (300_000,), "no later question is interrupted"
    connection.close()
    assert (aside, log.names()) == ("", ["records_check_cut_short"])


def test_a_new_database_takes_the_pictures_of_the_old_one_in(tmp_path, log):
    """Else nobody would ever remove them."""
    with closing(open_writer(tmp_path, create=True)) as old:
        put(old, tmp_path, "a")
        with closing(Pictures(tmp_path, 1)) as pictures:
            pictures.write_template(picture(1))
    for file in tmp_path.glob("records.sqlite*"):
        file.unlink()
    connection, _ = open_whole(tmp_path, log, check=True)
    with closing(connection):
        assert sorted(connection.execute("SELECT kind, part_id FROM images")) == [("context", None), ("template", None)]
    connection, _ = open_whole(tmp_path, log, check=True)
    with closing(connection):
        assert len(files(connection)) == 2, "once"
