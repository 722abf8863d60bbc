"""What goes on between the processes of a line, tried from outside: large recipes, early stops, logs that nobody reads."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from aoi_daemon.kit.line.daemon import LineDaemon, wait_for
from aoi_daemon.kit.line.page import free_port
from aoi_daemon.stage.control import request

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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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
