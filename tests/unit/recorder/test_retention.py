"""What goes, when, and what never does. Time is passed in."""

import os
from contextlib import closing

import pytest

from aoi_daemon.messages import Reason
from aoi_daemon.recorder import retention
from aoi_daemon.recorder.clock.wall import Span
from aoi_daemon.recorder.removed import Removed
from aoi_daemon.recorder.retention import Retention, free_bytes
from aoi_daemon.records.database import writing
from aoi_daemon.records.parts import Gap, insert_event, insert_gap
from aoi_daemon.records.reviews import review
from tests.unit.recorder.conftest import section
from tests.unit.records.conftest import NOON

DAY = 86_400.0


class Keeping:
    """Records with a retention, its clock at a standstill."""

    def __init__(self, records, **keys):
        self.records = records
        self.folder = records.folder
        self.now_s = 0.0
        self.retention = Retention(records.writer, records.folder, section(days_images=2, days_records=5, **keys), clock=lambda: self.now_s)

    def part(self, number, age_days, reason=Reason.DEFECT, template=None):
        """A part so many days before NOON, with its picture."""
        at = NOON - age_days * DAY
        row = self.records.add(number, reason, at=at)
        self.picture(f"images/{number}.png", row=row, at=at)
        if template is not None:
            self.picture(f"templates/{template}.png", kind="template", row=row, at=at)
        return row

    def picture(self, file, *, at, row=None, **keys):
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 1000)
        self.records.add_image(row, at=at, file=file, **keys)

    def sweep(self, wall_s=NOON):
        """All that is due."""
        for _ in range(1000):
            if not self.retention.bite(wall_s) and not self.retention.bite(wall_s) and not self.retention.bite(wall_s):
                return
        raise AssertionError("it never ends")

    def files(self):
        return sorted(path.name for path in self.folder.glob("*/*.png"))

    def parts(self):
        return [part for (part,) in self.records.reader.execute("SELECT part FROM parts ORDER BY part")]

    def rows(self, table):
        return self.records.reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.fixture
def keeping(records):
    return Keeping(records)


def test_pictures_go_first_rows_later_and_the_rest_stays(keeping):
    for number, age in enumerate((9, 5.1, 4.9, 2.1, 1.9, 0), 1):
        keeping.part(number, age)
    keeping.sweep()
    assert keeping.files() == ["5.png", "6.png"]
    assert keeping.parts() == [3, 4, 5, 6]
    assert (keeping.rows("images"), keeping.rows("defects")) == (2, 8)


def test_a_reviewed_part_stays_with_all_of_its_pictures(keeping):
    row = keeping.part(1, 100, Reason.LATE, template="t")
    other = keeping.part(2, 100)
    keeping.picture("images/before.png", kind="context", why="around", row=other, around=row, at=NOON - 100 * DAY)
    keeping.picture("images/alone.png", kind="context", why="around", at=NOON - 100 * DAY)
    review(keeping.records.writer, row, "false_call", by="anna", at=NOON)
    keeping.sweep()
    assert keeping.files() == ["1.png", "before.png", "t.png"]
    assert keeping.parts() == [1]


def test_a_template_goes_with_the_last_part_that_was_held_against_it(keeping):
    keeping.part(1, 9, template="shared")
    keeping.part(2, 1, template="shared")
    keeping.part(3, 9, template="old")
    keeping.sweep()
    assert keeping.files() == ["2.png", "shared.png"]
    keeping.now_s = 100.0
    keeping.sweep(NOON + 3 * DAY)
    assert keeping.files() == []


def test_events_and_losses_go_with_the_rows_of_their_time(keeping):
    with writing(keeping.records.writer):
        for number, age in ((1, 6), (2, 4)):
            insert_event(keeping.records.writer, keeping.records.run, number, at=NOON - age * DAY, kind="line", body={})
            insert_gap(keeping.records.writer, keeping.records.run, Gap("rows", number, number, 1, NOON - age * DAY, "x"))
    keeping.sweep()
    assert (keeping.rows("events"), keeping.rows("gaps")) == (1, 1)


def test_a_clock_that_was_wrong_for_a_while_keeps_nothing_for_ever(keeping):
    keeping.part(1, -10_000)  # stamped in the far future
    keeping.part(2, 9)
    keeping.sweep()
    assert keeping.parts() == [1]


def test_many_reviewed_parts_are_passed_by(keeping, monkeypatch):
    monkeypatch.setattr(retention, "_MOST", 8)
    keeping.retention._at_once = 8
    for number in range(1, 31):
        row = keeping.part(number, 50)
        if number != 29:
            review(keeping.records.writer, row, "defect", by="a", at=NOON)
    keeping.sweep()
    assert keeping.parts() == [number for number in range(1, 31) if number != 29]


def test_between_two_sweeps_it_rests(keeping):
    keeping.sweep()
    keeping.part(1, 9)
    keeping.sweep()
    assert keeping.parts() == [1]
    keeping.now_s = 61.0
    keeping.sweep()
    assert keeping.parts() == []


def test_a_bite_that_took_long_is_followed_by_smaller_ones(records):
    clock = iter(range(1000))
    slow = Retention(records.writer, records.folder, section(), clock=lambda: float(next(clock)))
    before = slow._at_once
    records.add_image(records.add(1, at=0.0), at=0.0)
    assert slow.bite(NOON)
    assert slow._at_once == before // 2


def test_a_file_that_is_gone_already_is_no_trouble(keeping):
    keeping.part(1, 9)
    (keeping.folder / "images" / "1.png").unlink()
    keeping.sweep()
    assert keeping.rows("images") == 0


def test_for_want_of_room_the_oldest_pictures_go_before_their_time(keeping):
    keeping.retention._at_once = 2
    for number in range(1, 6):
        keeping.part(number, 1 - number / 10)
    assert keeping.retention.make_room(NOON)
    assert keeping.files() == ["3.png", "4.png", "5.png"]
    assert keeping.parts() == [1, 2, 3, 4, 5], "a row takes no room worth its loss"


def test_before_any_picture_goes_the_copy_of_an_older_version(keeping):
    keeping.part(1, age_days=3)
    copy = keeping.records.folder / "records.sqlite.version-3"
    copy.write_bytes(b"old")
    assert keeping.retention.make_room(NOON)
    assert not copy.exists() and keeping.parts() == [1] and keeping.retention.removed_images == 0
    assert keeping.retention.make_room(NOON)
    assert keeping.retention.removed_images > 0


def test_then_rows_that_are_older_than_a_day(keeping):
    for number, age in enumerate((4, 3, 0.5), 1):
        keeping.records.add(number, at=NOON - age * DAY)
    assert keeping.retention.make_room(NOON)
    assert keeping.parts() == [3]
    assert not keeping.retention.make_room(NOON), "nothing is left that may go"
    assert keeping.parts() == [3]


def test_a_reviewed_part_stays_even_on_a_full_disk(keeping):
    review(keeping.records.writer, keeping.part(1, 3), "defect", by="a", at=NOON)
    assert not keeping.retention.make_room(NOON)
    assert (keeping.parts(), keeping.files()) == ([1], ["1.png"])


def test_room_is_given_back_to_the_disk(records):
    """The file shrinks: deleting rows alone would only leave it empty inside."""
    keeping = Keeping(records)
    with writing(records.writer):
        records.writer.execute("INSERT INTO runs (run, line, at) VALUES ('x', 'l', 0)")
    for number in range(1, 60):
        keeping.part(number, 9)
    note = "n" * 4000
    with writing(records.writer):
        for number in range(1, 1500):
            insert_event(records.writer, records.run, number, at=0.0, kind="line", body={"note": note})
    records.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = keeping.folder / "records.sqlite"
    before = file.stat().st_size
    keeping.sweep()
    for _ in range(5):
        keeping.retention.bite(NOON)
    records.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert before > 6_000_000 and file.stat().st_size < 4_500_000


def test_how_much_room_is_short(records, tmp_path):
    free = free_bytes(tmp_path)
    assert Retention(records.writer, records.folder, section(min_free_gb=0.0)).short_bytes() == 0
    wanted = free / 1e9 + 10
    short = Retention(records.writer, records.folder, section(min_free_gb=wanted)).short_bytes()
    assert 9e9 < short < 11e9
    assert free_bytes(tmp_path / "nowhere") == 0


def test_a_reader_in_the_midst_holds_nothing_up(keeping):
    keeping.part(1, 9)
    with closing(keeping.records.reader.execute("SELECT * FROM parts")) as reading:
        reading.fetchone()
        keeping.sweep()
        keeping.retention._empty_log()
    assert keeping.parts() == []
    assert os.path.exists(keeping.folder / "records.sqlite")


class TestSpans:
    """Rows whose dates are off, by a clock that was set since."""

    def spans(self, last, shift_s):
        last = dict.fromkeys(("parts", "images", "events", "gaps"), last)
        return [Span({}, last, shift_s), Span(last, {}, 0.0)]

    def sweep(self, keeping, spans):
        for _ in range(100):
            keeping.retention.bite(NOON, spans)
        keeping.now_s += 100

    def event(self, keeping, number, age_days):
        with writing(keeping.records.writer):
            insert_event(keeping.records.writer, keeping.records.run, number, at=NOON - age_days * DAY, kind="line", body={})
            insert_gap(keeping.records.writer, keeping.records.run, Gap("rows", number, number, 1, NOON - age_days * DAY, "x"))

    def test_each_is_as_old_as_its_own_clock_says(self, keeping):
        for number, age in ((1, 1003), (2, 1006), (3, 3), (4, 6)):
            keeping.part(number, age)
            self.event(keeping, number, age)
        self.sweep(keeping, self.spans(2, 1000 * DAY))
        assert keeping.parts() == [1, 3]
        assert [number for (number,) in keeping.records.reader.execute("SELECT number FROM events ORDER BY id")] == [1, 3]
        assert (keeping.files(), keeping.rows("gaps")) == ([], 2)

    def test_what_is_due_first_is_told_over_all_of_them(self, keeping):
        assert keeping.retention.first_due_s is None
        keeping.part(1, 1000.5)
        keeping.part(2, 1)
        self.sweep(keeping, self.spans(1, 1000 * DAY))
        assert keeping.retention.first_due_s == NOON + 1 * DAY, "its picture, after two days"
        keeping.retention.restart()
        assert keeping.retention.first_due_s is None

    def test_an_event_alone_is_due_too_and_nothing_is_never(self, keeping):
        self.sweep(keeping, self.spans(1, 0.0))
        assert keeping.retention.first_due_s == float("inf")
        self.event(keeping, 1, 1)
        self.sweep(keeping, self.spans(1, 0.0))
        assert keeping.retention.first_due_s == NOON + 4 * DAY

    def test_a_reviewed_part_is_never_due(self, keeping):
        review(keeping.records.writer, keeping.part(1, 50), "defect", by="a", at=NOON)
        self.sweep(keeping, self.spans(1, 0.0))
        assert keeping.retention.first_due_s == float("inf")

    def test_for_want_of_room_rows_go_in_their_order_whatever_their_dates(self, keeping):
        keeping.retention._at_once = 1
        for number, age in enumerate((-1000, 3, 1000), 1):
            keeping.part(number, age)
        assert keeping.retention.make_room(NOON)
        assert keeping.files() == ["2.png", "3.png"]

    def test_and_those_of_the_last_day_stay_by_their_own_clock(self, keeping):
        for number, age in ((1, 1002), (2, 1000.5), (3, 0.1)):
            keeping.records.add(number, at=NOON - age * DAY)
        spans = self.spans(2, 1000 * DAY)
        assert keeping.retention.make_room(NOON, spans)
        assert not keeping.retention.make_room(NOON, spans)
        assert keeping.parts() == [2, 3]


def test_what_went_is_logged_by_count_age_and_reason_and_not_each_minute(records, log):
    removed = Removed(log)
    keeping = Keeping(records)
    keeping.retention._removed = removed
    keeping.part(1, 9)
    keeping.part(2, 7)
    keeping.part(3, 1)
    keeping.sweep()
    removed.tell(0.0)
    assert keeping.retention.make_room(NOON)
    removed.tell(1.0)
    ((first, aged), (second, roomy)) = log.events
    assert first == second == "records_removed"
    assert aged == {"because": "older than is kept", "pictures": 2, "parts": 2, "events": 0, "gaps": 0, "oldest_days": 9.0, "newest_days": 7.0}
    assert roomy == {"because": "for want of room", "pictures": 1, "parts": 0, "events": 0, "gaps": 0, "oldest_days": 1.0, "newest_days": 1.0}
    keeping.now_s = 100.0
    keeping.part(4, 9)
    keeping.sweep()
    removed.tell(100.0)
    assert len(log.events) == 2, "an hour has not gone by"
    removed.tell(100.0, all_of_it=True)
    assert log.events[2][1]["parts"] == 1
