"""The line when nothing is wrong."""

import os
from pathlib import Path

import cv2
import pytest

from aoi_daemon.kit.boards.generate import generate
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.messages import Reason
from tests.line.conftest import OPTIONS


def test_the_heartbeat_goes_on_between_parts(line):
    running = line(camera={"parts": 5})
    running.wait_parts(5)
    before = running.plc.status()["heartbeat"]["count"]
    running.plc.wait_until(lambda status: status["heartbeat"]["count"] >= before + 8, 5)


def test_the_plc_can_be_the_trigger(line):
    running = line(
        plc_options={"trigger_ms": 60.0},
        camera={"pace": "plc"},
        takt_ms=60.0,
        plc={"poll": {"base": 100, "period_ms": 5.0}},
    )
    running.wait_parts(30)
    running.no_unproven_pass()
    counters = running.plc.status()["counters"]
    assert counters["good"] > 5


@pytest.mark.long
def test_two_cameras_see_one_part(line, boards):
    """A part passes with both views, and each part has one verdict."""
    second = {"name": "second", "kind": "replay", "source": str(boards), "max_width_px": 320, "max_height_px": 320}
    running = line(camera={"name": "first"}, ready=False)
    running.daemon.stop()
    running.daemon.line["cameras"].append(second)
    running.daemon.line["views_ms"] = 25.0
    running.daemon.write_config()
    running.daemon.start()
    running.daemon.wait_ready()
    running.wait_parts(40)
    status = running.daemon.status()
    assert status["passed"] > 5
    assert status["parts"] <= running.plc.status()["counters"]["parts"] + 2


@pytest.mark.long
def test_each_view_is_judged_by_its_own_sections(line, tmp_path):
    """What the first one's regions ignore, the second one's do not: both look at the same damaged board."""
    template = generate(3, 0, OPTIONS).template
    damaged = template.copy()
    damaged[100:140, 100:140] = 255 - damaged[100:140, 100:140]
    folder = tmp_path / "damaged"
    folder.mkdir()
    for name, image in (("a_test", damaged), ("a_temp", template)):
        cv2.imwrite(str(folder / f"{name}.png"), image)
    ignore = {"kind": "ignore", "fov": 0, "corners": [[80.0, 80.0], [160.0, 160.0]]}
    inspect = {"kind": "inspect", "fov": 1, "corners": [[0.0, 0.0], [320.0, 320.0]]}
    running = line(camera={"name": "first", "source": str(folder), "fov": 0}, recipe={"unit": "px", "regions": [ignore]})
    running.wait_parts(10)
    assert running.daemon.status()["passed"] > 5, "the first camera alone sees nothing"
    running.daemon.stop()
    second = {"name": "second", "kind": "replay", "source": str(folder), "max_width_px": 320, "max_height_px": 320}
    running.daemon.line["cameras"].append({**second, "fov": 1})
    running.daemon.line["views_ms"] = 25.0
    del running.daemon.recipes["demo"]["regions"]
    for section in (ignore, inspect):
        del section["fov"]
    running.daemon.recipes["demo"]["views"] = [
        {"name": "top", "camera": "first", "regions": [ignore]}, {"name": "side", "camera": "second", "regions": [inspect]},
    ]  # fmt: skip
    running.daemon.write_config()
    running.daemon.restart()
    running.daemon.watch()
    running.daemon.wait_ready()
    wait_for(lambda: running.daemon.status()["rejected_for"].get("DEFECT", 0) > 20, 20, "parts that were judged")
    assert running.daemon.status()["passed"] == 0
    found = [outcome for outcome in running.daemon.outcomes() if outcome.reason == Reason.DEFECT]
    assert {(outcome.camera, outcome.fov) for outcome in found} == {(1, 1)}


def test_a_stop_rule_takes_the_permit_away_until_a_person_resets(line):
    running = line(recipe={"stop": {"same_place": 0, "reject_percent": 10.0, "window": 10}})
    running.plc.wait_until(lambda status: not status["coils"]["RUN_PERMIT"], 10)
    assert running.daemon.status()["stopped_by_rule"]
    wait_for(lambda: any(a["name"] == "STOP_RULE" for a in running.daemon.status()["alarms"]), 5, "the alarm")
    since = running.now_ns()
    assert running.daemon.ask("reset")["ok"]
    wait_for(lambda: any(word & 1 << 6 for word in running.coils_since(since)), 5, "RUN_PERMIT")


def test_status_and_reload_and_check_config_are_commands(line):
    import json
    import subprocess
    import sys

    running = line()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "aoi_daemon", *words], check=False, capture_output=True, text=True, timeout=30)

    socket = ["--socket", str(running.daemon.socket)]
    said = run("status", "--json", *socket)
    status = json.loads(said.stdout)
    assert said.returncode == 0 and status["ready"] is True
    plc = status["plc"]
    assert (plc["host"], plc["port"], plc["address"], plc["addresses"]) == ("127.0.0.1", running.plc.port, "127.0.0.1", 1)
    text = run("status", *socket).stdout
    assert text.startswith("demo: READY (RUNNING)") and "host 127.0.0.1" in text and "address 127.0.0.1" in text
    assert run("check-config", "--config", str(running.daemon.config)).returncode == 0
    assert run("reload", *socket).stdout == "reloaded: nothing had changed\n"
    running.daemon.config.write_text("[plc]\nport = 99999\n")
    refused = run("reload", *socket)
    assert refused.returncode == 2
    assert "plc.port = 99999" in refused.stderr and "65535" in refused.stderr
    assert run("status", *socket).returncode == 0
    running.daemon.stop()
    gone = run("status", *socket)
    assert gone.returncode == 1 and "no daemon listens" in gone.stderr


def test_cores_are_kept_awake_for_as_long_as_the_daemon_runs(line):
    """realtime.cpu_latency_us; the kernel takes the bound back when the daemon is killed, too."""
    device = Path("/dev/cpu_dma_latency")
    if not os.access(device, os.R_OK | os.W_OK):
        pytest.skip(f"{device} is not for this user")
    before = device.read_bytes()
    running = line(realtime={"cpu_latency_us": 0})
    running.wait_parts(5)
    assert device.read_bytes() == bytes(4)
    running.daemon.process.kill()
    wait_for(lambda: device.read_bytes() == before, 10, "a bound that is given up")
