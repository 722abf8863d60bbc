"""OpenVINO keeps to itself what it runs, and its threads below plc: looked at from a process of its own."""

import json
import os
import subprocess
import sys

import pytest

import tests.unit.infer.openvino.need_openvino  # noqa: F401  # first: leaves the module out
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.openvino.vendor import openvino, said
from aoi_daemon.stage import realtime

RUN = """
import json, os, sys, time
seen = []
def hook(event, args):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.fork", "urllib.", "http.")):
        seen.append(event)
    if event == "open" and isinstance(args[0], str) and isinstance(args[1], str) and set("wax+") & set(args[1]):
        seen.append(f"write {args[0]}")
sys.addaudithook(hook)
from pathlib import Path
import numpy as np
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.openvino.executor import OpenVinoExecutor
bundle = load_bundle(Path(sys.argv[1]))
frame = np.zeros((64, 64, 1), np.uint8)
def run():
    executor = OpenVinoExecutor(bundle.model_path("fp32"), bundle.manifest, frame.shape, precision="fp32", threads=2)
    executor.infer(frame, frame, NO_DEADLINE)
    return executor
"""
SENDS = RUN + """
run().close()
telemetry = [name for name in sys.modules if "telemetry" in name and sys.modules[name] is not None]
print(json.dumps({"seen": seen, "loaded": telemetry}))
"""
ONE_CORE = """
import os
core = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, {core})
"""
THREADS = ONE_CORE + RUN + """
from aoi_daemon.stage import realtime
first = run()
assert realtime.set_policy(os.SCHED_FIFO, 40)
second = run()  # threads that are made later
for _ in range(3):
    first.infer(frame, frame, NO_DEADLINE)
threads = {int(name) for name in os.listdir("/proc/self/task")}
print(json.dumps({"threads": len(threads), "cores": sorted({c for t in threads for c in os.sched_getaffinity(t)}), "core": core,
                  "priorities": sorted({os.sched_getparam(t).sched_priority for t in threads})}))
"""
SIGNALLED = RUN + """
import itertools, signal
heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
for order in itertools.permutations(range(3)):
    opened = {number: run() for number in range(3)}
    for number in order:
        opened.pop(number).close()
        os.kill(os.getpid(), signal.SIGUSR1)
print(json.dumps(len(heard)))
"""


def child(script, folder, home):
    # In continuous integration some packages send nothing by themselves: then there would be nothing to be seen.
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")}
    found = subprocess.run(
        [sys.executable, "-c", script, str(folder)], env={**kept, "HOME": str(home)},
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_nothing_is_sent_and_nothing_is_written_to_the_home_folder(tmp_path, plain_bundle):
    """No connection, no name looked up, no process that would do it, no telemetry loaded."""
    home = tmp_path / "home"
    home.mkdir()
    assert child(SENDS, plain_bundle, home) == {"seen": [], "loaded": []}
    assert not list(home.iterdir())


@pytest.mark.skipif(not realtime.set_policy(os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) or os.geteuid() != 0,
                    reason="SCHED_FIFO is not permitted here")  # fmt: skip
def test_no_thread_comes_above_the_stage_s_priority_or_outside_its_cores(tmp_path, plain_bundle):
    """Those that OpenVINO makes after the stage has taken its priority neither."""
    found = child(THREADS, plain_bundle, tmp_path)
    assert found["cores"] == [found["core"]]
    assert max(found["priorities"]) == 40 and found["threads"] > 1


def test_a_signal_is_answered_in_whatever_order_models_were_opened_and_closed(tmp_path, plain_bundle):
    """OpenVINO gives the thread a stack for signals with each core, and may leave one behind whose memory is gone."""
    assert child(SIGNALLED, plain_bundle, tmp_path) == 6 * 3


def test_where_it_is_not_installed_the_error_says_how_to(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"pip install 'aoi-daemon\[openvino\]', or inspection.backend = 'onnx'"):
        openvino()


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("Exception from src/core.cpp:117:\nCheck 'x' failed at src/config.cpp:2:\nCPU plugin supports only\n\n", "CPU plugin supports only"),
        ("Infer Request was canceled", "Infer Request was canceled"),
        ("Exception from src/core.cpp:117:\n", "Exception from src/core.cpp:117:"),
        ("", "RuntimeError"),
    ],
)
def test_an_error_is_told_in_one_line_without_the_places_in_its_source(message, line):
    assert said(RuntimeError(message)) == line
