"""The PLC's words, over the wire: its heartbeat and confirmations watched, and its bypass."""

from __future__ import annotations

from typing import Any

from aoi_daemon.kit.line.daemon import wait_for


def active(running: Any) -> set[str]:
    return {alarm["name"] for alarm in running.daemon.status()["alarms"] if alarm["active"]}


def test_a_plc_that_moves_and_confirms_is_let_be_and_its_bypass_is_said_and_recorded(line):
    poll = {"base": 100, "period_ms": 10.0, "watch_ms": 1000.0, "confirm_parts": 3}
    running = line(takt_ms=150.0, plc={"poll": poll}, recipe={"stop": {"same_place": 0, "reject_percent": 0.0, "window": 50}})
    running.wait_parts(15)
    assert sum(not outcome.passed for outcome in running.outcomes()) >= 3, "there were rejects to confirm"
    assert not active(running) & {"PLC_FROZEN", "REJECT_UNCONFIRMED", "PLC_BEHIND", "PLC_BYPASS"}
    assert not any(outcome.bypassed for outcome in running.outcomes())
    running.plc.set(bypass=True)
    wait_for(lambda: "PLC_BYPASS" in active(running), 5, "the alarm")
    assert running.daemon.status()["plc"]["bypass"] is True
    since = running.outcomes()[-1].part
    running.wait_parts(3)
    later = [outcome for outcome in running.outcomes() if outcome.part > since + 1]
    assert later and all(outcome.bypassed for outcome in later)
    running.plc.set(bypass=False)
    wait_for(lambda: "PLC_BYPASS" not in active(running), 5, "the end of it")
    assert running.daemon.status()["ready"]
