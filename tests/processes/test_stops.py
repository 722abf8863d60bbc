"""A stage or the service that is told to stop before it is ready stops, and leaves no traceback."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from aoi_daemon.config.load import load
from aoi_daemon.kit.line.daemon import LineDaemon, wait_for
from aoi_daemon.kit.line.page import free_port
from aoi_daemon.kit.line.setup import demo_recipe, line_config
from aoi_daemon.stage.board import CameraCell, Cell, StageState, camera_cell
from aoi_daemon.stage.process import STOPPED, StageProcess
from aoi_daemon.stage.stage import OFF_PATH, Setup
from aoi_daemon.supervisor.shared import Shared
from tests.line.conftest import boards, bundle

__all__ = ["boards", "bundle"]  # fixtures that are defined elsewhere


@pytest.fixture
def files(tmp_path, boards, bundle):
    """A line with everything beside it, whose PLC is not there."""
    config = line_config(boards, takt_ms=50, deadline_ms=50, plc_port=free_port(0), photo_eye_port=free_port(0))
    config["recorder"] = {"folder": str(tmp_path / "records")}
    config["hmi"] = {"port": free_port(0)}
    config["publisher"] = {"host": "127.0.0.1", "port": free_port(0)}
    hook = {"name": "chat", "url": f"http://127.0.0.1:{free_port(0)}/"}
    rules = [{"priority": "low", "to": ["chat"]}]
    config["notices"] = {"folder": str(tmp_path / "notices"), "webhook": [hook], "rules": rules}
    return LineDaemon(tmp_path / "line", config, {"demo": demo_recipe(boards, bundle)})


def waited(fd: int, ms: float) -> bool:
    """Whether `fd` can be read within `ms`."""
    return bool(select.select([fd], [], [], ms / 1e3)[0])


STATE_OF = {
    "plc": Cell.PLC_STATE, "inspection": Cell.INSPECTION_STATE, "acquire": camera_cell(0, CameraCell.STATE)
}  # fmt: skip


SHARES = {signal.SIGTERM: [0, 0.2, 0.4, 0.6, 0.8], signal.SIGINT: [0.3]}
"""Of the time that a start takes on this machine now."""


@pytest.mark.parametrize("name", [*STATE_OF, *OFF_PATH])
@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_any_moment_of_a_stage_s_start_is_a_stop_and_no_crash(files, tmp_path, name, asked):
    """SIGTERM ends it, SIGINT is the supervisor's to act on; neither leaves a traceback. From ready on, so is SIGTERM."""
    configuration = load(files.config)
    log_file = tmp_path / "stage.log"
    ended = survived = 0
    with Shared(configuration.line) as shared, log_file.open("ab") as log, ExitStack() as owned:
        process = StageProcess(name, 0, log.fileno())

        def start() -> None:
            if name in OFF_PATH:
                fds = owned.enter_context(shared.read_only_fds())
            else:
                fds = shared.fds_for(name, 0)
                shared.board[STATE_OF[name]] = StageState.STARTING
            line, recipe, file = configuration.line, configuration.recipe, configuration.file
            process.start(Setup(name, 0, line, recipe, "json", "f" * 32, file, tmp_path / "none", fds))

        def is_ready() -> bool:
            if name in OFF_PATH:
                return any(message.get("tell") == "alive" for message in process.heard())
            return shared.board[STATE_OF[name]] in (StageState.READY, StageState.REFUSED)

        def stop() -> None:
            process.tell(do="stop")
            assert waited(process.pidfd, 20_000)
            assert process.reap() == "exit code 0"

        start()
        begun = time.monotonic()
        wait_for(is_ready, 30, "a start to time")
        takes_ms = (time.monotonic() - begun) * 1e3
        process.signal(asked)
        assert not waited(process.pidfd, 200), "it is ready: the supervisor's word counts"
        stop()
        for share in SHARES[asked]:
            start()
            assert not waited(process.pidfd, share * takes_ms)
            ready = is_ready()
            process.signal(asked)
            if asked is signal.SIGTERM and not ready:
                until = time.monotonic() + 20
                while not waited(process.pidfd, 20) and not is_ready():
                    assert time.monotonic() < until
                waited(process.pidfd, 500)  # plc is ready for the moment in which it writes the safe state
            if waited(process.pidfd, 0):
                ended += 1
                assert process.reap() in STOPPED
            else:
                survived += not ready
                stop()
            said = log_file.read_text()
            assert "Traceback" not in said and "stage_failed" not in said, said
    if asked is signal.SIGTERM:
        assert ended, "at some moment it was not ready yet"
        assert survived <= 1, "it may once have become ready between the look and the signal"


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_the_service_may_be_stopped_at_any_moment_of_its_start(files, asked):
    """systemd and a terminal signal all of its processes, and who hears it first is left to chance."""

    def run(takes_ms: float) -> float:
        """Start it and stop it after `takes_ms` (0: once its engine is there); how long it ran until then, in ms."""
        files.log_file.write_text("")
        with files.log_file.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "aoi_daemon", "run", "--config", str(files.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        begun = time.monotonic()
        pidfd = os.pidfd_open(process.pid)
        try:
            if takes_ms:
                assert not waited(pidfd, takes_ms), files.log()
            else:
                wait_for(lambda: "inspection_ready" in files.log(1000), 30, "the engine")
            ran_ms = (time.monotonic() - begun) * 1e3
            os.killpg(process.pid, asked)
            assert waited(pidfd, 30_000)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            os.close(pidfd)
        code, said = process.wait(), files.log(1000)
        if asked is signal.SIGTERM or "product" in said:  # Ctrl-C in the interpreter's own first steps is Python's
            assert code in (0, -asked), (takes_ms, said)
            for word in ("Traceback", "stage_lost", "process_lost", "stage_failed", "stage_hangs"):
                assert word not in said, (takes_ms, said)
        return ran_ms

    takes_ms = run(0)
    for share in (0.1, 0.4, 0.7):
        run(share * takes_ms)
