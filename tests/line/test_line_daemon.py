"""The daemon as demo, benchmark and tests have it: what is waited for comes, or its log says why it cannot."""

import os
import signal
import subprocess
import sys

import pytest

from aoi_daemon.kit.line.daemon import DaemonError, LineDaemon, wait_for


def test_a_faulted_line_is_not_waited_for(line):
    running = line(supervisor={"restarts": 0})
    os.kill(running.stage("inspection"), signal.SIGKILL)
    wait_for(lambda: running.daemon.status()["state"] == "FAULTED", 10, "FAULTED")
    with pytest.raises(DaemonError, match="line is FAULTED") as failure:
        running.daemon.wait_ready(10)
    assert "stage_lost" in str(failure.value)
    running.daemon.ask("reset")
    running.daemon.wait_ready()


def test_a_daemon_that_has_ended_is_not_waited_for(tmp_path):
    daemon = LineDaemon(tmp_path, {}, {})
    daemon.log_file.write_text('{"event": "stopped"}\n')
    daemon.process = subprocess.Popen([sys.executable, "-c", ""])
    daemon.process.wait()
    with pytest.raises(DaemonError, match="ended with code 0") as failure:
        daemon.wait_ready(10)
    assert str(failure.value).count('"stopped"') == 1
