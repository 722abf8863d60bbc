"""The same daemon with a GenICam camera: the simulated one in the genicam wheel, through harvesters."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import cv2
import genicam
import numpy as np
import pytest

from aoi_daemon.kit.line.daemon import LineDaemon, wait_for
from aoi_daemon.kit.simulator.client import SimulatorProcess

PRODUCER = Path(genicam.__file__).parent / "viky.cti"


@pytest.fixture
def viky(tmp_path, bundle):
    """A line that looks through viky.cti: 400 x 400, 20 frames/s, free running."""
    template = tmp_path / "template.png"
    cv2.imwrite(str(template), np.full((400, 400), 128, np.uint8))
    with SimulatorProcess(scan_ms=0) as plc:
        line = {
            "line": {"recipe": "demo"},
            "cameras": [
                {"kind": "genicam", "producer": str(PRODUCER), "serial": "0", "max_width_px": 400, "max_height_px": 400, "silence_ms": 500.0}
            ],
            "plc": {"port": plc.port},
            "log": {"format": "json"},
        }  # fmt: skip
        recipe = {
            "id": 1, "name": "viky", "bundle": str(bundle), "width_px": 400, "height_px": 400,
            "templates": [{"fov": 0, "image": str(template)}], "stop": {"same_place": 0, "reject_percent": 0.0},
            "accept_unproven": "the test, what viky shows is no product",
        }  # fmt: skip
        with LineDaemon(tmp_path / "line", line, {"demo": recipe}) as daemon:
            daemon.watch()
            daemon.wait_ready()
            yield daemon, plc


def test_the_daemon_judges_a_genicam_camera_and_survives_its_process(viky, request, measured):
    """Frames through harvesters are judged in time; its process is killed and comes back; the heartbeat does not care."""
    daemon, plc = viky
    seconds = request.config.getoption("--viky-s")
    wait_for(lambda: daemon.status()["parts"] > seconds * 10, seconds * 3 + 10, "half of the parts")
    before = daemon.status()
    assert before["cameras"][0]["reopened"] == 0
    since = plc.status()["at_ns"]
    os.kill(before["stages"]["acquire-0"], signal.SIGKILL)
    drop = wait_for(
        lambda: next((e.at_ns for e in plc.events() if e.kind == "not_ready" and e.at_ns >= since), None), 5, "READY=0"
    )
    measured("GenICam camera process killed", "until READY=0", (drop - since) / 1e6)
    plc.wait_until(lambda status: status["ready_effective"], 15)
    back = next(e.at_ns for e in plc.events() if e.kind == "ready" and e.at_ns >= drop)
    measured("GenICam camera process killed", "until READY=1 again", (back - since) / 1e6)
    wait_for(lambda: daemon.status()["parts"] > before["parts"] + seconds * 8, seconds * 3 + 10, "the other half")
    after = daemon.status()
    judged = [outcome for outcome in daemon.outcomes() if outcome.judged_ns]
    assert len(judged) > seconds * 15
    assert after["rejected_for"].keys() <= {"DEFECT", "NOT_READY"}
    assert after["restarts"] == 1
    heartbeat = plc.status()["heartbeat"]
    measured("GenICam camera process killed", "heartbeat, mean period", heartbeat["mean_ms"])
    measured("GenICam camera process killed", "heartbeat, largest deviation", heartbeat["max_deviation_ms"])
    assert heartbeat["max_deviation_ms"] < 60  # generous; an idle machine has less


def test_a_refused_node_keeps_ready_down_and_is_named(viky):
    daemon, plc = viky
    daemon.line["cameras"][0]["settings"] = [{"node": "NoSuchNode", "value": 1}]
    daemon.write_config()
    assert daemon.ask("reload")["ok"]
    plc.wait_until(lambda status: not status["ready_effective"], 10)
    wait_for(lambda: "NoSuchNode" in daemon.log(), 10, "a log line that names the node")
    assert not daemon.status()["ready"]
    daemon.line["cameras"][0]["settings"] = []
    daemon.write_config()
    assert daemon.ask("reload")["ok"]
    plc.wait_until(lambda status: status["ready_effective"], 20)
