"""The order of rows and confirmations: the cursor never passes what the broker does not have."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.publisher.stream import Cursor, Row, Stream


def rows(*ids: int) -> list[Row]:
    return [Row(i, f"key-{i}", b"x") for i in ids]


def send(stream: Stream, message: int) -> int:
    row = stream.take()
    assert row is not None
    stream.sent(row, message)
    return row.id


def test_the_cursor_moves_with_the_confirmations():
    stream = Stream(Cursor(0, ""))
    stream.load(rows(1, 2))
    assert [send(stream, 11), send(stream, 12)] == [1, 2] and stream.take() is None
    assert stream.cursor.id == 0
    assert stream.confirm(11) and stream.cursor == Cursor(1, "key-1")
    assert stream.confirm(12) and stream.cursor.id == 2 and stream.confirmed == 2 and stream.idle


def test_a_confirmation_out_of_order_waits_for_those_before():
    stream = Stream(Cursor(0, ""))
    stream.load(rows(1, 2, 3))
    for message in (11, 12, 13):
        send(stream, message)
    stream.confirm(13)
    stream.confirm(12)
    assert stream.cursor.id == 0
    stream.confirm(11)
    assert stream.cursor.id == 3


def test_a_stranger_s_confirmation_is_none_of_its():
    assert not Stream(Cursor(0, "")).confirm(1)


def test_rows_not_to_be_sent_are_passed_over_in_their_turn():
    stream = Stream(Cursor(0, ""))
    stream.load([Row(1, "a", None), *rows(2), Row(3, "c", None)])
    assert send(stream, 11) == 2
    assert stream.cursor.id == 1 and stream.take() is None
    assert stream.cursor.id == 1
    stream.confirm(11)
    assert stream.cursor == Cursor(3, "c")


def test_what_was_not_confirmed_is_sent_again_in_order():
    stream = Stream(Cursor(0, ""))
    stream.load(rows(1, 2, 3, 4))
    for message in (11, 12, 13):
        send(stream, message)
    stream.confirm(12)
    stream.rewind()
    assert not stream.confirm(11), "the old connection's numbers mean nothing on the new one"
    assert [send(stream, 21), send(stream, 22), send(stream, 23)] == [1, 3, 4]
    stream.confirm(21)
    assert stream.cursor.id == 2


def test_a_hole_in_the_ids_is_lost_rows():
    stream = Stream(Cursor(10, ""))
    assert stream.load(rows(14, 15, 17)) == 4
    assert stream.to_lose == 4 and stream.lost == 0
    send(stream, 1)
    stream.confirm(1)
    assert (stream.lost, stream.to_lose) == (3, 1)


def test_rows_that_are_skipped_are_lost_once():
    stream = Stream(Cursor(0, ""))
    stream.load(rows(1))
    assert stream.skip_to(6) == 4
    assert stream.skip_to(6) == 0 and stream.skip_to(3) == 0
    assert stream.skip_to(9) == 3 and stream.waiting == 2
    assert stream.load(rows(9)) == 0
    assert [send(stream, 1), send(stream, 2)] == [1, 9]
    stream.confirm(1)
    assert stream.cursor == Cursor(8, "") and stream.lost == 7 and stream.to_lose == 0


@settings(max_examples=40, deadline=None)
@given(data=st.data(), count=st.integers(1, 12))
def test_nothing_is_passed_that_was_not_confirmed(data, count):
    """Whatever is sent, confirmed and lost in whatever order: every row arrives, and none before the cursor has not."""
    wanted = [data.draw(st.booleans()) for _ in range(count)]
    stream = Stream(Cursor(0, ""))
    loaded = 0
    arrived: set[int] = set()
    open_messages: dict[int, int] = {}
    message = 0
    for step in range(160):
        act = data.draw(st.sampled_from(["load", "send", "send", "confirm", "confirm", "lose"])) if step < 80 else "finish"
        if act == "load" or (act == "finish" and loaded < count):
            upto = min(count, loaded + data.draw(st.integers(1, 5)))
            stream.load(Row(i + 1, str(i + 1), b"x" if wanted[i] else None) for i in range(loaded, upto))
            loaded = upto
        if act in ("send", "finish") and (row := stream.take()) is not None:
            message += 1
            stream.sent(row, message)
            open_messages[message] = row.id
        if act in ("confirm", "finish") and open_messages:
            number = data.draw(st.sampled_from(sorted(open_messages)))
            arrived.add(open_messages.pop(number))
            stream.confirm(number)
        if act == "lose":
            open_messages.clear()
            stream.rewind()
        assert all(i in arrived for i in range(1, stream.cursor.id + 1) if wanted[i - 1])
    assert stream.cursor.id == count and arrived == {i + 1 for i in range(count) if wanted[i]}
