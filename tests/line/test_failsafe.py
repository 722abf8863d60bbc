"""The fail-safe table: each row with its fault put in, and what the PLC sees of it.

The time limits here are generous, as a shared machine needs them; the figures
that were measured are printed at the end of the run and are in aoi_daemon/plc/README.md.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

import aoi_daemon
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.messages import Reason
from tests.line.conftest import starter
from tests.line.models import flip_a_bit, slow_bundle

PASSES_ALL = {"limits": [{"name": "*", "max_count": 10_000}]}
SAFE_BITS = 1 << 0 | 1 << 3 | 1 << 6  # PASS, READY, RUN_PERMIT
DROP_MS = 300.0
BACK_S = 15.0
OPENVINO = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs the package openvino")
each_backend = pytest.mark.parametrize("backend", ["onnx", pytest.param("openvino", marks=OPENVINO)])
"""Those that judge on the CPU."""


def reasons(running) -> set[Reason]:
    return {Reason(outcome.reason) for outcome in running.outcomes()}


def drops_and_returns(running, measured, row: str, since_ns: int, within_ms: float = DROP_MS) -> None:
    """READY has dropped within `within_ms` of `since_ns` and comes back by itself; then parts pass again."""
    drop_ms = running.first("not_ready", since_ns)
    measured(row, "until READY=0", drop_ms)
    assert drop_ms < within_ms
    back_ms = running.first("ready", since_ns + int(drop_ms * 1e6), BACK_S)
    measured(row, "until READY=1 again", drop_ms + back_ms)
    running.wait_parts(15)
    running.no_unproven_pass()
    assert running.plc.parts()[-1].verdict in ("pass", "reject")


# -- camera ------------------------------------------------------------------


def test_a_silent_camera_drops_ready_and_comes_back(line, measured):
    """The trigger goes on, no frame comes: rejected by preset, READY=0, re-opened."""
    running = line(camera={"silence_ms": 300.0})
    pid = running.stage("acquire-0")
    os.kill(pid, signal.SIGSTOP)
    since = running.now_ns()
    drop_ms = running.first("not_ready", since)
    measured("camera silent (acquire stopped)", "until READY=0 (plc.stall_ms = 500)", drop_ms)
    assert drop_ms < 900
    os.kill(pid, signal.SIGCONT)
    running.wait_ready()
    running.wait_parts(10)
    running.no_unproven_pass()


def test_a_camera_without_frames_is_reopened(line, measured):
    """It is open and delivers nothing while the line runs: READY=0, the alarm, a re-open. A line that stands is no fault."""
    running = line(
        camera={"pace": "plc", "silence_ms": 400.0, "wait_ready": False},
        takt_ms=60.0,
        plc={"poll": {"base": 100, "period_ms": 5.0}},
        ready=False,
    )
    running.plc.set(line_running=False)
    running.wait_ready()
    beats = running.plc.status()["heartbeat"]["count"]
    running.plc.wait_until(lambda status: status["heartbeat"]["count"] > beats + 6, 5)
    assert running.plc.status()["ready_effective"], "a line that stands has no frames"
    since = running.now_ns()
    running.plc.set(line_running=True)
    drop_ms = running.first("not_ready", since)
    measured("camera silent (no frames)", "until READY=0 (silence_ms = 400)", drop_ms)
    assert drop_ms < 1500
    wait_for(lambda: running.daemon.status()["cameras"][0]["reopened"] > 0, 10, "a re-open")
    running.plc.set(line_running=False)
    running.wait_ready()
    seen = len(running.outcomes())
    running.plc.command("trigger")
    wait_for(lambda: len(running.outcomes()) > seen, 5, "a verdict after the re-open")


def test_a_camera_that_is_not_there_keeps_ready_down(line, tmp_path):
    """The replay's folder has gone: an alarm that names it, READY=0, and READY once it is back."""
    images = tmp_path / "images"
    running = line(ready=False)
    running.daemon.stop()
    source = Path(running.daemon.line["cameras"][0]["source"])
    shutil.copytree(source, images)
    running.daemon.line["cameras"][0].update(source=str(images), reopen_max_ms=300.0)
    running.daemon.write_config()
    running.daemon.start()
    running.daemon.wait_ready()
    shutil.move(images, tmp_path / "away")
    os.kill(running.stage("acquire-0"), signal.SIGKILL)
    wait_for(lambda: any(a["name"] == "CAMERA_LOST" for a in running.daemon.status()["alarms"]), 10, "the alarm")
    wait_for(lambda: not running.daemon.status()["ready"], 2, "READY=0")  # the alarm may be seen some ms before it
    wait_for(lambda: str(images) in running.daemon.log(), 10, "a log line that names the folder")
    shutil.move(tmp_path / "away", images)
    running.wait_ready()


# -- inspection --------------------------------------------------------------


@each_backend
def test_a_slow_engine_rejects_each_part_in_time(line, tmp_path, measured, backend):
    """LATE for each part, on the wire before its deadline; the engine is not waited for."""
    slow = slow_bundle(tmp_path / "slow")
    # A run takes seconds: one that is not ended would be a hang.
    running = line(
        use_bundle=slow, inspection={"backend": backend, "warm_up_runs": 1}, supervisor={"hang_ms": 1500.0}
    )  # fmt: skip
    pid = running.stage("inspection")
    running.wait_parts(45)
    outcomes = running.outcomes()
    assert {Reason(outcome.reason) for outcome in outcomes} == {Reason.LATE}
    slack_ms = [(outcome.deadline_ns - outcome.answered_ns) / 1e6 for outcome in outcomes if outcome.answered_ns]
    measured(f"inference slow, {backend}", "verdict REJECT before the deadline, least", min(slack_ms))
    assert running.plc.status()["counters"]["missed"] == 0
    assert running.daemon.status()["deadline_misses"] == 0
    assert running.stage("inspection") == pid, "its run was not ended: the supervisor has ended the process"
    running.no_unproven_pass()


@pytest.mark.parametrize("backend", ["onnx", pytest.param("openvino", marks=[OPENVINO, pytest.mark.long])])
def test_a_hung_engine_is_killed_and_the_line_comes_back(line, measured, backend):
    """LATE meanwhile, the heartbeat stops, the stage is killed and proves itself on the golden parts again."""
    running = line(inspection={"backend": backend}, supervisor={"hang_ms": 1000.0})
    pid = running.stage("inspection")
    os.kill(pid, signal.SIGSTOP)
    drops_and_returns(running, measured, f"inference hung, {backend}", running.now_ns(), within_ms=900)
    assert running.stage("inspection") != pid
    assert Reason.LATE in reasons(running)
    assert running.daemon.status()["golden_passed"]


@each_backend
def test_a_killed_engine_rejects_what_waits(line, measured, backend):
    running = line(inspection={"backend": backend})
    since = running.now_ns()
    os.kill(running.stage("inspection"), signal.SIGKILL)
    drops_and_returns(running, measured, f"inspection killed, {backend}", since)
    assert reasons(running) & {Reason.ENGINE_FAULT, Reason.NOT_READY}


def test_a_corrupt_model_is_refused_at_start(tmp_path, bundle, boards):
    broken = tmp_path / "broken"
    shutil.copytree(bundle, broken)
    flip_a_bit(broken)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "line.toml").write_text(f'[line]\nrecipe = "a"\n[[cameras]]\nkind = "replay"\nsource = "{boards}"\n')
    (tmp_path / "recipes/a.toml").write_text(
        f'id = 1\nname = "a"\nbundle = "{broken}"\nwidth_px = 320\nheight_px = 320\n'
    )
    found = subprocess.run(
        [sys.executable, "-m", "aoi_daemon", "run", "--config", str(tmp_path / "line.toml")],
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert found.returncode == 2
    assert "reference.onnx" in found.stderr and "SHA-256" in found.stderr


def test_a_model_that_breaks_while_the_line_runs_ends_in_a_fault_that_a_person_clears(line, tmp_path, bundle, measured):
    own = tmp_path / "own"
    shutil.copytree(bundle, own)
    running = line(use_bundle=own, supervisor={"restarts": 1})
    good = (own / "reference.onnx").read_bytes()
    (own / "reference.onnx").write_bytes(b"no model")
    since = running.now_ns()
    os.kill(running.stage("inspection"), signal.SIGKILL)
    measured("engine file corrupt while running", "until READY=0", running.first("not_ready", since))
    wait_for(lambda: running.daemon.status()["state"] == "FAULTED", 20, "FAULTED")
    running.plc.wait_until(lambda status: status["coils"]["ALARM"], 5)
    assert not running.plc.status()["ready_effective"]
    (own / "reference.onnx").write_bytes(good)
    assert running.daemon.status()["state"] == "FAULTED", "a fault never clears itself"
    running.daemon.ask("reset")
    running.wait_ready()
    running.wait_parts(10)
    running.no_unproven_pass()


def test_a_failed_golden_check_keeps_ready_down_until_another_bundle_comes(line, wrong_bundle, bundle):
    running = line(use_bundle=wrong_bundle, ready=False)
    wait_for(lambda: any(a["name"] == "GOLDEN_FAILED" for a in running.daemon.status()["alarms"]), 20, "the alarm")
    assert not running.plc.status()["ready_effective"]
    assert not any(word & SAFE_BITS & 0b1001 for word in running.coils_since(0))
    running.daemon.recipes["demo"]["bundle"] = str(bundle)
    running.daemon.write_config()
    assert running.daemon.ask("reload")["ok"]
    running.wait_ready()
    running.wait_parts(5)
    running.no_unproven_pass()


def test_an_overrun_part_is_rejected_for_that(line, measured):
    """Inspection stops for longer than the ring holds frames, and parts come much faster than the takt says."""
    running = line(
        takt_ms=400.0, ring={"slots": 4}, camera={"pace": "plc"}, plc_options={"trigger_ms": 20.0},
        plc={"poll": {"base": 100, "period_ms": 5.0}, "answer_ms": 2.0}, supervisor={"hang_ms": 10000.0},
    )  # fmt: skip
    pid = running.stage("inspection")
    os.kill(pid, signal.SIGSTOP)
    since = running.now_ns()
    found = wait_for(
        lambda: [o for o in running.outcomes() if o.reason == Reason.OVERRUN], 10, "an overrun"
    )
    measured("ring overrun", "frame ready until REJECT", (found[0].answered_ns - found[0].ready_ns) / 1e6)
    running.plc.wait_until(lambda status: status["coils"]["OVERRUN"], 5)
    assert running.daemon.status()["cameras"][0]["overruns"] > 0
    os.kill(pid, signal.SIGCONT)
    running.wait_ready()
    wait_for(lambda: any(o.passed for o in running.outcomes()), 10, "a PASS")
    assert since


# -- PLC ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def mended(tmp_path_factory, boards, bundle):
    """One line for all that a PLC may do wrong: each test leaves it as it found it, READY."""
    with ExitStack() as owned:
        yield starter(owned, tmp_path_factory.mktemp("mended"), boards, bundle)(plc={"reconnect_max_ms": 200.0})


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("mute", {}), ("refuse", {}), ("reset", {}), ("exception", {"code": 4}), ("wrong_echo", {}), ("delay", {"ms": 200}), ("trickle", {"ms": 20})],
)  # fmt: skip
def test_a_plc_that_fails_is_noticed_and_nothing_is_replayed(mended, measured, kind, parameters):
    """The link is reset at once, nothing is written twice, and the safe state comes first afterwards."""
    running = mended
    running.wait_ready()
    running.wait_parts(25)  # a link is steady after a second; until then it is tried again as in the outage before
    seen, since = len(running.outcomes()), running.now_ns()
    running.plc.fault(kind, **parameters)
    wait_for(lambda: running.daemon.status()["plc"]["link"] == "DOWN", 5, "the link to be down")
    measured(f"PLC {kind}", "until noticed (link down)", (time.monotonic_ns() - since) / 1e6)
    assert not running.daemon.status()["ready"]
    alarm = "PLC_REFUSED" if kind == "exception" else "PLC_LINK"
    wait_for(lambda: any(a["name"] == alarm for a in running.daemon.status()["alarms"]), 5, "the alarm")
    lost = wait_for(lambda: [o for o in running.outcomes()[seen:] if not o.answered_ns], 5, "an undelivered part")
    running.plc.fault("none")
    mended_ns = running.now_ns()
    running.wait_ready()
    measured(f"PLC {kind}", "mended until READY=1 again", running.first("ready", mended_ns))
    words = running.coils_since(mended_ns)
    assert words[0] & SAFE_BITS == 0, "the safe state comes first"
    running.wait_parts(10)
    running.no_unproven_pass()
    delivered = {part.sequence for part in running.plc.parts() if part.verdict == "pass" and part.trigger_ns > mended_ns}
    assert delivered
    assert sum(outcome.passed for outcome in lost) <= 1, "only the one that was on the wire may have been a PASS"


def test_a_slow_plc_still_gets_each_verdict_in_time(line):
    """12 ms for an answer, as a real one needs: inside its budget nothing is lost."""
    running = line(plc={"answer_ms": 15.0, "timeout_ms": 30.0})
    running.plc.fault("delay", ms=12)
    running.wait_parts(30)
    counters = running.plc.status()["counters"]
    assert counters["missed"] == counters["refused"] == 0
    assert running.daemon.status()["undelivered"] == 0
    running.no_unproven_pass()


def test_a_plc_that_stands_still_into_the_next_window_passes_nobody(line, request):
    """A PASS lies in its buffer when the next part comes, and is not that part's."""
    running = line(takt_ms=30.0, recipe=PASSES_ALL)
    running.plc.hold_outputs(on=True)  # else the end of the connection alone would take it back
    for _ in range(request.config.getoption("--standstills")):
        running.wait_parts(3)
        seen = len(running.outcomes())
        os.kill(running.plc.pid, signal.SIGSTOP)
        try:
            wait_for(lambda seen=seen: [o for o in running.outcomes()[seen:] if not o.answered_ns], 5, "an undelivered part")
        finally:
            os.kill(running.plc.pid, signal.SIGCONT)
        running.wait_ready()
        running.no_unproven_pass()
    # A link that has come and gone so often waits for up to a second before it is tried again.
    before = running.plc.status()["counters"]["good"]
    running.plc.wait_until(lambda status: status["counters"]["good"] >= before + 30, 20)
    assert not any(part.ejected for part in running.plc.parts()[-10:]), "in step again"


# -- configuration, signals, clocks --------------------------------------------


def test_a_bad_config_at_start_starts_nothing(tmp_path):
    (tmp_path / "line.toml").write_text("[[cameras]]\nkind = 'replay'\nsource = '.'\n[plc]\nport = 0\n")
    found = subprocess.run(
        [sys.executable, "-m", "aoi_daemon", "run", "--config", str(tmp_path / "line.toml")],
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert found.returncode == 2
    assert found.stderr.strip().endswith("line.toml:5: plc.port = 0: input should be greater than or equal to 1")
    assert "stage_started" not in found.stderr


def test_a_bad_config_at_reload_changes_nothing(line):
    running = line()
    before = running.daemon.status()
    good = running.daemon.config.read_text()
    running.daemon.config.write_text(good.replace("takt_ms = 50.0", "takt_ms = -1.0"))
    refused = running.daemon.ask("reload")
    assert not refused["ok"] and "takt_ms = -1.0" in refused["error"]
    running.wait_parts(10)
    after = running.daemon.status()
    assert after["stages"] == before["stages"]
    assert after["reloads_refused"] == 1
    assert after["deadline_misses"] == after["undelivered"] == 0
    running.plc.wait_until(lambda status: status["coils"]["ALARM"] == 1, 5)
    running.daemon.config.write_text(good)
    assert running.daemon.ask("reload")["ok"]
    running.no_unproven_pass()


def test_a_good_reload_loses_no_part(line):
    """Another threshold is proven beside the line; READY is down for the switch alone, and its parts are rejected."""
    running = line()
    running.wait_parts(5)
    running.daemon.recipes["demo"]["limits"] = [{"name": "*", "score": 0.9}]
    running.daemon.write_config()
    running.daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: running.daemon.status()["reloads"] == 1, 30, "the reload")
    running.wait_parts(20)
    counters = running.plc.status()["counters"]
    assert counters["missed"] == 0
    assert counters["ready_drops"] <= 1
    assert sum(outcome.reason == Reason.NOT_READY for outcome in running.outcomes()) <= 2
    running.no_unproven_pass()


def test_no_stage_looks_at_the_wall_clock():
    """A step of it cannot touch the path: only logs, and what is off the critical path, tell the time of day.

    (Not stepped here: other programs share it.)
    """
    folder = Path(aoi_daemon.__file__).parent
    found = []
    for path in folder.rglob("*.py"):
        if {"engine", "backup", "records", "recorder", "hmi", "publisher", "notifier"} & set(path.parts):
            continue  # offline, or off the critical path: records say when, by the clock on the wall
        if path.name == "kernel_time.py":
            continue  # the recorder's; the supervisor asks it whether the kernel is synchronised, and no time
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = f"{node.value.id}.{node.attr}"
                if name in ("time.time", "time.time_ns", "datetime.now", "time.localtime", "datetime.utcnow"):
                    found.append((path.name, name))
    assert found == []


def test_sigterm_leaves_the_safe_state(line, measured):
    running = line()
    running.wait_parts(5)
    since = running.now_ns()
    running.daemon.process.send_signal(signal.SIGTERM)
    assert running.daemon.process.wait(10) == 0
    measured("SIGTERM", "until READY=0", running.first("not_ready", since))
    last = running.coils_since(since)[-1]
    assert last & SAFE_BITS == 0
    assert last == 0


# -- SIGKILL -------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["plc", "acquire-0"])
def test_a_killed_stage_drops_ready_and_comes_back(line, measured, stage):
    """For plc it is the PLC that notices: the heartbeat stops, or the connection ends."""
    running = line()
    running.wait_parts(5)
    since = running.now_ns()
    os.kill(running.stage(stage), signal.SIGKILL)
    drops_and_returns(running, measured, f"{stage.split('-')[0]} killed", since)
    assert running.daemon.status()["restarts"] == 1


def test_a_killed_supervisor_takes_the_line_down_safely(line, measured):
    """plc writes the safe state, all stages end, and what systemd does next starts the line again."""
    running = line()
    running.wait_parts(5)
    pids = [pid for pid in running.daemon.status()["stages"].values()]
    since = running.now_ns()
    running.daemon.process.kill()
    measured("supervisor killed", "until READY=0", running.first("not_ready", since))
    assert running.first("not_ready", since) < DROP_MS
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 5, "the stages to end")
    assert running.coils_since(since)[-1] & SAFE_BITS == 0
    running.daemon.process.wait(5)
    running.daemon.start()
    running.daemon.wait_ready()


def test_nothing_is_left_in_shared_memory(line):
    before = set(os.listdir("/dev/shm"))
    running = line()
    running.daemon.process.kill()
    running.daemon.process.wait(5)
    assert set(os.listdir("/dev/shm")) <= before
