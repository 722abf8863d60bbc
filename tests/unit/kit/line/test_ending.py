"""However a run is stopped, what it started ends with it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import subprocess, sys
from aoi_daemon.kit.line.ending import exit_code

def run(_console):
    child = subprocess.Popen(["sleep", "600"])
    try:
        print(child.pid, flush=True)
        child.wait()
    finally:
        print("cleans up", flush=True)
        sys.stdin.readline()
        child.kill()
        child.wait()

sys.exit(exit_code(run, None, None))
"""


@pytest.fixture
def running():
    """A run that has started a process, and that process."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        child = Path(f"/proc/{int(process.stdout.readline())}")
        yield process, child
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_what_was_started_ends_with_it_though_it_is_told_twice(running, number):
    """A terminal that is closed, a time limit, `kill`: as Ctrl-C."""
    process, child = running
    process.send_signal(number)
    assert process.stdout.readline() == "cleans up\n"
    if number != signal.SIGINT:  # a second Ctrl-C is a person's, who waits no longer
        process.send_signal(number)
    _, said = process.communicate("go on\n", timeout=60)
    assert (process.returncode, said) == (130, "stopped\n")
    assert not child.exists()


def test_what_nohup_has_ignored_stays_so():
    code = (
        "import os, signal\nfrom aoi_daemon.files.offline import stopped_as_by_ctrl_c\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with stopped_as_by_ctrl_c():\n    os.kill(os.getpid(), signal.SIGHUP)\n"
        "assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
