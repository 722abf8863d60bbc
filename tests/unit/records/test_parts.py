"""What is written of a part is what is read of it."""

import pytest

from aoi_daemon.messages import Defect, Reason
from aoi_daemon.records import parts, queries
from aoi_daemon.records.database import writing
from tests.unit.records.conftest import MS, NOON, PRODUCT, make_outcome


def test_a_reject_comes_back_with_its_defects(records):
    row = records.add(7, Reason.DEFECT)
    found = queries.part(records.reader, row)
    assert (found.uid, found.part, found.recipe, found.bundle, found.classes) == ("f" * 32 + "-7", 7, "demo", "ab" * 8, ("open", "short"))
    assert (found.passed, found.reason, found.worst_class, found.defect_count) == (False, "DEFECT", "short", 2)
    assert [(d.name, d.score, d.x1, d.y2) for d in found.defects] == [("short", 0.9, 1.0, 40.0), ("open", 0.5, 5.0, 8.0)]
    assert (found.latency_ms, found.delivered, found.missed) == (10.0, True, False)
    assert found.at == NOON + 7
    assert (found.image, found.template, found.review) == (None, None, None)


def test_a_part_that_was_not_delivered_has_no_latency_and_was_missed(records):
    found = queries.part(records.reader, records.add(1, answered_ns=0))
    assert (found.latency_ms, found.delivered, found.missed) == (None, False, True)


def test_an_answer_after_the_deadline_was_missed(records):
    outcome = make_outcome(1)
    found = queries.part(records.reader, records.add(1, answered_ns=outcome.deadline_ns + 1))
    assert (found.delivered, found.missed) == (True, True)


def test_a_number_is_recorded_once_in_its_run(records):
    assert records.add(3) is not None
    assert records.add(3, Reason.DEFECT) is None
    assert records.reader.execute("SELECT count(*), sum(passed) FROM parts").fetchone() == (1, 1)


def test_more_defects_than_travel_are_counted(records):
    many = tuple(Defect(0, 0.9, float(n), 0.0, n + 5.0, 5.0) for n in range(16))
    found = queries.part(records.reader, records.add(1, Reason.DEFECT, defects=many, defect_count=40))
    assert (found.defect_count, len(found.defects)) == (40, 16)


@pytest.mark.parametrize(("label", "name"), [(-1, None), (0, "open"), (1, "short"), (9, "class 9")])
def test_a_class_without_a_name_has_its_number(label, name):
    assert PRODUCT.name_of(label) == name


def test_the_greatest_stamps_fit(records):
    found = queries.part(records.reader, records.add(2**31, trigger_ns=2**62, sequence=2**62, offset_x=-(2**31)))
    assert (found.part, found.trigger_ns, found.offset_x) == (2**31, 2**62, -(2**31))


def test_a_product_and_a_run_have_one_row(records):
    with writing(records.writer):
        assert parts.product_id(records.writer, PRODUCT) == records.product
        assert parts.run_id(records.writer, "f" * 32, "line-1", NOON + 9) == records.run
        assert parts.product_id(records.writer, parts.Product(1, "demo", "", (), 50.0)) != records.product


def test_the_shift_leads_from_the_template_to_the_frame(records):
    """5 px right and 2 up at 50 px/mm: offsets are in 0.01 mm."""
    found = queries.part(records.reader, records.add(1, Reason.DEFECT, offset_x=10, offset_y=-4))
    assert found.shift_px == (5.0, -2.0)


def test_the_last_numbers_are_those_of_the_run(records):
    assert parts.last_numbers(records.writer, "f" * 32) == (0, 0)
    assert parts.last_numbers(records.writer, "e" * 32) == (0, 0)
    records.add(5)
    with writing(records.writer):
        other = parts.run_id(records.writer, "e" * 32, "line-1", NOON)
        parts.insert_event(records.writer, records.run, 3, at=NOON, kind="line", body={})
        parts.insert_gap(records.writer, records.run, parts.Gap("images", 1, 90, 90, NOON, "x"))
        parts.insert_event(records.writer, other, 8, at=NOON, kind="line", body={})
    assert parts.last_numbers(records.writer, "f" * 32) == (5, 3)
    with writing(records.writer):
        parts.insert_gap(records.writer, records.run, parts.Gap("rows", 6, 9, 4, NOON, "x"))
    assert parts.last_numbers(records.writer, "f" * 32) == (9, 3)


def test_an_event_is_recorded_once(records):
    with writing(records.writer):
        for state in ("a", "b"):
            parts.insert_event(records.writer, records.run, 1, at=NOON, kind="alarm", body={"state": state, "name": "Müller"})
    (event,) = queries.events_after(records.reader, 0, 10)
    assert (event.number, event.kind, event.body) == (1, "alarm", {"state": "a", "name": "Müller"})


def test_milliseconds_are_of_the_ring_to_the_answer(records):
    outcome = make_outcome(1)
    found = queries.part(records.reader, records.add(1))
    assert found.latency_ms == (outcome.answered_ns - outcome.ready_ns) / MS
