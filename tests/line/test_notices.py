"""A whole line that tells people: the alarm and its end arrive, and the line does not notice who tells them."""

from __future__ import annotations

import json
import os
import signal

import pytest

from aoi_daemon.kit.line.daemon import wait_for
from tests.unit.notifier.conftest import Server


@pytest.fixture
def servers():
    smtp, web = Server("smtp"), Server("http")
    yield smtp, web
    smtp.close()
    web.close()


def section(tmp_path, smtp, web):
    return {
        "folder": str(tmp_path / "notices"),
        "settle_s": 1.0,
        "timeout_s": 1.0,
        "mail": [{"name": "people", "host": "127.0.0.1", "port": smtp.port, "tls": "none", "sender": "aoi@plant.example", "to": ["a@plant.example"]}],
        "webhook": [{"name": "chat", "url": f"http://127.0.0.1:{web.port}/"}],
        "rules": [{"alarms": ["PLC_LINK"], "to": ["people", "chat"], "after_s": 10.0}],
    }


def notifier(running):
    return running.daemon.status()["beside"]["notifier"]


def posts(web):
    return [(body["kind"], body["alarm"]) for body in (json.loads(told["body"]) for told in web.taken)]


def no_miss(running):
    counters = running.plc.status()["counters"]
    assert counters["missed"] == counters["refused"] == counters["late"] == 0
    assert counters["ready_drops"] == 0
    status = running.daemon.status()
    assert status["deadline_misses"] == status["undelivered"] == status["restarts"] == 0


@pytest.mark.long
def test_an_alarm_and_its_end_arrive_and_whoever_tells_them_never_holds_up_a_part(line, tmp_path, servers):
    smtp, web = servers
    running = line(notices=section(tmp_path, smtp, web), plc_options={"keep": 100_000})
    running.wait_parts(5)

    # Killed, and hung: parts go on. (That a hung one is replaced is held by the supervisor's own tests.)
    pid = wait_for(lambda: notifier(running)["pid"], 15, "the notifier")
    os.kill(pid, signal.SIGKILL)
    pid = wait_for(lambda: (new := notifier(running)["pid"]) not in (0, pid) and new, 15, "a new one")
    wait_for(lambda: notifier(running).get("state") == "ok", 15, "its word")
    os.kill(pid, signal.SIGSTOP)
    running.wait_parts(40)
    os.kill(pid, signal.SIGCONT)
    running.wait_parts(5)
    no_miss(running)

    # And so they do while a reload changes whom it tells, by restarting it alone.
    running.daemon.line["notices"]["rules"][0]["after_s"] = 0.5
    running.daemon.write_config()
    assert running.daemon.ask("reload")["changed"] == ["notices"]
    wait_for(lambda: notifier(running)["pid"] not in (0, pid), 15, "a new one")
    smtp.faults({}, {"at": "greet", "do": "mute"})  # from the second mail on it says nothing

    # The PLC's power goes, and comes back.
    pids = running.daemon.status()["stages"]
    running.plc.fault("refuse")
    wait_for(lambda: posts(web) == [("raised", "PLC_LINK")], 15, "the webhook to be told")
    running.plc.fault("none")
    running.wait_ready()
    running.wait_parts(20)
    no_miss_since_ready = running.daemon.status()["deadline_misses"]
    wait_for(lambda: posts(web) == [("raised", "PLC_LINK"), ("ended", "PLC_LINK")], 15, "its end")
    (mail,) = smtp.taken
    assert "Subject: demo: No connection to the PLC\r\n" in mail["mail"]
    wait_for(lambda: "not done within 1 s" in running.daemon.log(), 10, "the end to find a server that is mute")
    running.wait_parts(20)
    assert notifier(running)["waiting"] == 1
    status = running.daemon.status()
    assert (status["stages"], status["deadline_misses"]) == (pids, no_miss_since_ready)
    running.no_unproven_pass()
