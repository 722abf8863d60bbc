"""Questions to the records."""

from aoi_daemon.messages import Reason
from aoi_daemon.records import parts, queries
from aoi_daemon.records.database import writing
from aoi_daemon.records.reviews import review
from tests.unit.records.conftest import NOON, RUN


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
        last = (page[-1].at, page[-1].id)
    assert seen == sorted((part for part in range(1, 31) if part % 3), reverse=True)
    assert [part.part for part in queries.rejects(records.reader, NOON + 5, 1)] == [29]
    assert [part.part for part in queries.rejects(records.reader, 0.0, 1, until=NOON + 1)] == [4]


def test_a_page_after_a_part_that_is_gone_goes_on_where_it_was(records):
    for part in range(1, 4):
        records.add(part, Reason.DEFECT)
    with writing(records.writer):
        records.writer.execute("DELETE FROM parts WHERE part = 2")
    assert [part.part for part in queries.rejects(records.reader, 0.0, 5, (NOON + 2, 2))] == [1]


def test_the_review_of_rejects_never_ends_before_the_last(records):
    """However many were reviewed before it, whatever the clock said, and also after a review was taken back."""
    rows = [records.add(part, Reason.DEFECT, at=NOON - part % 7 * 1000) for part in range(1, 1002)]
    last = min(rows, key=lambda row: (NOON - row % 7 * 1000, row))
    for row in rows:
        if row != last:
            review(records.writer, row, "false_call", by="anna", at=NOON)
    assert [part.id for part in queries.rejects(records.reader, 0.0, 12, unreviewed=True)] == [last]
    review(records.writer, rows[500], None, by="anna", at=NOON)
    assert {part.id for part in queries.rejects(records.reader, 0.0, 12, unreviewed=True)} == {last, rows[500]}
    review(records.writer, last, "defect", by="anna", at=NOON)
    review(records.writer, rows[500], "defect", by="anna", at=NOON)
    assert queries.rejects(records.reader, 0.0, 12, unreviewed=True) == []


def test_rejects_without_a_review_are_paged_while_they_are_reviewed(records):
    for part in range(1, 101):
        records.add(part, Reason.DEFECT, at=NOON + part % 5)
    seen, before = [], None
    while page := queries.rejects(records.reader, 0.0, 12, before, unreviewed=True):
        seen += [part.part for part in page]
        before = (page[-1].at, page[-1].id)
        for part in page:
            review(records.writer, part.id, "defect", by="anna", at=NOON)
    assert sorted(seen) == list(range(1, 101))


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
        ids = queries.part_ids(records.reader, NOON, NOON + 10, only).tolist()
        assert [part.part for part in queries.parts_of(records.reader, ids)] == expected
    ids = queries.part_ids(records.reader, NOON + 2, NOON + 4).tolist()
    assert [part.part for part in queries.parts_of(records.reader, [*ids, 999])] == [2, 3]


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
    assert [event.number for event in queries.events(records.reader, "alarm", NOON, 9, NOON + 4)] == [3, 1]
    assert queries.events(records.reader, "alarm", 0.0, 2, but_run=RUN) == []
    assert [event.number for event in queries.events_after(records.reader, 3, 9)] == [4, 5]


def test_gaps_are_told_with_their_run(records):
    with writing(records.writer):
        parts.insert_gap(records.writer, records.run, parts.Gap("images", 3, 9, 2, NOON, "the disk is full"))
    (gap,) = queries.gaps(records.reader, 0.0)
    assert (gap.run, gap.what, gap.first_part, gap.last_part, gap.parts, gap.why) == ("f" * 32, "images", 3, 9, 2, "the disk is full")
    assert queries.gaps(records.reader, NOON + 1) == []
