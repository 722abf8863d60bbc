"""A stage's process, seen from the supervisor."""

import os
import select
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from aoi_daemon.supervisor.stages import StageProcess


@pytest.mark.parametrize("error", [BrokenPipeError, ConnectionResetError])
def test_a_process_that_ends_before_it_has_its_setup_is_seen_to_end(error):
    """Killed at once, say: the supervisor must not end for it, and must not lose sight of it."""
    process = StageProcess("inspection", 0, 2)

    def send(_):
        os.kill(process.pid, signal.SIGKILL)
        raise error

    process.start(SimpleNamespace(send=send))
    pid = process.pid
    ready, _, _ = select.select([process.pidfd], [], [], 10)
    assert ready
    assert process.reap() == "signal SIGKILL"
    assert not Path(f"/proc/{pid}").exists()
