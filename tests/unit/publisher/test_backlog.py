"""From the records to the cursor file: what is sent, what is given up, what is counted."""

import json
import sqlite3
import time
from contextlib import closing

import pytest

from aoi_daemon.publisher.backlog import Backlog
from aoi_daemon.publisher.cursor import FILE, CursorFile
from aoi_daemon.publisher.source import Source
from aoi_daemon.publisher.stream import Cursor
from aoi_daemon.records.database import DATABASE
from tests.unit.publisher.recording import RUN, record, record_alarm, remove

HOUR_S = 3600.0


class Publishing:
    """A backlog, its clock, and a broker that takes everything."""

    def __init__(self, folder, keep_s: float = 24 * HOUR_S) -> None:
        self.backlog = Backlog(Source(folder, "line-1", passes=True), folder, keep_s)
        self.now_s = 1000.0
        self.came: list[int] = []
        self._message = 0

    def read(self, seconds: float = 60.0) -> None:
        self.now_s += seconds
        self.backlog.read(self.now_s)

    def send(self, count: int = 10_000, *, confirm: bool = True) -> list[int]:
        """Parts sent now."""
        before = len(self.came)
        stream = self.backlog.results
        while len(self.came) - before < count and (row := stream.take()) is not None:
            self._message += 1
            stream.sent(row, self._message)
            self.came.append(json.loads(row.payload)["part"])
            if confirm:
                stream.confirm(self._message)
            self.read(1.0)
        self.backlog.save(self.now_s)
        return self.came[before:]


@pytest.fixture
def publishing(tmp_path):
    made: list[Publishing] = []

    def make(**more) -> Publishing:
        made.append(Publishing(tmp_path, **more))
        made[-1].read()
        return made[-1]

    yield make
    for one in made:
        one.backlog.close()


def test_every_part_goes_out_once_over_a_restart(tmp_path, publishing):
    record(tmp_path, range(1, 1301))
    first = publishing()
    assert first.backlog.size == 1300
    assert first.send(700) == list(range(1, 701))
    first.backlog.close()
    second = publishing()
    assert second.backlog.size == 600
    assert second.send() == list(range(701, 1301))
    assert second.backlog.size == 0 and second.backlog.lost == 0 and second.backlog.results.confirmed == 600


def test_what_was_not_confirmed_goes_out_again_after_a_kill(tmp_path, publishing):
    record(tmp_path, range(1, 11))
    first = publishing()
    first.send(4)
    first.send(3, confirm=False)
    assert publishing().send() == list(range(5, 11))


def test_a_first_start_leaves_out_what_is_too_old_and_calls_it_no_loss(tmp_path, publishing):
    record(tmp_path, [1, 2], at=time.time() - 3 * HOUR_S)
    record(tmp_path, [3, 4])
    found = publishing(keep_s=HOUR_S)
    assert found.send() == [3, 4] and found.backlog.lost == 0


def test_what_retention_takes_before_it_went_out_is_counted_once(tmp_path, publishing):
    record(tmp_path, range(1, 21))
    first = publishing()
    first.send(2)
    first.backlog.close()
    remove(tmp_path, 3, 10)
    remove(tmp_path, 15, 15)
    second = publishing()
    assert second.backlog.lost == 9
    assert second.send() == [11, 12, 13, 14, 16, 17, 18, 19, 20]
    assert second.backlog.lost == 9
    second.backlog.close()
    assert publishing().backlog.lost == 9


def test_what_is_lost_while_the_broker_is_away_is_counted_then(tmp_path, publishing):
    """Not only when the broker is back: the operator is to see it."""
    record(tmp_path, range(1, 601))
    found = publishing()
    record(tmp_path, range(601, 1001))
    remove(tmp_path, 1, 900)
    found.read()
    # The first rows had been read, and go out although the records have them no more.
    assert found.backlog.lost == 400
    assert found.send() == list(range(1, 501)) + list(range(901, 1001))


def test_what_became_too_old_is_lost(tmp_path, publishing):
    record(tmp_path, range(1, 4))
    first = publishing()
    first.send(1)
    first.backlog.close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        connection.execute("UPDATE parts SET at = at - 7200")
    record(tmp_path, [4])
    second = publishing(keep_s=HOUR_S)
    assert second.backlog.lost == 2 and second.send() == [4]


def test_alarms_have_a_cursor_of_their_own(tmp_path, publishing):
    record_alarm(tmp_path, 1)
    record_alarm(tmp_path, 2, kind="audit")
    record_alarm(tmp_path, 3)
    found = publishing()
    rows = [found.backlog.alarms.take(), found.backlog.alarms.take()]
    assert [json.loads(row.payload)["number"] for row in rows] == [1, 3]
    for message, row in enumerate(rows):
        found.backlog.alarms.sent(row, message)
        found.backlog.alarms.confirm(message)
    found.backlog.close()
    with CursorFile(tmp_path) as cursors:
        assert cursors.read("alarms") == Cursor(3, f"{RUN}-3")


def test_records_that_were_replaced_are_published_from_their_start(tmp_path, publishing):
    record(tmp_path, range(1, 31))
    first = publishing()
    first.send(10)
    (tmp_path / DATABASE).rename(tmp_path / "old")
    for end in ("-wal", "-shm"):
        (tmp_path / (DATABASE + end)).unlink(missing_ok=True)
    record(tmp_path, range(1, 41), run="e" * 32)
    first.read()
    # What had been read of the old ones goes first.
    assert first.send() == [*range(11, 31), *range(1, 41)]
    assert first.backlog.lost == 0


def test_replaced_while_the_publisher_was_down_too(tmp_path, publishing):
    record(tmp_path, range(1, 31))
    first = publishing()
    first.send()
    first.backlog.close()
    for path in tmp_path.glob(DATABASE + "*"):
        path.unlink()
    record(tmp_path, range(1, 51), run="e" * 32)
    assert publishing().send() == list(range(1, 51))


def test_records_that_are_away_are_said_after_a_while_and_waited_for(tmp_path, publishing):
    found = publishing()
    assert found.backlog.trouble == "", "the recorder may be making them just now"
    for _ in range(3):
        found.read(3.0)
    assert "records.sqlite" in found.backlog.trouble
    record(tmp_path, [1])
    found.read(3.0)
    assert found.backlog.trouble == "" and found.send() == [1]


def test_a_cursor_that_cannot_be_saved_is_said_and_stops_nothing(tmp_path, publishing):
    record(tmp_path, range(1, 11))
    found = publishing()
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert found.send(5) == [1, 2, 3, 4, 5]
        assert "locked" in found.backlog.unsaved
    found.now_s += 5
    assert found.send() == [6, 7, 8, 9, 10]
    assert found.backlog.unsaved == ""
    found.backlog.close()
    with CursorFile(tmp_path) as cursors:
        assert cursors.read("results") == Cursor(10, f"{RUN}-10")


def test_a_cursor_file_that_was_lost_is_made_again(tmp_path, publishing):
    record(tmp_path, range(1, 4))
    first = publishing()
    first.send()
    first.backlog.close()
    (tmp_path / FILE).write_bytes(b"damaged" * 1000)
    assert publishing().send() == [1, 2, 3], "twice is right where nobody knows; the ids tell"
