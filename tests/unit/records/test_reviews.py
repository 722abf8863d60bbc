"""One tap on a rejected part."""

import threading

import pytest

from aoi_daemon.messages import Reason
from aoi_daemon.records import queries
from aoi_daemon.records.database import RecordsError, open_writer, writing
from aoi_daemon.records.reviews import MAX_NOTE, review
from tests.unit.records.conftest import NOON


def log(records):
    return records.reader.execute("SELECT by, verdict, note FROM review_log ORDER BY id").fetchall()


def test_a_later_tap_replaces_the_earlier_and_both_stay_in_the_log(records):
    row = records.add(1, Reason.DEFECT)
    review(records.writer, row, "defect", by="anna", at=NOON)
    review(records.writer, row, "false_call", by="ben", note="dust", at=NOON + 1)
    found = queries.review_of(records.reader, row)
    assert (found.by, found.verdict, found.note, found.at) == ("ben", "false_call", "dust", NOON + 1)
    assert queries.part(records.reader, row).review == found
    assert log(records) == [("anna", "defect", ""), ("ben", "false_call", "dust")]


def test_a_tap_can_be_taken_back(records):
    row = records.add(1, Reason.DEFECT)
    review(records.writer, row, "defect", by="anna", at=NOON)
    review(records.writer, row, None, by="anna", at=NOON)
    assert queries.review_of(records.reader, row) is None
    assert log(records) == [("anna", "defect", ""), ("anna", None, "")]


@pytest.mark.parametrize(("verdict", "row", "words"), [("good", 1, "neither"), ("defect", 99, "no part"), ("defect", 2, "passed")])
def test_what_is_no_review_is_refused_and_leaves_nothing(records, verdict, row, words):
    records.add(1, Reason.DEFECT)
    records.add(2)
    with pytest.raises(RecordsError, match=words):
        review(records.writer, row, verdict, by="anna", at=NOON)
    assert log(records) == []


def test_a_note_is_cut(records):
    row = records.add(1, Reason.DEFECT)
    review(records.writer, row, "defect", by="anna", note="x" * 10_000, at=NOON)
    assert len(queries.review_of(records.reader, row).note) == MAX_NOTE


def test_a_review_waits_for_the_recorders_transaction(records):
    row = records.add(1, Reason.DEFECT)
    page = open_writer(records.folder)
    tapped = threading.Thread(target=review, args=(page, row, "defect"), kwargs={"by": "anna", "at": NOON})
    with writing(records.writer):
        tapped.start()
        records.writer.execute("UPDATE parts SET fov = 1")
    tapped.join(10)
    page.close()
    assert queries.review_of(records.reader, row).verdict == "defect"


def test_what_belongs_to_a_part_goes_with_it(records):
    row = records.add(1, Reason.DEFECT)
    records.add_image(row)
    review(records.writer, row, "defect", by="anna", at=NOON)
    with writing(records.writer):
        records.writer.execute("DELETE FROM parts")
    counts = [records.reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("defects", "reviews", "review_log", "images")]
    assert counts == [0, 0, 0, 1], "a picture's row stays until its file is gone"
