"""How the disk is, from what happened on it."""

import errno
import sqlite3

import pytest

from aoi_daemon.recorder.health import Health, fault_of
from aoi_daemon.records.faults import RecordsError

S = 1_000_000_000


@pytest.mark.parametrize(
    ("error", "free", "state"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 9, "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 9, "disk_full"),
        (sqlite3.OperationalError("database or disk is full"), 9, "disk_full"),
        (sqlite3.OperationalError("disk I/O error"), 0, "disk_full"),
        (sqlite3.OperationalError("disk I/O error"), 9, "failed: disk I/O error"),
        (sqlite3.OperationalError("attempt to write a readonly database"), 9, "failed: attempt to write a readonly database"),
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), 9, "failed: /data/x: Read-only file system"),
        (RecordsError("/data: no such folder"), 9, "failed: /data: no such folder"),
    ],
)
def test_an_error_is_a_state(error, free, state):
    assert fault_of(error, free) == state


def test_a_write_that_hangs_is_slow_while_it_hangs_and_a_while_after():
    health = Health(slow_ns=2 * S)
    health.begin(10 * S)
    assert health.state(12 * S) == "ok"
    assert health.state(13 * S) == "slow"
    health.end(14 * S)
    assert health.state(18 * S) == "slow"
    assert health.state(19 * S) == "ok"


def test_the_look_through_the_database_may_take_longer():
    health = Health(slow_ns=2 * S)
    health.begin(10 * S, 10 * S)
    assert health.state(21 * S) == "ok"
    assert health.state(23 * S) == "slow"
    health.end(21 * S)
    assert health.state(21 * S) == "ok"


def test_quick_writes_are_no_trouble():
    health = Health(slow_ns=2 * S)
    for at in range(100):
        health.begin(at * S)
        health.end(at * S + S)
        assert health.state(at * S + S) == "ok"


def test_a_fault_stays_until_something_was_written_and_for_five_seconds():
    health = Health(slow_ns=2 * S)
    health.fault("disk_full", 10 * S)
    health.well(11 * S)
    assert health.state(11 * S) == "disk_full", "it would come and go by the tenth of a second"
    assert health.state(60 * S) == "disk_full", "nothing was written"
    health.well(60 * S)
    assert health.state(60 * S) == "ok"


def test_what_is_dropped_for_want_of_time_is_slow():
    health = Health(slow_ns=2 * S)
    health.behind(10 * S)
    assert (health.state(11 * S), health.state(15 * S)) == ("slow", "ok")


def test_a_fault_says_more_than_slowness():
    health = Health(slow_ns=S)
    health.behind(10 * S)
    health.fault("disk_full", 10 * S)
    assert health.state(11 * S) == "disk_full"


def test_the_longest_write_is_of_the_last_half_minute():
    health = Health(slow_ns=2 * S)
    for at, took in ((0, 5), (10, 3), (31, 1), (62, 1), (93, 1)):
        health.begin(at * S)
        health.end((at + took) * S)
    assert health.longest_ns == S
