"""The supervisor's loop: its signals, what it hears from the stages, a machine that stood still, and a start that is refused."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.errors import AoiError
from aoi_daemon.files.lock import HeldError, hold
from aoi_daemon.stage.board import Cell
from aoi_daemon.stage.control import connect
from aoi_daemon.supervisor import main as module
from aoi_daemon.supervisor.engines import IN_A_ROW
from aoi_daemon.supervisor.main import Supervisor
from tests.unit.supervisor.conftest import configuration_in


def test_a_camera_clock_that_is_refused_is_an_alarm_that_a_reset_does_not_end(desk):
    supervisor, stage = SimpleNamespace(alarms=desk.watch), SimpleNamespace()

    def hear(camera, detail):
        Supervisor._heard(supervisor, stage, {"tell": "camera_clock", "camera": camera, "detail": detail})

    hear(0, "camera top: its clock ticks at 1e+08 Hz")
    assert desk.alarms() == {"CAMERA_CLOCK": "camera top: its clock ticks at 1e+08 Hz"}
    desk.watch.reset("anna", desk.now)
    assert "CAMERA_CLOCK" in desk.alarms()
    hear(1, "camera side: it stands still")
    assert desk.alarms()["CAMERA_CLOCK"] == "camera top: its clock ticks at 1e+08 Hz; camera side: it stands still"
    hear(0, "")
    hear(1, "")
    hear(1, "")
    assert desk.alarms() == {}


def test_a_signal_sets_a_flag_and_does_nothing_by_itself(supervisor):
    """It may come in the midst of a step."""
    before = supervisor.orders.changeover.status()
    signal.raise_signal(signal.SIGHUP)
    assert (supervisor.reload_wanted, supervisor.stopping) == (True, False)
    assert supervisor.orders.changeover.status() == before
    signal.raise_signal(signal.SIGTERM)
    assert supervisor.stopping


def test_a_supervisor_that_is_told_to_end_while_it_begins_starts_nothing(supervisor, monkeypatch):
    monkeypatch.setattr(supervisor.keeper, "start_all", lambda: pytest.fail("it was told to end"))
    signal.raise_signal(signal.SIGTERM)
    try:
        assert supervisor.run() == 0
    finally:
        signal.set_wakeup_fd(-1)
    assert not supervisor.control.path.exists()


def test_the_manager_hears_of_the_end_though_its_queue_was_full_when_it_began(supervisor, monkeypatch):
    said, steps = [], []
    taken = iter([False, True])
    monkeypatch.setattr(supervisor.notices._notifier, "send", lambda **fields: said.append((fields, *steps)) or next(taken))
    monkeypatch.setattr(supervisor.keeper, "stop_all", lambda: steps.append("stages stopped"))
    signal.raise_signal(signal.SIGTERM)
    try:
        supervisor.run()
    finally:
        signal.set_wakeup_fd(-1)
    word = {"stopping": 1, "status": "stopping"}
    assert said == [(word,), (word, "stages stopped")]


@pytest.mark.parametrize(("late_s", "paused"), [(0.05, False), (0.5, False), (0.51, True), (60, True)])
def test_a_machine_that_stood_still_makes_nobody_hang(supervisor, monkeypatch, late_s, paused):
    """A laptop lid, a migrated machine: all have stood, and none is killed for it."""
    seen = []
    monkeypatch.setattr(supervisor.keeper, "look", lambda *, paused: seen.append(paused))
    monkeypatch.setattr(supervisor.attendants, "look", lambda now, *, paused: seen.append(paused))
    monkeypatch.setattr(module, "now_ns", lambda: supervisor._ticked_ns + round(late_s * 1e9))
    supervisor._tick()
    assert seen == [paused, paused]


def test_a_second_daemon_of_the_same_line_is_refused_and_leaves_the_first_alone(supervisor, tmp_path):
    with pytest.raises(AoiError, match="another daemon listens there"):
        Supervisor(configuration_in(tmp_path), "json", 2)
    assert supervisor.control.path.exists()
    with connect(supervisor.control.path):
        pass


def test_a_line_does_not_start_into_a_restore(tmp_path):
    (tmp_path / "recipes").mkdir()
    held = hold(tmp_path / "recipes")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        with pytest.raises(HeldError, match="a backup is being restored there; start the line when that is done"):
            Supervisor(configuration_in(tmp_path), "json", 2)
        assert not (tmp_path / "c.sock").exists()
    finally:
        os.close(held)
        for number, handler in before.items():
            signal.signal(number, handler)


def test_what_a_stage_says_goes_to_whom_it_concerns(supervisor):
    plc = supervisor.keeper.plc
    supervisor._heard(plc, {"tell": "plc_refused", "detail": "FC16 at 100"})
    assert supervisor.alarms.plc_said[Alarm.PLC_REFUSED] == "FC16 at 100"
    supervisor._heard(plc, {"tell": "realtime_refused"})
    assert Alarm.REALTIME_REFUSED in supervisor.alarms.said
    camera = supervisor.keeper.cameras[0]
    supervisor._heard(camera, {"tell": "fresh"})
    assert camera.ended_on_purpose, "it costs no restart of the budget"


def test_an_inspection_is_started_with_what_is_known_of_executors(supervisor):
    """Where they are kept, and which was lost again and again; each loss is heard, and still is an event."""
    supervisor.engines.heard({"tell": "engine", "step": "opening a b", "opening": "a b", "standby": False})
    supervisor.board[Cell.INSPECTION_STATE] = 0
    for _ in range(IN_A_ROW):
        supervisor.keeper._event("stage", which="inspection", what="lost", how="signal SIGSEGV")
    setup = supervisor._stage_setup("inspection", 0, {})
    assert list(setup.left_out) == ["a b"]
    assert setup.engines.name == "aoi-daemon-line-1.engines"
    assert setup.engines.parent == supervisor.configuration.line.supervisor.state_folder
    supervisor._reset("anna", "command")
    assert supervisor._stage_setup("inspection", 0, {}).left_out == {}


def test_the_executor_that_took_the_line_is_in_the_status(supervisor):
    engine = {"name": "onnx fp32", "why": "named in [inspection]", "others": ["row"], "auto": False}
    supervisor._heard(SimpleNamespace(), {"tell": "live", "proof": 1, "text": "", "engine": engine})
    status = supervisor.requests.status()
    assert (status["engine"], status["engines"]) == ({"name": "onnx fp32", "why": "named in [inspection]"}, ["row"])
