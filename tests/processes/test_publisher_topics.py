"""What the publisher says under each topic, and how it keeps to the broker's rules. A real Mosquitto."""

from __future__ import annotations

from aoi_daemon.decide.alarms import Alarm, mask_of
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.stage.board import Cell
from aoi_daemon.stage.lifecycle import Line
from tests.unit.publisher.mosquitto import Mosquitto, Subscriber, needs_mosquitto
from tests.unit.publisher.recording import record
from tests.unit.publisher.stepped import SteppedPublisher

pytestmark = needs_mosquitto


def most_on_its_way(folder, publisher, *, window: int, parts: list[int], **section) -> int:
    """Messages on their way at once, at the most, to a broker that takes `window`, until it has the results of `parts`, each once and in order."""
    with Mosquitto(folder / "narrow", "allow_anonymous true", f"max_inflight_messages {window}") as narrow, Subscriber(narrow.port, "aoi/#") as subscriber:
        running = publisher(narrow.port, **section)
        most = 0

        def all_there() -> bool:
            nonlocal most
            most = max(most, running.unconfirmed)
            return subscriber.results() == parts

        running.until_true(all_there)
        return most


def test_a_broker_that_goes_while_messages_are_on_their_way_loses_none(tmp_path, broker, subscriber, publisher):
    records = tmp_path / "records"
    record(records, range(1, 401))
    running = publisher(broker.port, catch_up_per_s=400)
    for count in (60, 180, 300):
        running.until_true(lambda count=count: len(subscriber.results()) >= count, f"{count} results")
        broker.stop()
        broker.start()
    running.until_parts(subscriber, set(range(1, 401)))


def test_the_state_is_told_when_it_changes_and_kept_for_who_comes_later(tmp_path, broker, subscriber, publisher):
    running = publisher(broker.port)
    running.until_true(lambda: subscriber.bodies("state"), "a state")
    assert subscriber.bodies("state")[-1] | {"ready": True, "state": "RUNNING", "recipe": "board-a"} == subscriber.bodies("state")[-1]
    running.board[Cell.READY] = 0
    running.board[Cell.LINE_STATE] = Line.FAULTED
    running.live.recipe = "board-b"
    running.until_true(lambda: (subscriber.bodies("state")[-1]["state"], subscriber.bodies("state")[-1]["recipe"]) == ("FAULTED", "board-b"), "the change")
    assert subscriber.bodies("state")[-1]["ready"] is False
    with Subscriber(broker.port, "aoi/line-1/state") as late:
        running.until_true(lambda: late.messages, "the retained state")
        assert late.messages[0].retained and late.messages[0].body["state"] == "FAULTED"


def test_the_list_of_alarms_is_what_is_wrong_now(broker, subscriber, publisher):
    running = publisher(broker.port)
    running.until_true(lambda: subscriber.bodies("alarms"), "a list")
    assert subscriber.bodies("alarms")[-1]["alarms"] == []
    running.alarm(name="PLC_LINK", state="unacknowledged")
    running.alarm(name="OPTICS", state="unacknowledged")
    running.alarm(name="OPTICS", state="normal")
    # Of this one the event is not known: the board alone has it.
    running.board[Cell.ALARMS] = mask_of(Alarm.PLC_LINK, Alarm.OVERRUN)
    running.until_true(lambda: [row["alarm"] for row in subscriber.bodies("alarms")[-1]["alarms"]] == ["PLC_LINK", "OVERRUN"], "both")
    first, second = subscriber.bodies("alarms")[-1]["alarms"]
    assert first["since"] and first["state"] == "unacknowledged" and second["since"] is None


def test_rejects_alone_where_passes_are_not_wanted(tmp_path, broker, subscriber, publisher):
    record(tmp_path / "records", range(1, 31))
    running = publisher(broker.port, include_passes=False, topic="plant/aoi/7")
    with Subscriber(broker.port, "plant/#") as other:
        running.until_parts(other, set(range(3, 31, 3)))
        running.until(backlog=0)
        assert other.results() == list(range(3, 31, 3)) and not subscriber.messages


def test_a_broker_that_knows_no_mqtt_5_is_reached_by_3_1_1(tmp_path, broker, subscriber, publisher):
    record(tmp_path / "records", range(1, 31))
    running = publisher(broker.port, protocol="3.1.1")
    running.until(state="ok", backlog=0, published=30)
    running.until_parts(subscriber, set(range(1, 31)))
    assert "p2, c1" in broker.log().split("aoi-line-1")[1][:20], "protocol 4 is 3.1.1; the log names it p2"


def test_no_more_than_the_broker_s_window_is_on_its_way(tmp_path, publisher):
    """Receive Maximum: a client that does not keep to it is thrown out."""
    record(tmp_path / "records", range(1, 201))
    assert 0 < most_on_its_way(tmp_path, publisher, window=3, parts=list(range(1, 201)), catch_up_per_s=100_000) <= 3


def test_results_that_nobody_subscribes_to_are_counted(tmp_path, broker, publisher):
    """The broker confirms them all the same, and throws them away."""
    record(tmp_path / "records", range(1, 31))
    running = publisher(broker.port)
    running.until(state="ok", backlog=0, published=30, unheard=30)


def test_a_broker_that_takes_one_message_at_a_time_gets_one(tmp_path, publisher):
    record(tmp_path / "records", range(1, 21))
    assert most_on_its_way(tmp_path, publisher, window=1, parts=list(range(1, 21))) == 1


def test_the_will_is_left_to_a_broker_that_does_not_hear_the_leave(tmp_path, broker, subscriber):
    with SteppedPublisher(tmp_path, port=broker.port, in_flight=1, answer_s=30.0) as running:
        running.until_true(lambda: subscriber.bodies("state") and subscriber.bodies("alarms"))
        running.until(state="ok")
        running.until_true(lambda: not running.unconfirmed)
        broker.freeze()
        running.alarm(state="unacknowledged")
        running.until_true(lambda: running.unconfirmed)
    broker.thaw()
    wait_for(lambda: not subscriber.bodies("state")[-1]["online"], 10, "the will")
