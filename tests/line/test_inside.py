"""What goes on between the processes of a line, tried from outside: large recipes, early stops, logs that nobody reads."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from aoi_daemon.board import CameraCell, Cell, StageState, camera_cell
from aoi_daemon.config.load import load
from aoi_daemon.control import request
from aoi_daemon.stage import BESIDE, Setup
from aoi_daemon.supervisor.shared import Shared
from aoi_daemon.supervisor.stages import STOPPED, StageProcess
from tools.line.beside import free_port
from tools.line.daemon import LineDaemon, wait_for
from tools.line.setup import demo_recipe, line_config

ROOT = Path(__file__).parents[2]
CORNERS = 64


def regions(count: int, side_px: float = 320) -> list[dict[str, object]]:
    """`count` polygons of 64 corners that together are a square of the frame: each judges what lies in its strip."""
    found = []
    for number in range(count):
        x1, x2 = number * side_px / count, (number + 1) * side_px / count
        down = [[x1, step * side_px / 31] for step in range(32)]
        up = [[x2, step * side_px / 31] for step in reversed(range(32))]
        found.append({"kind": "inspect", "corners": down + up})
        assert len(found[-1]["corners"]) == CORNERS
    return found


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "aoi_daemon", *words], check=False, capture_output=True, text=True, timeout=60)


def test_150_regions_of_64_corners_are_judged_and_reloaded_and_changed_over_to(line, bundle):
    """Its setup has more than 128 KiB; so has what plc, inspection, recorder and page are told at a reload."""
    running = line(
        recipe={"regions": regions(150)}, more={"other": {"id": 2, "regions": regions(151)}},
        recorder={"folder": "records"}, hmi={"port": free_port(0)},
    )  # fmt: skip
    daemon = running.daemon
    checked = command("check-config", "--config", str(daemon.config))
    assert (checked.returncode, checked.stderr) == (0, "")
    running.wait_parts(10)
    assert running.daemon.status()["rejected_for"].get("DEFECT"), "what lies in a region counts"
    daemon.recipes["demo"]["regions"] = regions(149, side_px=2)  # a corner, where nothing is
    daemon.write_config()
    reloaded = daemon.ask("reload")
    assert reloaded["ok"], reloaded
    defects = daemon.status()["rejected_for"]["DEFECT"]
    running.wait_parts(20)
    assert daemon.status()["rejected_for"]["DEFECT"] <= defects + 1, "one may have been under way"
    assert request(daemon.socket, {"do": "recipe", "name": "other", "id": 2}, timeout_s=60)[0]["ok"]
    running.wait_parts(20)
    status = daemon.status()
    assert (status["recipe"], status["product"], status["restarts"]) == (2, "other", 0)
    assert status["rejected_for"]["DEFECT"] > defects
    assert {one["restarts"] for one in status["beside"].values()} == {0}
    running.no_unproven_pass()


def test_a_recipe_of_too_many_corners_is_refused_with_its_key_and_bound(line):
    running = line(recipe={"regions": regions(150)})
    running.daemon.recipes["demo"]["regions"] = regions(257)
    running.daemon.write_config()
    checked = command("check-config", "--config", str(running.daemon.config))
    assert checked.returncode == 2
    assert "demo.toml: regions.corners: there are 16448, at most 16384; draw the outlines" in checked.stderr
    assert len(checked.stderr.splitlines()) == 1
    refused = running.daemon.ask("reload")
    assert not refused["ok"] and "at most 16384" in refused["error"]
    running.wait_parts(5)


# -- a log that nobody reads ---------------------------------------------------------


class MutedDaemon(LineDaemon):
    """Its lines go to a pipe that is full, and that nobody reads until `listen`."""

    def start(self) -> None:
        self.read_fd, write_fd = os.pipe()
        os.set_blocking(write_fd, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(write_fd, b"\n" * 4096)
        os.set_blocking(write_fd, True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aoi_daemon", "run", "--config", str(self.config)],
            stdin=subprocess.DEVNULL, stdout=write_fd, stderr=write_fd, start_new_session=True,
        )  # fmt: skip
        os.close(write_fd)
        self.log_file.write_text("nobody reads it")
        self._wait(self._answers, 30, "the daemon's control socket")

    def listen(self) -> str:
        """What has come since, until nothing more comes."""
        found = b""
        while select.select([self.read_fd], [], [], 0.5)[0] and (data := os.read(self.read_fd, 65536)):
            found += data
        return found.decode()


def test_a_log_that_nobody_reads_costs_lines_and_no_part(line, monkeypatch):
    monkeypatch.setattr("tests.line.conftest.LineDaemon", MutedDaemon)
    running = line()
    daemon = running.daemon
    running.wait_parts(10)
    for number in range(1500):
        told = request(daemon.socket, {"do": "audit", "what": "test", "detail": f"{number} ".ljust(400, "x")})[0]
        assert told["ok"]
    running.wait_parts(20)
    counters = running.plc.status()["counters"]
    assert counters["missed"] == counters["refused"] == counters["ready_drops"] == 0
    assert daemon.status()["restarts"] == 0
    daemon.listen()
    request(daemon.socket, {"do": "audit", "what": "test", "detail": "heard"})
    said = daemon.listen()
    dropped = re.search(r"<4>\((\d+) log lines were dropped here\)\n<6>\{.*heard", said)
    assert dropped, said
    assert int(dropped[1]) > 500
    running.no_unproven_pass()
    os.close(daemon.read_fd)


# -- SIGTERM before a stage is ready --------------------------------------------------


@pytest.fixture
def files(tmp_path, boards, bundle):
    """A line with everything beside it, whose PLC is not there."""
    config = line_config(boards, takt_ms=50, deadline_ms=50, plc_port=free_port(0), photo_eye_port=free_port(0))
    config["recorder"] = {"folder": str(tmp_path / "records")}
    config["hmi"] = {"port": free_port(0)}
    config["publisher"] = {"host": "127.0.0.1", "port": free_port(0)}
    return LineDaemon(tmp_path / "line", config, {"demo": demo_recipe(boards, bundle)})


def waited(fd: int, ms: float) -> bool:
    """Whether `fd` can be read within `ms`."""
    return bool(select.select([fd], [], [], ms / 1e3)[0])


STATE_OF = {
    "plc": Cell.PLC_STATE, "inspection": Cell.INSPECTION_STATE, "acquire": camera_cell(0, CameraCell.STATE)
}  # fmt: skip


SHARES = {signal.SIGTERM: [n / 10 for n in range(10)], signal.SIGINT: [0, 0.3, 0.6]}
"""Of the time that a start takes on this machine now."""


@pytest.mark.parametrize("name", [*STATE_OF, *BESIDE])
@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_any_moment_of_a_stage_s_start_is_a_stop_and_no_crash(files, tmp_path, name, asked):
    """SIGTERM ends it, SIGINT is the supervisor's to act on; neither leaves a traceback. From ready on, so is SIGTERM."""
    configuration = load(files.config)
    log_file = tmp_path / "stage.log"
    ended = survived = 0
    with Shared(configuration.line) as shared, log_file.open("ab") as log, ExitStack() as owned:
        process = StageProcess(name, 0, log.fileno())

        def start() -> None:
            if name in BESIDE:
                fds = owned.enter_context(shared.read_only_fds())
            else:
                fds = shared.fds_for(name, 0)
                shared.board[STATE_OF[name]] = StageState.STARTING
            line, recipe, file = configuration.line, configuration.recipe, configuration.file
            process.start(Setup(name, 0, line, recipe, "json", "f" * 32, file, tmp_path / "none", fds))

        def is_ready() -> bool:
            if name in BESIDE:
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
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        run(share * takes_ms)


# -- the current folder ------------------------------------------------------------------


POISON = ("json", "numpy", "select", "struct", "pydantic", "structlog", "cv2", "asyncio", "onnxruntime", "logging")


@pytest.fixture
def poisoned(tmp_path):
    """A current folder with files by the names of what is imported; each says that it was, and fails."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in POISON:
        (folder / f"{name}.py").write_text(
            f"open({str(folder / 'imported')!r}, 'a').write(__name__ + '\\n')\nraise ImportError('not this one')\n"
        )
    yield folder
    assert not (folder / "imported").exists(), (folder / "imported").read_text()


def test_files_in_the_current_folder_are_not_taken_for_modules(poisoned, line, monkeypatch):
    class Elsewhere(LineDaemon):
        def start(self) -> None:
            with monkeypatch.context() as patch:
                patch.chdir(poisoned)
                super().start()

    monkeypatch.setattr("tests.line.conftest.LineDaemon", Elsewhere)
    running = line(recorder={"folder": "records"}, hmi={"port": free_port(0)}, publisher={"host": "127.0.0.1", "port": free_port(0)})
    running.wait_parts(5)
    wait_for(lambda: all(one.get("state", "down") != "down" for one in running.daemon.status()["beside"].values()), 20, "all beside")
    monkeypatch.chdir(poisoned)
    assert command("status", "--json", "--socket", str(running.daemon.socket)).returncode == 0
    # What a person types, too.
    script = poisoned / "aoi-daemon"
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom aoi_daemon.cli import main\nsys.exit(main())\n")
    bin_folder = poisoned.parent / "bin"
    bin_folder.mkdir()
    script = script.rename(bin_folder / "aoi-daemon")
    script.chmod(0o755)
    found = subprocess.run([script, "status", "--json", "--socket", str(running.daemon.socket)], check=True, capture_output=True, timeout=60)
    assert json.loads(found.stdout)["ready"]


def test_a_source_checkout_runs_from_its_own_folder_with_no_path_set(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(ROOT)
    found = subprocess.run(
        [sys.executable, "-S", "-m", "aoi_daemon", "nothing"], check=False, capture_output=True, text=True, timeout=60
    )
    # With no site-packages there is no other aoi_daemon that it could be.
    assert "invalid choice: 'nothing'" in found.stderr
