"""The disk thread: what it does about each kind of trouble. What it writes is tests/processes/test_recorder.py's."""

import errno
import os
import sqlite3
import time
from types import SimpleNamespace

import pytest

from aoi_daemon.files.lock import HeldError, hold
from aoi_daemon.kernel_time import Reading
from aoi_daemon.messages import Reason
from aoi_daemon.recorder import disk as module
from aoi_daemon.recorder.disk import Disk
from aoi_daemon.recorder.flight import Frame
from aoi_daemon.recorder.inbox import Inbox, Job, Row
from aoi_daemon.recorder.session import Line
from aoi_daemon.records import fills
from tests.unit.recorder.conftest import picture, section
from tests.unit.records import old_records
from tests.unit.records.conftest import NOON, Records, make_outcome


@pytest.fixture
def disk(tmp_path, log, monkeypatch):
    """A disk thread on an empty folder, a second after the parts that are put, its retries quick; ended with the test."""
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    inbox = Inbox(rows=100, pictures=5, cameras=1)
    found = Disk(
        tmp_path / "records", section(), Line("f" * 32, "line-1", ("top",)), recipes=[], inbox=inbox,
        flights=[SimpleNamespace(released=[])], log=log, read=lambda: Reading(NOON + 1, 5000.0, 5000.0, "boot", None),
    )  # fmt: skip
    found.inbox = inbox
    found.folder = tmp_path / "records"
    yield found
    if found._thread.ident is not None:
        assert found.finish(10)


def wait_for(condition, what):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.005)


def put(disk, *numbers):
    for number in numbers:
        disk.inbox.put_row(Row(make_outcome(number, Reason.DEFECT), NOON))


def recorded(folder):
    records = Records(folder)
    try:
        return [part for (part,) in records.reader.execute("SELECT part FROM parts ORDER BY id")]
    finally:
        records.close()


def failing(disk, monkeypatch, error, times):
    """`Session.commit` raises `error` so many times."""
    real, left = module.Session.commit, [times]

    def commit(self, *arguments):
        if left[0]:
            left[0] -= 1
            raise error
        return real(self, *arguments)

    monkeypatch.setattr(module.Session, "commit", commit)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (sqlite3.OperationalError("database or disk is full"), "disk_full"),
        (sqlite3.OperationalError("database is locked"), "failed: database is locked"),
        (OSError(errno.EIO, "Input/output error", "x.png"), "failed: x.png: Input/output error"),
    ],
)
def test_a_write_that_failed_is_tried_again_until_it_lands(disk, monkeypatch, error, state):
    failing(disk, monkeypatch, error, 3)
    put(disk, 1, 2)
    disk.start()
    wait_for(lambda: disk.counts.parts == 2, "the parts")
    assert disk.health.state(time.monotonic_ns()) == state, "told for a while, though it is over"
    assert disk.finish(10)
    assert recorded(disk.folder) == [1, 2]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EIO, "Input/output error"), "failed: Input/output error"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),  # while room was being made
        (sqlite3.OperationalError("database is locked"), "failed: database is locked"),
    ],
)
def test_a_picture_that_cannot_be_written_is_said_to_be_lost(disk, monkeypatch, error, why):
    def refuse(self, job):
        raise error

    monkeypatch.setattr(module.Session, "file", refuse)
    frame = Frame(0, picture().reshape(-1), picture().reshape(-1))
    put(disk, 1, 2)
    disk.inbox.put_picture(Job(frame, "reject", NOON, 1, 1))
    disk.start()
    wait_for(lambda: disk._flights[0].released, "the frame to be given back")
    put(disk, 3)
    wait_for(lambda: disk.counts.parts == 3, "rows, which go on")
    assert disk.finish(10)
    records = Records(disk.folder)
    gaps = records.reader.execute("SELECT what, first_part, parts, why FROM gaps").fetchall()
    records.close()
    assert gaps == [("images", 1, 1, why)]


def test_rows_that_come_while_a_transaction_is_synced_do_not_keep_pictures_from_the_disk(disk, monkeypatch):
    """On slow flash a part has always come by the time that the last one's row is synced."""
    real, later = module.Session.commit, iter(range(2, 30))

    def commit(self, *arguments):
        done = real(self, *arguments)
        if (number := next(later, None)) is not None:
            put(disk, number)
        elif not disk._flights[0].released:
            pytest.fail("28 transactions, and no picture")
        return done

    monkeypatch.setattr(module.Session, "commit", commit)
    put(disk, 1)
    disk.inbox.put_picture(Job(Frame(0, picture().reshape(-1), picture().reshape(-1), shape=(16, 16, 1)), "reject", NOON, 1, 1))
    disk.start()
    wait_for(lambda: disk.counts.parts == 29, "the parts")
    disk.check()
    assert disk.finish(10) and disk.counts.pictures == 1


def test_a_database_that_breaks_while_it_is_open_is_put_aside(disk, monkeypatch, log):
    put(disk, 1)
    disk.start()
    wait_for(lambda: disk.counts.parts == 1, "the first part")
    failing(disk, monkeypatch, sqlite3.DatabaseError("database disk image is malformed"), 1)
    put(disk, 2)
    wait_for(lambda: disk.counts.parts == 2, "the second part, in a new database")
    assert disk.finish(10)
    assert (disk.folder / disk.counts.aside).exists()
    assert recorded(disk.folder) == [2]
    assert "records_damaged" in log.names()


def test_what_is_no_fault_of_the_disk_ends_the_process(disk, monkeypatch):
    """A new one is what helps; silence is what must not be."""
    failing(disk, monkeypatch, ZeroDivisionError("a fault of ours"), 1)
    put(disk, 1)
    disk.check()
    disk.start()
    wait_for(lambda: not disk._thread.is_alive(), "the thread to end")
    with pytest.raises(ZeroDivisionError):
        disk.check()


def test_at_the_end_all_that_waits_is_written(disk):
    put(disk, 1)
    disk.start()
    wait_for(lambda: disk.counts.parts == 1, "the first part")
    put(disk, *range(2, 80))
    disk.inbox.lose("images", 3, at=NOON, why="x")
    assert disk.finish(10)
    assert (disk.inbox.rows_waiting, disk.inbox.gaps()) == (0, [])
    assert recorded(disk.folder) == list(range(1, 80))


def test_it_does_not_wait_for_ever_for_a_disk_that_is_gone(disk, monkeypatch):
    failing(disk, monkeypatch, sqlite3.OperationalError("disk I/O error"), 10**6)
    put(disk, 1)
    disk.start()
    assert disk.finish(10)
    assert disk.inbox.rows_waiting == 1


def test_parts_are_recorded_while_the_records_of_an_older_version_are_filled(disk, monkeypatch, log):
    """No alarm, no part left out; how far it is, is told; in the end the kept figures have every part."""
    disk.folder.mkdir()
    old_records.make(disk.folder, 600)
    monkeypatch.setattr(fills, "_MOST", 20)
    monkeypatch.setattr(fills, "_LEAST", 20)
    real, states = fills.Filling.bite, set()

    def bite(self):
        self._at_once = 20
        states.add(disk.health.state(time.monotonic_ns()))
        number = 600 + len(told) + 1
        told.append(disk.counts.forward_percent)
        put(disk, number)
        return real(self)

    told = []
    monkeypatch.setattr(fills.Filling, "bite", bite)
    disk.start()
    wait_for(lambda: len(told) > 20 and disk.counts.forward_percent == 100, "the end of filling")
    wait_for(lambda: disk.counts.parts == len(told), "the parts that came meanwhile")
    assert disk.finish(10)
    assert states == {"ok"} and told[2:] == sorted(told[2:]) and 0 < told[-1] < 100
    assert log.names()[0] == "records_brought_forward" and "records_filled" in log.names()
    records = Records(disk.folder)
    try:
        (kept,) = records.reader.execute("SELECT sum(parts) FROM part_figures").fetchone()
        (there,) = records.reader.execute("SELECT count(*) FROM parts").fetchone()
        assert kept == there > 540 + 20
    finally:
        records.close()


def test_a_folder_in_which_another_line_records_is_left_to_it(disk):
    """Its rows stay its own; once it has gone, all that has waited is written."""
    disk.folder.mkdir()
    other = hold(disk.folder)
    put(disk, 1, 2)
    disk.start()
    wait_for(lambda: "another process has it" in disk.health.state(time.monotonic_ns()), "nobody said so")
    assert "recorder.folder of its own" in disk.health.state(time.monotonic_ns())
    assert not list(disk.folder.iterdir())
    os.close(other)
    wait_for(lambda: disk.counts.parts == 2, "nothing was written")
    with pytest.raises(HeldError):
        hold(disk.folder)
    assert disk.finish(10)
    os.close(hold(disk.folder))
