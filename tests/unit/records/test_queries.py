"""Questions to the records."""

from aoi_daemon.messages import Reason
from aoi_daemon.records import parts, queries
from aoi_daemon.records.database import writing
from aoi_daemon.records.reviews import review
from tests.unit.records.conftest import NOON


def test_parts_after_walks_in_order_of_recording(records):
    for part in range(1, 8):
        records.add(part, at=NOON - part)  # the clock runs backwards
    first = queries.parts_after(records.reader, 0, 3)
    assert [part.part for part in first] == [1, 2, 3]
    assert [part.part for part in queries.parts_after(records.reader, first[-1].id, 100)] == [4, 5, 6, 7]
    assert queries.parts_after(records.reader, 99, 5) == []


def test_rejects_come_newest_first_and_page_by_page_none_twice(records):
    for part in range(1, 31):
        records.add(part, Reason.DEFECT if part % 3 else Reason.NONE, at=NOON + part // 5)  # many at one time
    seen, last = [], None
    while page := queries.rejects(records.reader, 0.0, 4, last):
        seen += [part.part for part in page]
        last = page[-1].id
    assert seen == sorted((part for part in range(1, 31) if part % 3), reverse=True)
    assert [part.part for part in queries.rejects(records.reader, NOON + 5, 1)] == [29]
    assert [part.part for part in queries.rejects(records.reader, 0.0, 1, until=NOON + 1)] == [4]


def test_a_page_after_a_part_that_is_gone_is_empty(records):
    records.add(1, Reason.DEFECT)
    assert queries.rejects(records.reader, 0.0, 5, before_id=77) == []


def test_a_part_is_found_by_its_name(records):
    row = records.add(12)
    assert queries.part_by_uid(records.reader, "f" * 32 + "-12").id == row
    for wrong in ("f" * 32 + "-13", "e" * 32 + "-12", "12", "", "x-y", "x-'"):
        assert queries.part_by_uid(records.reader, wrong) is None
    assert queries.part(records.reader, 999) is None


def test_a_choice_of_parts_is_walked_and_counted(records):
    rows = {part: records.add(part, reason) for part, reason in enumerate((Reason.NONE, Reason.DEFECT, Reason.LATE, Reason.DEFECT), 1)}
    review(records.writer, rows[2], "false_call", by="anna", at=NOON)
    for only, expected in (("all", [1, 2, 3, 4]), ("rejects", [2, 3, 4]), ("faults", [3]), ("reviewed", [2])):
        found = queries.parts_between(records.reader, NOON, NOON + 10, after_id=0, limit=10, only=only)
        assert [part.part for part in found] == expected
        assert queries.count_between(records.reader, NOON, NOON + 10, only) == len(expected)
    assert [part.part for part in queries.parts_between(records.reader, NOON + 2, NOON + 4, after_id=0, limit=10)] == [2, 3]


def test_more_rejects_at_once_than_sqlite_takes_parameters(records):
    with writing(records.writer):
        records.writer.execute("SELECT 1")
    for part in range(1, 1205):
        records.add(part, Reason.DEFECT)
    found = queries.parts_after(records.reader, 0, 2000)
    assert len(found) == 1204 and all(len(part.defects) == 2 for part in found)


def test_the_pictures_of_a_part_come_frame_first(records):
    fault, other = records.add(2, Reason.LATE), records.add(1)
    records.add_image(other, "context", "around", NOON - 1, file="before.png", around=fault)
    records.add_image(None, "context", "around", NOON + 1, file="after.png", around=fault)
    records.add_image(fault, "template", "fault", file="t.png")
    records.add_image(fault, "frame", "fault", file="own.png")
    assert [image.file for image in queries.images_of(records.reader, fault)] == ["own.png", "t.png", "before.png", "after.png"]
    assert [image.file for image in queries.images_of(records.reader, other)] == ["before.png"]
    found = queries.part(records.reader, fault)
    assert (found.image, found.template) == ("own.png", "t.png")


def test_a_part_of_two_cameras_shows_the_view_that_decided(records):
    row = records.add(1, Reason.DEFECT)
    records.add_image(row, camera="side", file="side.png")
    records.add_image(row, camera="top", file="top.png")
    assert queries.part(records.reader, row).image == "top.png"
    assert len(queries.images_of(records.reader, row)) == 2


def test_events_come_newest_first_and_after_a_row_oldest_first(records):
    with writing(records.writer):
        for number in range(1, 6):
            kind = "alarm" if number % 2 else "line"
            parts.insert_event(records.writer, records.run, number, at=NOON + number, kind=kind, body={"n": number})
    assert [event.number for event in queries.events(records.reader, "alarm", 0.0, 2)] == [5, 3]
    assert [event.number for event in queries.events(records.reader, None, NOON + 2, 9, before_id=5)] == [4, 3, 2]
    assert [event.number for event in queries.events_after(records.reader, 3, 9)] == [4, 5]


def test_gaps_are_told_with_their_run(records):
    with writing(records.writer):
        parts.insert_gap(records.writer, records.run, parts.Gap("images", 3, 9, 2, NOON, "the disk is full"))
    (gap,) = queries.gaps(records.reader, 0.0)
    assert (gap.run, gap.what, gap.first_part, gap.last_part, gap.parts, gap.why) == ("f" * 32, "images", 3, 9, 2, "the disk is full")
    assert queries.gaps(records.reader, NOON + 1) == []
