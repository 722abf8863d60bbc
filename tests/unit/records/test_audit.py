"""The chain of the audit: what is done to it shows, wherever and however; what is done by us does not."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aoi_daemon.cli import main
from aoi_daemon.records import audit, parts
from aoi_daemon.records.audit import BEGIN, Row, link, verify
from aoi_daemon.records.database import DATABASE, open_reader, open_writer, writing

from .conftest import NOON, Records

ROWS = 12


def write(records: Records, number: int, kind: str = "audit", at: float | None = None) -> None:
    with writing(records.writer):
        parts.insert_event(
            records.writer, records.run, number, at=NOON + number if at is None else at, kind=kind,
            body={"what": "reset", "by": "anna \u00e9", "number": number},
        )  # fmt: skip


@pytest.fixture
def kept(records) -> Records:
    """Twelve audit rows, with alarms between them."""
    for number in range(1, 2 * ROWS + 1):
        write(records, number, "audit" if number % 2 else "alarm")
    return records


def test_a_chain_that_nobody_touched_holds(kept):
    found = verify(kept.reader)
    assert (found.rows, found.first, found.older, found.anchored, found.problems) == (ROWS, 1, 0, False, ())
    assert found.head == audit.head(kept.reader) and found.head.n == ROWS


def test_a_link_is_over_what_stands_in_the_row_and_the_link_before(kept):
    rows = kept.reader.execute("SELECT number, at, body FROM events WHERE kind = 'audit' ORDER BY id").fetchall()
    before = BEGIN
    for n, (number, at, body) in enumerate(rows, 1):
        before = link(before, n, Row("f" * 32, number, at, body))
    assert before == verify(kept.reader).head.hash
    assert before != link(BEGIN, ROWS, Row("f" * 32, *rows[-1]))


CHANGES = {
    "by": "UPDATE events SET body = replace(body, 'anna', 'leo') WHERE id = :id",
    "space": "UPDATE events SET body = body || ' ' WHERE id = :id",
    "blob": "UPDATE events SET body = CAST(body AS BLOB) WHERE id = :id",
    "time": "UPDATE events SET at = at + 1e-6 WHERE id = :id",
    "no time": "UPDATE events SET at = 'then' WHERE id = :id",
    "number": "UPDATE events SET number = number + 1000 WHERE id = :id",
    "run": "UPDATE runs SET run = replace(run, 'f', 'e')",
    "kind": "UPDATE events SET kind = 'alarm' WHERE id = :id",
    "removed": "DELETE FROM events WHERE id = :id",
    "both removed": "DELETE FROM audit_chain WHERE event_id = :id; DELETE FROM events WHERE id = :id",
    "link alone": "DELETE FROM audit_chain WHERE event_id = :id",
    "hash": "UPDATE audit_chain SET hash = replace(hash, substr(hash, 5, 1), 'x') WHERE event_id = :id",
    "no row": "UPDATE audit_chain SET event_id = NULL WHERE event_id = :id",
    "put in": "INSERT INTO events (run_id, number, at, kind, body) SELECT run_id, 9999, at, kind, body FROM events WHERE id = :id",
    "swapped": "UPDATE events SET body = (SELECT body FROM events WHERE id = :other) WHERE id = :id",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.replace(" ", "-"))
@pytest.mark.parametrize("which", [2, ROWS // 2, ROWS - 1, ROWS])
def test_whatever_is_done_to_one_row_shows(kept, change, which):
    ids = [row[0] for row in kept.reader.execute("SELECT event_id FROM audit_chain ORDER BY n")]
    for statement in CHANGES[change].split("; "):
        kept.writer.execute(statement, {key: value for key, value in {"id": ids[which - 1], "other": ids[0]}.items() if f":{key}" in statement})
    found = verify(kept.reader)
    assert found.problems, change
    assert found.rows >= (0 if change == "run" else ROWS - 2)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(1, ROWS), count=st.integers(1, ROWS), links=st.booleans())
def test_rows_that_are_cut_out_anywhere_show(tmp_path_factory, first, count, links):
    """At the beginning, in the midst, at the end; all of them; with their links or without."""
    records = Records(tmp_path_factory.mktemp("records"))
    try:
        for number in range(1, ROWS + 1):
            write(records, number)
        last = min(first + count - 1, ROWS)
        records.writer.execute("DELETE FROM events WHERE id IN (SELECT event_id FROM audit_chain WHERE n BETWEEN ? AND ?)", (first, last))
        if links:
            records.writer.execute("DELETE FROM audit_chain WHERE n BETWEEN ? AND ?", (first, last))
        assert verify(records.reader).problems
        write(records, ROWS + 1)
        assert verify(records.reader).problems, "and it is not healed by what comes after"
    finally:
        records.close()


@pytest.mark.parametrize("goes", [0, 1, 5, ROWS - 1, ROWS])
def test_what_goes_for_its_age_leaves_an_anchor_and_the_rest_holds(kept, goes):
    head = verify(kept.reader).head
    with writing(kept.writer):
        audit.forget(kept.writer, NOON + 2 * goes + 0.5)
    found = verify(kept.reader)
    assert found.problems == () and found.rows == ROWS - goes and found.anchored == (goes > 0)
    assert found.head == head
    if goes:
        assert kept.reader.execute("SELECT count(*) FROM audit_chain").fetchone()[0] == ROWS - goes + 1
    write(kept, 1000)
    found = verify(kept.reader)
    assert found.problems == () and found.head.n == ROWS + 1
    with writing(kept.writer):
        audit.forget(kept.writer, NOON + 5000)
    assert (verify(kept.reader).problems, verify(kept.reader).rows) == ((), 0)
    assert kept.reader.execute("SELECT count(*) FROM events").fetchone()[0] == 0


def test_a_row_of_a_clock_that_was_wrong_waits_until_all_before_it_may_go(records):
    for number, at in ((1, NOON), (2, NOON + 9000), (3, NOON - 9000), (4, NOON + 1)):
        write(records, number, at=at)
    with writing(records.writer):
        audit.forget(records.writer, NOON + 5)
    found = verify(records.reader)
    assert (found.problems, found.rows, found.first) == ((), 3, 2)


def test_a_recorder_that_goes_on_meanwhile_is_no_fault(kept):
    """Rows, links and SQLite's count are those of one moment, though they are three questions."""
    more = iter(range(1000, 2000))

    class Slow:
        """Between any two questions a row is written."""

        def execute(self, *question):
            write(kept, next(more))
            return kept.reader.execute(*question)

    found = verify(Slow())
    assert (found.problems, found.rows >= ROWS) == ((), True)
    assert verify(kept.reader).rows > found.rows


def test_a_kept_head_is_found_as_long_as_nothing_before_it_was_written_anew(kept):
    heads = [row[0] for row in kept.reader.execute("SELECT hash FROM audit_chain ORDER BY n")]
    assert [verify(kept.reader, head).since for head in heads] == list(range(ROWS - 1, -1, -1))
    # Somebody who knows how: an altered row, and every hash from there on anew.
    rows = kept.reader.execute("SELECT id, number, at, body FROM events WHERE kind = 'audit' ORDER BY id").fetchall()
    before = heads[2]
    for n, (row_id, number, at, body) in enumerate(rows[3:], 4):
        forged = body.replace("anna", "nobody")
        before = link(before, n, Row("f" * 32, number, at, forged))
        kept.writer.execute("UPDATE events SET body = ? WHERE id = ?", (forged, row_id))
        kept.writer.execute("UPDATE audit_chain SET hash = ? WHERE n = ?", (before, n))
    assert verify(kept.reader).problems == (), "the limit that the help names"
    assert [verify(kept.reader, head).since is None for head in heads] == [False] * 3 + [True] * (ROWS - 3)


def test_rows_of_an_older_version_are_said_to_have_no_link(kept, tmp_path):
    with closing(sqlite3.connect(kept.folder / DATABASE, isolation_level=None)) as raw:
        raw.execute("DROP TABLE audit_chain")
        for trigger in ("part_seen", "defect_seen", "part_seen_again", "defect_seen_again", "part_unseen"):
            raw.execute(f"DROP TRIGGER {trigger}")
        raw.execute("DROP TABLE seen")
        raw.execute("ALTER TABLE parts RENAME COLUMN view TO not_yet")
        raw.execute("PRAGMA user_version = 4")
    with closing(open_reader(kept.folder)) as reader:
        assert (verify(reader).rows, verify(reader).older, verify(reader).problems) == (0, ROWS, ())
    with closing(open_writer(kept.folder)) as writer, writing(writer):
        parts.insert_event(writer, kept.run, 500, at=NOON, kind="audit", body={})
    with closing(open_reader(kept.folder)) as reader:
        assert (verify(reader).rows, verify(reader).older, verify(reader).problems) == (1, ROWS, ())


@pytest.mark.parametrize("goes", [1, 5, ROWS - 1, ROWS])
def test_a_row_that_is_put_in_before_an_anchor_shows(kept, goes):
    with writing(kept.writer):
        audit.forget(kept.writer, NOON + 2 * goes + 0.5)
        kept.writer.execute("INSERT INTO events (id, run_id, number, at, kind, body) SELECT 1, id, 1, ?, 'audit', '{}' FROM runs", (NOON,))
    found = verify(kept.reader)
    assert len(found.problems) == 1 and "was put in" in found.problems[0] and found.older == 0


@pytest.mark.parametrize("at", [NOON - 100, NOON + 9000])
def test_rows_of_an_older_version_go_before_the_first_link_does(records, at):
    """Also where they are of a clock that was wrong."""
    for number in (1, 2):
        write(records, number, at=at)
    with writing(records.writer):
        records.writer.execute("DELETE FROM audit_chain")
        records.writer.execute("DELETE FROM sqlite_sequence WHERE name = 'audit_chain'")
    for number in range(3, 9):
        write(records, number)
    with writing(records.writer):
        audit.forget(records.writer, NOON + 5.5)
    found = verify(records.reader)
    assert (found.problems, found.older, found.anchored) == ((), 0 if at < NOON else 2, at < NOON)
    with writing(records.writer):
        audit.forget(records.writer, NOON + 10_000)
    found = verify(records.reader)
    assert (found.problems, found.rows, found.older) == ((), 0, 0)


def test_the_same_event_again_is_no_second_row(kept):
    write(kept, 1)
    assert verify(kept.reader).rows == ROWS and verify(kept.reader).problems == ()


def test_the_command_says_which_row_and_ends_with_1(kept, capsys):
    where = ["audit", "verify", "--records", str(kept.folder)]
    assert main(where) == 0
    said = capsys.readouterr().out
    head = verify(kept.reader).head.hash
    assert f"{ROWS} rows of the audit hold" in said and f"head: row {ROWS}, {head}" in said
    write(kept, 100)
    assert main([*where, "--head", head.upper()]) == 0
    assert "1 rows came after it" in capsys.readouterr().out
    assert main([*where, "--head", "0" * 64]) == 1
    assert "in no row" in capsys.readouterr().out
    kept.writer.execute("UPDATE events SET body = '\x1b[31m' WHERE id = (SELECT event_id FROM audit_chain WHERE n = 4)")
    assert main(where) == 1
    said = capsys.readouterr().out
    assert "BROKEN  row 4" in said and "\x1b" not in said and f"{ROWS} rows of the audit hold" in said


def test_a_folder_without_records_and_a_wrong_hash_are_2(tmp_path, capsys):
    assert main(["audit", "verify", "--records", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["audit", "verify", "--head", "12"])
    assert ended.value.code == 2
