"""The publisher as a process of its own, against a real Mosquitto and a real records database."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import aoi_daemon.publisher
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.publisher.cursor import CursorFile
from tests.unit.publisher.mosquitto import needs_mosquitto
from tests.unit.publisher.recording import RUN, record, record_alarm, remove
from tests.unit.publisher.supervised import SupervisedPublisher

pytestmark = needs_mosquitto
SCHEMA = json.loads((Path(aoi_daemon.publisher.__file__).parent / "schema.json").read_text())
QUICK = {"answer_s": 1.0, "reconnect_max_s": 0.5}


@pytest.fixture
def publisher(tmp_path, broker):
    """`publisher(**section)`: one that runs, on this test's broker where no other port is named."""
    with contextlib.ExitStack() as owned:

        def start(**section) -> SupervisedPublisher:
            return owned.enter_context(SupervisedPublisher(tmp_path, **{"port": broker.port, **QUICK, **section}))

        yield start


def test_each_part_arrives_once_in_order_as_the_schema_has_it(tmp_path, subscriber, publisher):
    records = tmp_path / "records"
    record(records, range(1, 41))
    record_alarm(records, 1)
    running = publisher()
    subscriber.wait_parts(set(range(1, 41)))
    record(records, range(41, 61))
    subscriber.wait_parts(set(range(1, 61)))
    running.alarm(state="unacknowledged")
    running.tell(do="recipe", recipe=json.dumps({"name": "board-b"}))
    wait_for(lambda: subscriber.bodies("state")[-1]["recipe"] == "board-b", 5, "the changed recipe")
    running.wait_facts(state="ok", backlog=0, published=60, lost=0, broker=f"127.0.0.1:{running.section['port']}", address="127.0.0.1")
    wait_for(lambda: any(body["alarms"] for body in subscriber.bodies("alarms")), 5, "the alarm")
    assert running.stop() == 0
    wait_for(lambda: not subscriber.bodies("state")[-1]["online"], 5, "its leave")
    assert subscriber.results() == list(range(1, 61))
    assert [body["id"] for body in subscriber.bodies("alarm")] == [f"{RUN}-1"]
    for message in subscriber.messages:
        Draft202012Validator({**SCHEMA, **SCHEMA["$defs"][message.topic.removeprefix("aoi/line-1/")]}).validate(message.body)


def test_what_was_recorded_while_the_broker_was_down_arrives(tmp_path, broker, subscriber, publisher, request, measured):
    """A broker that was away for many parts costs none of them."""
    parts = request.config.getoption("--broker-parts")
    records = tmp_path / "records"
    record(records, range(1, 21))
    running = publisher(catch_up_per_s=100_000)
    running.wait_facts(state="ok", backlog=0)
    broker.stop()
    running.wait_facts(state="nobody listens there")
    for first in range(21, parts + 21, 50):
        record(records, range(first, min(first + 50, parts + 21)))
    running.wait_facts(backlog=parts)
    broker.start()
    back_s = time.monotonic()
    subscriber.wait_parts(set(range(1, parts + 21)), timeout_s=20 + parts / 100)
    measured("MQTT broker away", f"{parts} parts published after its return", 1000 * (time.monotonic() - back_s))
    running.wait_facts(state="ok", backlog=0, lost=0)
    assert sorted(subscriber.results()) == list(range(1, parts + 21)), "each once"


def test_a_publisher_killed_in_the_middle_goes_on_where_it_was(tmp_path, subscriber, publisher):
    records = tmp_path / "records"
    record(records, range(1, 401))
    running = publisher(catch_up_per_s=400)
    for count in (60, 220):
        wait_for(lambda count=count: len(subscriber.results()) >= count, 20, f"{count} results")
        running.kill()
        running.start()
    subscriber.wait_parts(set(range(1, 401)))
    running.wait_facts(backlog=0, lost=0)
    again = len(subscriber.results()) - 400
    # As many as were not confirmed, or not written down yet: 0.2 s of them, and 100 in flight, for each kill.
    assert again < 2 * 200
    assert {body["id"] for body in subscriber.bodies("result")} == {f"{RUN}-{part}" for part in range(1, 401)}
    by_id = {}
    for body in subscriber.bodies("result"):
        assert by_id.setdefault(body["id"], body) == body, "the same message, sent again"


def test_the_broker_says_that_a_killed_publisher_is_gone(subscriber, publisher):
    running = publisher()
    wait_for(lambda: subscriber.bodies("state") and subscriber.bodies("state")[-1]["online"], 10, "online")
    running.kill()
    wait_for(lambda: not subscriber.bodies("state")[-1]["online"], 5, "the last will")
    assert subscriber.bodies("state")[-1]["state"] == "OFFLINE"


def test_what_left_the_records_before_it_went_out_is_said(tmp_path, broker, publisher):
    records = tmp_path / "records"
    record(records, range(1, 11))
    running = publisher()
    running.wait_facts(backlog=0)
    assert running.stop() == 0
    record(records, range(11, 41))
    remove(records, 11, 20)
    running.start()
    running.wait_facts(backlog=0, lost=10)
    assert "results_lost" in running.log() and '"parts": 10' in running.log()
    with CursorFile(records) as cursors:
        assert cursors.lost == 10
