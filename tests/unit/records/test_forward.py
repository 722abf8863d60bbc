"""A database of an older version: read as it is, brought forward by whoever may write, and nothing is lost."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from aoi_daemon.messages import Proof, Reason
from aoi_daemon.records import database, parts
from aoi_daemon.records.database import RecordsError, open_reader, open_writer, writing
from aoi_daemon.records.queries import (
    NEVER,
    judged_before_proof,
    part,
    part_ids,
    parts_after,
    parts_of,
    rejects,
    rejects_per_hour,
    shift,
)  # fmt: skip
from aoi_daemon.records.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from tests.unit.records.conftest import MS, NOON, PRODUCT, RUN, make_outcome

OLD = (Path(__file__).parent / "schema_1.sql").read_text()
ROWS = (
    (1, "DEFECT", 0, 2, "short"),
    (2, "NONE", 1, 0, None),
)


@pytest.fixture
def old(tmp_path):
    """A folder that the program of version 1 left: two parts, a defect, a picture and a review."""
    with closing(sqlite3.connect(tmp_path / "records.sqlite", isolation_level=None)) as made:
        made.execute("PRAGMA auto_vacuum = INCREMENTAL")
        made.execute("PRAGMA journal_mode = WAL")
        made.executescript(OLD)
        made.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        made.execute("PRAGMA user_version = 1")
        made.execute("INSERT INTO runs VALUES (1, ?, 'line-1', ?)", (RUN, NOON))
        made.execute("INSERT INTO products VALUES (1, 1, 'demo', 'abababababababab', '[\"open\", \"short\"]', 50.0)")
        for number, reason, passed, count, worst in ROWS:
            values = (number, 1, number, NOON + number, "top", 0, number, 1, passed, reason, count, worst, 12, -3)
            stamps = tuple(number * 50 * MS + n * MS for n in range(8))
            made.execute(
                f"INSERT INTO parts VALUES ({', '.join('?' * 25)})", (*values, *stamps, 9.0, 1, 0)
            )
        made.execute("INSERT INTO defects VALUES (1, 1, 'short', 0.9, 1, 2, 3, 4)")
        made.execute("INSERT INTO images VALUES (1, 1, NULL, ?, 'top', 'frame', 'reject', '', 'images/a.png', 10, 64, 48)", (NOON,))
        made.execute("INSERT INTO reviews VALUES (1, ?, 'anna', 'defect', '')", (NOON,))
    return tmp_path


def content(folder):
    """All rows of all tables of version 1, without the columns that came with later versions."""
    with closing(sqlite3.connect(folder / "records.sqlite")) as raw:
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = {name: raw.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    rows["parts"] = [row[:25] for row in rows["parts"]]
    return {name: found for name, found in rows.items() if f"CREATE TABLE {name}" in OLD or name == "sqlite_sequence"}


def version(folder):
    with closing(sqlite3.connect(folder / "records.sqlite")) as raw:
        return raw.execute("PRAGMA user_version").fetchone()[0]


def definitions(folder):
    """The tables' columns, and all other definitions."""
    with closing(sqlite3.connect(folder / "records.sqlite")) as raw:
        found = dict(raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        columns = {name: raw.execute(f"PRAGMA table_info({name})").fetchall() for name in found}
    del found["parts"]  # SQLite writes an added column into the old text, without our line breaks
    return found, columns


def test_the_recorder_brings_a_database_of_version_1_forward_and_loses_nothing(old, tmp_path):
    before = content(old)
    open_writer(old, create=True).close()
    assert version(old) == SCHEMA_VERSION
    assert content(old) == before
    open_writer(tmp_path / "new", create=True).close()
    assert definitions(old) == definitions(tmp_path / "new")


def test_a_part_of_version_1_has_no_number_and_was_not_bypassed(old):
    with closing(open_writer(old)) as writer:
        row = writer.execute("SELECT part, trigger_id, bypassed FROM part_list ORDER BY part").fetchall()
    assert row == [(1, 0, 0), (2, 0, 0)]


def test_new_parts_go_into_the_database_that_was_brought_forward(old):
    with closing(open_writer(old, create=True)) as writer, writing(writer):
        outcome = make_outcome(3, Reason.DEFECT, trigger_id=4_000_000_000, bypassed=True)
        row = parts.insert_part(
            writer, outcome, run=parts.run_id(writer, RUN, "line-1", NOON), at=NOON + 3, camera="top",
            product=PRODUCT, product_row=1,
        )  # fmt: skip
    with closing(open_reader(old)) as reader:
        found = part(reader, row)
        assert (found.trigger_id, found.bypassed) == (4_000_000_000, True)
        assert [(each.trigger_id, each.bypassed) for each in parts_after(reader, 0, 2)] == [(0, False), (0, False)]
        view = reader.execute("SELECT trigger_id, bypassed FROM part_list WHERE part = 3").fetchone()
    assert view == (4_000_000_000, 1)


def test_the_view_that_decided_is_kept_from_version_6_on_and_unknown_before(old):
    with closing(open_reader(old)) as reader:
        assert [each.view for each in parts_after(reader, 0, 2)] == [None, None]
    with closing(open_writer(old)) as writer, writing(writer):
        product = parts.Product(1, "demo", "", (), 48.0)
        row = parts.product_id(writer, product)
        for number, view in ((3, "side"), (4, None)):
            parts.insert_part(
                writer, make_outcome(number), run=1, at=0.0, camera="top", product=product, product_row=row, view=view
            )  # fmt: skip
    with closing(open_reader(old)) as reader:
        assert [each.view for each in parts_after(reader, 0, 9)] == [None, None, "side", None]
        assert reader.execute("SELECT view FROM part_list WHERE part = 3").fetchone() == ("side",)


def test_the_proof_of_a_part_is_kept_from_version_3_on_and_unknown_before(old):
    with closing(open_reader(old)) as reader:
        assert [each.proof for each in parts_after(reader, 0, 2)] == [None, None]
        assert judged_before_proof(reader, 1) and not judged_before_proof(reader, 2)
    with closing(open_writer(old, create=True)) as writer, writing(writer):
        run = parts.run_id(writer, RUN, "line-1", NOON)
        for number, proof in enumerate(Proof, 3):
            outcome = make_outcome(number, proof=proof)
            parts.insert_part(
                writer, outcome, run=run, at=NOON + number, camera="top", product=PRODUCT, product_row=1
            )  # fmt: skip
    with closing(open_reader(old)) as reader:
        found = [each.proof for each in parts_after(reader, 0, 10)]
        assert found == [None, None, "not_proven", "proven", "accepted", "upgraded"]
        assert not judged_before_proof(reader, 1)
        assert reader.execute("SELECT proof FROM part_list ORDER BY part").fetchall()[2:] == [(0,), (1,), (2,), (3,)]


def test_a_database_of_version_2_is_read_and_brought_forward(old, monkeypatch):
    monkeypatch.setattr(database, "SCHEMA_VERSION", 2)
    open_writer(old).close()
    monkeypatch.undo()
    assert version(old) == 2
    before = (old / "records.sqlite").read_bytes()
    with closing(open_reader(old)) as reader:
        first = parts_after(reader, 0, 1)[0]
        assert (first.trigger_id, first.proof) == (0, None)
    assert (old / "records.sqlite").read_bytes() == before
    open_writer(old).close()
    assert version(old) == SCHEMA_VERSION
    with closing(open_writer(old)) as writer:
        assert writer.execute("SELECT count(proof) FROM part_list").fetchone() == (0,)


def test_a_reader_reads_version_1_as_it_is_and_does_not_touch_it(old):
    """An archived folder, or the page that was started before the recorder."""
    before = (old / "records.sqlite").read_bytes()
    with closing(open_reader(old)) as reader:
        first, second = parts_after(reader, 0, 10)
        assert (first.uid, first.worst_class, first.image, first.review.by) == (f"{RUN}-1", "short", "images/a.png", "anna")
        assert (first.trigger_id, first.bypassed, second.trigger_id) == (0, False, 0)
        assert [found.id for found in rejects(reader, NOON, 10)] == [1]
        assert shift(reader, NOON, NOON + 100).counts.parts == 2
    assert (old / "records.sqlite").read_bytes() == before
    assert version(old) == 1


def test_a_reader_of_version_1_reads_on_while_it_is_brought_forward(old):
    with closing(open_reader(old)) as reader:
        assert len(parts_after(reader, 0, 10)) == 2
        with closing(open_writer(old)) as writer, writing(writer):
            writer.execute("UPDATE parts SET trigger_id = 7, bypassed = 1 WHERE part = 2")
        assert [(found.trigger_id, found.bypassed) for found in parts_after(reader, 0, 10)] == [(0, False), (7, True)]


def test_the_queries_of_a_version_1_reader_use_the_indices_of_the_table(old):
    """A view that SQLite copies out before it looks would take minutes over a season of parts."""
    with closing(open_reader(old)) as reader:
        plan = reader.execute("EXPLAIN QUERY PLAN SELECT count(*) FROM parts WHERE at >= 1 AND at < 2").fetchall()
    assert any("parts_by_time" in row[3] for row in plan)
    assert not any("MATERIALIZE" in row[3] or "CO-ROUTINE" in row[3] for row in plan)


def test_what_fails_half_way_leaves_version_1(old, monkeypatch):
    """A full disk or a kill between two statements: all of it belongs to one transaction."""
    before = content(old)
    broken = database.FORWARD[1] + "INSERT INTO nowhere VALUES (1);\n"
    monkeypatch.setitem(database.FORWARD, 1, broken)
    with pytest.raises(RecordsError, match="no such table: nowhere"):
        open_writer(old)
    assert version(old) == 1
    assert content(old) == before
    monkeypatch.undo()
    open_writer(old).close()
    assert version(old) == SCHEMA_VERSION


def test_two_that_open_it_at_once_bring_it_forward_once(old):
    """The recorder and a review on the page."""
    begin = threading.Barrier(2)
    failed = []

    def open_it():
        begin.wait(10)
        try:
            open_writer(old).close()
        except RecordsError as error:
            failed.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []
    assert version(old) == SCHEMA_VERSION


def test_the_second_one_to_look_finds_that_it_was_done(old, monkeypatch):
    """It saw version 1 before the lock was its own."""
    with closing(sqlite3.connect(old / "records.sqlite", isolation_level=None)) as late:
        open_writer(old).close()
        database._bring_forward(late, old / "records.sqlite")
    assert version(old) == SCHEMA_VERSION


def test_the_old_schema_is_another_one():
    """Else nothing here would be tried."""
    assert "trigger_id" not in OLD and "trigger_id" in SCHEMA


@pytest.mark.parametrize("at_version", [1, 2, 3, 4, 5])
def test_an_archive_of_any_older_version_answers_all_that_a_page_asks(old, monkeypatch, at_version):
    """Its figures are counted, for it has none that are kept."""
    if at_version > 1:
        monkeypatch.setattr(database, "SCHEMA_VERSION", at_version)
        open_writer(old).close()
        monkeypatch.undo()
    assert version(old) == at_version
    with closing(open_reader(old)) as reader:
        found = shift(reader, 0.0, NEVER)
        assert (found.counts.parts, found.counts.rejected, found.counts.confirmed, found.latency.parts) == (2, 1, 1, 2)
        assert [cause.name for cause in found.causes] == ["short"] and found.recipes == {"demo": 2}
        assert [hour.parts for hour in rejects_per_hour(reader, 0.0, NEVER)] == [2]
        assert rejects(reader, 0.0, 10, unreviewed=True) == []
        assert parts_of(reader, part_ids(reader, 0.0, NEVER).tolist())[0].trigger_id == 0
    assert version(old) == at_version
