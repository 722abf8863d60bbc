"""The daemon as demo, benchmark and tests have it: what is waited for comes, or its log says why it cannot."""

import os
import signal

import pytest

from aoi_daemon.kit.line.daemon import DaemonError, wait_for


def test_a_faulted_line_is_not_waited_for(line):
    running = line(supervisor={"restarts": 0})
    os.kill(running.stage("inspection"), signal.SIGKILL)
    wait_for(lambda: running.daemon.status()["state"] == "FAULTED", 10, "FAULTED")
    with pytest.raises(DaemonError, match="line is FAULTED") as failure:
        running.daemon.wait_ready(10)
    assert "stage_lost" in str(failure.value)
    running.daemon.ask("reset")
    running.daemon.wait_ready()


def test_a_daemon_that_has_ended_is_not_waited_for(line):
    running = line(ready=False)
    running.daemon.stop()
    with pytest.raises(DaemonError, match="ended with code 0") as failure:
        running.daemon.wait_ready(10)
    assert str(failure.value).count('"stopped"') == 1
