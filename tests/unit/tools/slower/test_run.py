"""One run: it is the measured tree's own harness and daemon that run, against this tree's PLC simulator."""

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from tools.slower import probe
from tools.slower.revision import Tree
from tools.slower.run import Bench, RunError

_SETUP = """
def line_config(boards, **options):
    return options

def demo_recipe(boards, bundle):
    return {"bundle": str(bundle)}
"""
_DAEMON = """
import json, os
from collections import namedtuple
from pathlib import Path

Part = namedtuple("Part", "trigger_ns ready_ns deadline_ns answered_ns")

class LineDaemon:
    def __init__(self, folder, line, recipes):
        Path("asked.json").write_text(json.dumps({"line": line, "recipes": recipes}))
        self.left = line["parts"]

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        Path("ended").write_text(kind.__name__ if kind else "")

    def watch(self): pass

    def wait_ready(self):
        READY

    def log(self):
        return "the end of its log"

    def status(self):
        return {"stages": {"plc": os.getpid(), "inspection-0": os.getpid(), "acquire-0": 0}}

    def outcomes(self):
        now = min(100, self.left)
        self.left -= now
        return [Part(1, 2, 3, 0 if self.left + n == 200 else 3) for n in range(now)]
"""
_REPORT = """
class Tally:
    def __init__(self):
        self.parts, self.misses, self.latencies_ms = 0, 0, []
        self.stages_ms = {name: [] for name in ("acquire", "queue", "infer", "decide", "handover", "plc")}

    def add(self, parts):
        for part in parts:
            self.parts += 1
            self.misses += not part.answered_ns
            self.latencies_ms.append(9.0)
            for name, ms in zip(self.stages_ms, (50.0, 0.1, 70.0, 0.2, 0.3, 0.4)):
                self.stages_ms[name].append(ms)
"""


@pytest.fixture
def tree(tmp_path):
    """A tree whose harness is a double: it answers at once, and writes down what it was asked."""

    def make(ready="pass"):
        folder = tmp_path / "other"
        (folder / "aoi_daemon/kit/line").mkdir(parents=True)
        for name, text in (("setup", _SETUP), ("daemon", _DAEMON.replace("READY", ready)), ("report", _REPORT)):
            (folder / f"aoi_daemon/kit/line/{name}.py").write_text(text)
        return Tree("other", folder, sys.executable)

    return make


@pytest.fixture
def bench(tmp_path):
    (tmp_path / "bench").mkdir()
    return Bench(tmp_path / "bench", parts=500, takt_ms=20, registers=True)


def test_a_run_is_of_the_trees_own_harness_and_leaves_inference_out(tree, bench):
    other, decided = tree(), []
    found = bench.measure(other, decided.append)
    asked = json.loads((other.folder / "asked.json").read_text())
    assert (asked["line"]["parts"], asked["line"]["takt_ms"], asked["line"]["deadline_ms"]) == (500, 20, 20)
    assert asked["line"]["plc"]["registers"] == {"base": 0} and asked["line"]["plc_port"] > 0
    assert asked["line"]["inspection"] == {"threads": 1}
    assert found.path_ms == pytest.approx(0.1 + 0.2 + 0.3 + 0.4)
    assert (found.line_ms, found.parts, found.misses) == (9.0, 500, 1)
    # That part was on its way when CLOCK_MONOTONIC was 1 to 3 ns: no stall explains it.
    assert found.unexplained == 1
    assert found.plc_cpu_us > 0 and found.inspection_cpu_us > 0
    assert decided[-1] == 500
    assert (other.folder / "ended").exists()


@pytest.mark.parametrize(
    ("ready", "said"),
    [("raise RuntimeError('FAULTED')", "RuntimeError: FAULTED"), ("self.left = 0", "the line has stopped at 0 of 500 parts")],
)
def test_a_line_that_does_not_run_says_why(tree, bench, monkeypatch, ready, said):
    other = tree(ready)
    text = Path(probe.__file__).read_text().replace("_PATIENCE_S = 10.0", "_PATIENCE_S = 0.2")
    shorter = other.folder / "probe.py"
    shorter.write_text(text)
    monkeypatch.setattr(probe, "__file__", str(shorter))
    with pytest.raises(RunError, match=rf"(?s)other: its line could not be measured.*{said}"):
        bench.measure(other, lambda _: None)
    assert (other.folder / "ended").exists()


def test_who_stops_a_run_ends_its_daemon_in_order(tree, bench):
    """Ctrl-C comes to the command alone, which ends the probe by one signal of its own."""
    other = tree("self.left = 100")  # and no part more

    def stop(_decided):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.measure(other, stop)
    assert (other.folder / "ended").read_text() == "KeyboardInterrupt"
    assert os.listdir(bench.folder) == []


def test_cpu_time_is_that_of_all_threads():
    """schedstat of the process alone is its first thread's: a model with two threads would look free."""
    ran, end = threading.Event(), threading.Event()

    def work():
        while time.thread_time_ns() < 30_000_000:
            pass
        ran.set()
        end.wait(30)

    first = int(Path(f"/proc/{os.getpid()}/schedstat").read_text().split()[0])
    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ran.wait(30)
        assert probe.cpu_ns(os.getpid()) >= first + 30_000_000
        now = int(Path(f"/proc/{os.getpid()}/schedstat").read_text().split()[0])
        assert probe.cpu_ns(os.getpid()) >= now + 20_000_000
    finally:
        end.set()
        thread.join()


def test_several_processes_of_a_stage_are_one(monkeypatch):
    monkeypatch.setattr(probe, "cpu_ns", lambda pid: pid)
    stages = {"plc": 1, "acquire-0": 2, "inspection-0": 10, "inspection-1": 20}
    assert probe.cpu_of(stages) == {"plc": 1, "inspection": 30}
