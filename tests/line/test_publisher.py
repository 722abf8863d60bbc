"""The publisher beside a whole line: each part that was judged is a message, and no part is held up."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from aoi_daemon.kit.line.daemon import wait_for
from tests.unit.publisher.mosquitto import needs_mosquitto

pytestmark = needs_mosquitto


def sections(tmp_path, broker):
    return {
        "recorder": {"folder": str(tmp_path / "records"), "min_free_gb": 0.0},
        "publisher": {"host": "127.0.0.1", "port": broker.port, "reconnect_max_s": 0.5},
    }


def publisher(running):
    return running.daemon.status()["beside"]["publisher"]


def agree(running, subscriber):
    """Every part that the ring tells of came, as it was."""
    outcomes = running.outcomes()
    wait_for(lambda: len(outcomes) <= len({body["id"] for body in subscriber.bodies("result")}), 20, "the last results")
    run = subscriber.bodies("result")[0]["run"]
    came = {body["id"]: body["verdict"] for body in subscriber.bodies("result")}
    for outcome in outcomes:
        assert came[f"{run}-{outcome.part}"] == ("PASS" if outcome.passed else "REJECT")


def not_disturbed(running):
    """READY has not fallen since it first rose, no stage was lost, and no part passed without proof."""
    assert [event.kind for event in running.plc.events() if event.kind == "not_ready"] == []
    status = running.daemon.status()
    assert status["ready"] and status["restarts"] == 0
    running.no_unproven_pass()


def test_each_part_judged_is_a_message_that_arrives(line, tmp_path, broker, subscriber):
    running = line(**sections(tmp_path, broker))
    running.wait_parts(40)
    agree(running, subscriber)
    wait_for(lambda: subscriber.bodies("state")[-1]["ready"], 10, "READY, as the broker has it")
    assert subscriber.bodies("state")[-1]["line"] == "demo"
    wait_for(lambda: publisher(running).get("state") == "ok", 5, "its own word for it")
    assert (publisher(running)["lost"], publisher(running)["restarts"]) == (0, 0)
    not_disturbed(running)
    assert running.daemon.stop() == 0
    wait_for(lambda: not subscriber.bodies("state")[-1]["online"], 5, "its leave")


@pytest.mark.long
def test_an_alarm_of_the_line_comes_with_its_clearance(line, tmp_path, broker, subscriber):
    running = line(**sections(tmp_path, broker))
    os.kill(running.stage("inspection"), signal.SIGKILL)
    running.wait_ready(30)

    def moves(name: str) -> list[str]:
        return [body["state"] for body in subscriber.bodies("alarm") if body["alarm"] == name]

    wait_for(lambda: len(moves("ENGINE_FAULT")) == 2, 15, "the alarm to come and go")
    assert running.daemon.ask("reset")["ok"]
    wait_for(lambda: moves("ENGINE_FAULT") == ["unacknowledged", "returned, unacknowledged", "normal"], 15, "the reset")
    wait_for(lambda: "ENGINE_FAULT" not in str(subscriber.bodies("alarms")[-1]), 5, "a list without it")
    numbers = [body["number"] for body in subscriber.bodies("alarm")]
    assert numbers == sorted(set(numbers))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_publisher_that_is_killed_again_and_again_loses_no_message(line, tmp_path, broker, subscriber, request):
    """The line does not notice, and neither does who counts by id."""
    kills = request.config.getoption("--kills") // 2
    rng = random.Random(kills)
    running = line(**sections(tmp_path, broker), plc_options={"keep": 200_000})
    for _ in range(kills):
        pid = wait_for(lambda: publisher(running)["pid"], 15, "the publisher")
        time.sleep(rng.uniform(0, 1.0))  # the moment is what is tried here
        os.kill(pid, signal.SIGKILL)
        # Whoever keeps dying is started again less and less often: up to 10 s later.
        wait_for(lambda pid=pid: publisher(running)["pid"] not in (0, pid), 30, "a new one")
    wait_for(lambda: publisher(running).get("state") == "ok" and publisher(running).get("backlog", 9) < 5, 20, "it to have caught up")
    agree(running, subscriber)
    assert publisher(running)["lost"] == 0
    not_disturbed(running)


@pytest.mark.long
def test_a_broker_that_is_away_does_not_touch_the_line(line, tmp_path, broker, subscriber):
    running = line(**sections(tmp_path, broker))
    running.wait_parts(5)
    broker.stop()
    wait_for(lambda: "nobody listens there" in publisher(running).get("state", ""), 10, "the publisher to say so")
    running.wait_parts(30)
    assert running.daemon.status()["ready"]
    broker.start()
    wait_for(lambda: publisher(running).get("state") == "ok" and publisher(running)["backlog"] < 5, 15, "it to catch up")
    agree(running, subscriber)
    not_disturbed(running)
