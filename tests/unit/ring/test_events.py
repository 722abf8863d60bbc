"""The event ring: order, loss, and events that are too long."""

from __future__ import annotations

import pytest

from aoi_daemon.ring import events
from aoi_daemon.ring.events import Event, EventReader, EventWriter
from aoi_daemon.ring.memory import SharedMemory


@pytest.fixture
def memory():
    with SharedMemory.create("events", events.SIZE_BYTES) as made:
        yield made


def test_events_come_in_order_with_their_number_and_time(memory):
    writer, reader = EventWriter(memory), EventReader(memory)
    writer.append("alarm", {"name": "CAMERA_LOST"}, 5)
    writer.append("audit", {"by": "安娜"}, 7)
    assert reader.read() == [
        Event(1, 5, "alarm", {"name": "CAMERA_LOST"}),
        Event(2, 7, "audit", {"by": "安娜"}),
    ]
    assert reader.read() == []


def test_a_reader_from_the_start_sees_what_was_before_it(memory):
    EventWriter(memory).append("line", {"now": "RUNNING"}, 1)
    assert [event.number for event in EventReader(memory, from_start=True).read()] == [1]
    assert EventReader(memory).read() == []


def test_a_new_writer_goes_on_counting(memory):
    EventWriter(memory).append("line", {}, 1)
    EventWriter(memory).append("line", {}, 2)
    assert [event.number for event in EventReader(memory, from_start=True).read()] == [1, 2]


def test_a_reader_that_was_lapped_knows_how_many_it_lost(memory):
    writer, reader = EventWriter(memory), EventReader(memory)
    for number in range(events.RECORDS + 10):
        writer.append("line", {"was": number}, number)
    found = reader.read()
    assert reader.lost == 10 and len(found) == events.RECORDS
    assert found[-1].number == events.RECORDS + 10


@pytest.mark.parametrize(
    "body",
    [
        {"what": "reload", "changes": [{"key": "k" * 100, "was": 1, "now": 2}] * 200},
        {"detail": "字" * 5000, "by": "x" * 5000},
        {f"key{number}": "🙂" * 5000 for number in range(10)},
    ],
)
def test_an_event_that_does_not_fit_is_cut_and_says_so(memory, body):
    writer, reader = EventWriter(memory), EventReader(memory)
    writer.append("audit", body, 1)
    (event,) = reader.read()
    assert event.body["cut"] is True and event.body.keys() == {*body, "cut"}


@pytest.mark.parametrize(("size_bytes", "cut"), [(4000, False), (4001, True)])
def test_what_fits_is_kept_as_it_is(memory, size_bytes, cut):
    text = "x" * (size_bytes - len('{"what": ""}'))
    writer, reader = EventWriter(memory), EventReader(memory)
    writer.append("audit", {"what": text}, 1)
    (event,) = reader.read()
    assert event.body == ({"what": "x" * 80, "cut": True} if cut else {"what": text})


def test_of_a_list_no_more_is_cut_than_must_be(memory):
    writer, reader = EventWriter(memory), EventReader(memory)
    writer.append("audit", {"changes": list(range(1000, 3000)), "by": "x" * 100}, 1)
    (event,) = reader.read()
    kept = event.body["changes"]
    assert kept == list(range(1000, 1000 + len(kept))) and event.body["by"] == "x" * 100
    assert len(events._text({**event.body, "changes": [*kept, 9999]})) > 4000 >= len(events._text(event.body))


def test_no_more_events_than_were_asked_for(memory):
    writer, reader = EventWriter(memory), EventReader(memory)
    for number in range(3):
        writer.append("line", {}, number)
    assert [event.number for event in reader.read(2)] == [1, 2]
    assert [event.number for event in reader.read()] == [3]
    assert reader.lost == 0


@pytest.mark.parametrize("spare", [0, 1])
def test_a_list_is_cut_until_it_just_fits(memory, spare):
    """Of what then fits, to the byte, nothing more goes; other values stay as they are."""
    body = {"changes": ["x" * 100] * 60, "by": "", "count": 7, "cut": True}
    room = 4000 - len(events._text({**body, "changes": ["x" * 100] * 30}))
    body["by"] = "y" * (room + spare)
    writer, reader = EventWriter(memory), EventReader(memory)
    writer.append("audit", body, 1)
    (event,) = reader.read()
    assert event.body == {**body, "changes": ["x" * 100] * (30 - spare)}


def test_lists_are_cut_before_texts_and_all_of_them_where_one_does_not_do(memory):
    writer, reader = EventWriter(memory), EventReader(memory)
    writer.append("audit", {"a": ["x" * 50] * 90, "b": ["y" * 50] * 90, "c": "z" * 3000, "d": 5}, 1)
    writer.append("audit", {"a": ["x" * 50] * 90, "c": "z" * 4000, "d": 5}, 2)
    first, second = (event.body for event in reader.read())
    assert first["a"] == [] and 0 < len(first["b"]) < 20 and (first["c"], first["d"]) == ("z" * 3000, 5)
    assert second == {"a": [], "c": "z" * 80, "d": 5, "cut": True}
