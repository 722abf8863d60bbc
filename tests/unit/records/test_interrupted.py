"""Bringing records forward, interrupted at random and gone on with: nothing is lost, and the end is always the same.

`--forward-interruptions 500` is the proof.
"""

import itertools
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from aoi_daemon.records import copies, database
from aoi_daemon.records.database import RecordsError, open_reader, open_writer
from aoi_daemon.records.fills import Filling
from aoi_daemon.records.schema import SCHEMA_VERSION
from tests.unit.records import old_records
from tests.unit.records.old_records import content, forward, whole

PARTS = 1500


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A folder of version 1."""
    folder = tmp_path_factory.mktemp("old")
    old_records.make(folder, PARTS)
    return folder


@pytest.fixture(scope="module")
def expected(old, tmp_path_factory):
    """What comes of it without an interruption."""
    folder = tmp_path_factory.mktemp("forward") / "records"
    shutil.copytree(old, folder)
    forward(folder)
    return content(folder)


def interrupted(folder, seed, how):
    """One try in a process of its own; whether it came to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.records.old_records", str(folder), str(seed), how],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, 1, -9), done.stderr.decode()
    return done.returncode == 0


def originals(found):
    """What version 1 had, without the columns that came later."""
    return {name: sorted((row[:25] for row in found[name]), key=repr) for name in ("parts", "defects", "reviews", "events", "runs")}


@pytest.mark.parametrize("how", ["steps", "bytes"])
def test_after_any_interruptions_and_one_complete_run_all_is_as_without(how, old, expected, tmp_path, request):
    before = originals(content(old))
    ended = 0
    for first in range(0, request.config.getoption("--forward-interruptions"), 3):
        folder = tmp_path / str(first)
        shutil.copytree(old, folder)
        for seed in range(first, first + 3):
            ended += not interrupted(folder, seed, how)
            assert whole(folder) == "ok"
            assert originals(content(folder)) == before, f"seed {seed}"
        forward(folder)
        assert content(folder) == expected, f"seeds {first} to {first + 2}"
        assert whole(folder) == "ok"
        # A disk that is full while it is copied costs the copy, and nothing else.
        copies_left = [each.name for each in folder.glob("*.version-*")]
        assert copies_left in ((["records.sqlite.version-1"],) if how == "steps" else (["records.sqlite.version-1"], []))
        for name in copies_left:
            (folder / "back").mkdir()
            (folder / name).rename(folder / "back" / "records.sqlite")
            assert originals(content(folder / "back")) == before and whole(folder / "back") == "ok"
        shutil.rmtree(folder)
    assert ended > 0, "nothing was interrupted: nothing was tried"


def test_while_it_is_filled_parts_come_go_and_are_reviewed(old, tmp_path):
    """The recorder does not wait for the end: what changes meanwhile is counted once."""
    folder = tmp_path / "records"
    shutil.copytree(old, folder)
    with closing(open_writer(folder)) as writer:
        filling = Filling(writer)
        more, percents = True, []
        for number in range(1, 10**6):
            filling._at_once = 60
            more = filling.bite()
            percents.append(filling.percent)
            if not more:
                break
            writer.execute(
                "INSERT INTO parts SELECT NULL, run_id, part + ?, at, camera, fov, sequence, product_id, passed, reason, "
                "defect_count, worst_class, offset_x, offset_y, trigger_ns, ready_ns, deadline_ns, picked_ns, inferred_ns, "
                "judged_ns, sent_ns, answered_ns, latency_ms, delivered, missed, 0, 0, NULL, NULL FROM parts WHERE id % 97 = ?",
                (10**6 * number, number % 97),
            )
            for sign in (1, -1):  # on both sides of the mark
                row = "SELECT id FROM parts WHERE NOT passed AND id NOT IN (SELECT part_id FROM reviews) ORDER BY id * ? LIMIT 1"
                (part,) = writer.execute(row, (sign,)).fetchone()
                writer.execute("INSERT INTO reviews VALUES (?, 0, 'b', 'false_call', '')", (part,))
            writer.execute("DELETE FROM parts WHERE id % 211 = ?", (number,))
            writer.execute("DELETE FROM reviews WHERE part_id % 7 = ? AND by = 'anna'", (number % 7,))
        assert number > 10 and percents == sorted(percents) and percents[-1] == 100
        kept = {name: writer.execute(f"SELECT * FROM {name}").fetchall() for name in ("part_figures", "reject_figures", "open_rejects")}
        latencies = writer.execute("SELECT slot, step, parts FROM latency_figures").fetchall()
        for name in (*kept, "latency_figures"):
            writer.execute(f"DELETE FROM {name}")
        for statement in database_fill():
            writer.execute(statement, {"low": 0, "below": 2**62})
        for name, rows in kept.items():
            assert rows == writer.execute(f"SELECT * FROM {name}").fetchall(), name
        assert latencies == writer.execute("SELECT slot, step, parts FROM latency_figures").fetchall()


def database_fill():
    from aoi_daemon.records.versions import FILLS

    return FILLS["figures"].statements


def test_the_quick_steps_cost_the_same_whatever_the_number_of_parts(tmp_path, monkeypatch):
    """Parts wait for them: in steps of SQLite's machine, for 300 parts and for 3000 (with as many events)."""
    monkeypatch.setattr(database, "keep_copy", lambda file, version: "")
    steps = {}
    for parts in (300, 3000):
        folder = tmp_path / str(parts)
        folder.mkdir()
        old_records.make(folder, parts)
        counted = itertools.count()
        connect = database._connect
        with closing(sqlite3.connect(folder / "records.sqlite", isolation_level=None)) as raw:
            raw.execute("DELETE FROM events WHERE id > 3")

        def watched(file, mode, connect=connect, counted=counted):
            found = connect(file, mode)
            found.set_progress_handler(lambda: next(counted) and 0, 10)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(database, "_connect", watched)
            open_writer(folder).close()
        steps[parts] = next(counted)
    assert steps[300] > 20 and steps[3000] < 1.1 * steps[300], steps


def test_a_database_too_large_to_be_copied_goes_forward_without_a_copy(old, expected, tmp_path, monkeypatch):
    folder = tmp_path / "records"
    shutil.copytree(old, folder)
    monkeypatch.setattr(copies, "MOST_BYTES", 1000)
    told = {}
    open_writer(folder, told=lambda _, **fields: told.update(fields)).close()
    assert "too much to copy" in told["no_copy"] and "aoi-daemon backup" in told["no_copy"]
    forward(folder)
    assert content(folder) == expected
    assert list(folder.glob("*.version-*")) == []


def test_where_the_disk_has_no_room_for_a_copy_it_goes_forward_without(old, expected, tmp_path, monkeypatch):
    folder = tmp_path / "records"
    shutil.copytree(old, folder)
    monkeypatch.setattr(copies.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    told = {}
    open_writer(folder, told=lambda _, **fields: told.update(fields)).close()
    assert "no room" in told["no_copy"]
    forward(folder)
    assert content(folder) == expected


def test_the_copy_opens_with_the_older_program_and_has_all_of_it(old, tmp_path, monkeypatch):
    folder = tmp_path / "records"
    shutil.copytree(old, folder)
    told = {}
    open_writer(folder, told=lambda _, **fields: told.update(fields)).close()
    assert told == {"was": 1, "now": SCHEMA_VERSION, "copy": "records.sqlite.version-1"}
    back = tmp_path / "back"
    back.mkdir()
    (folder / told["copy"]).rename(back / "records.sqlite")
    assert content(back) == content(old)


def test_an_older_program_that_meets_a_newer_file_says_so_and_touches_nothing(old, tmp_path, monkeypatch):
    folder = tmp_path / "records"
    shutil.copytree(old, folder)
    forward(folder)
    with closing(sqlite3.connect(folder / "records.sqlite")) as raw:
        raw.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    for open_it in (open_reader, open_writer, lambda where: database.open_writer(where, create=True)):
        with pytest.raises(RecordsError, match=f"schema version {SCHEMA_VERSION + 1}.*run the newer aoi-daemon"):
            open_it(folder)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before
