"""What the demo's command line takes, and the page that it opens."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from rich.console import Console

from aoi_daemon.hmi.access.password import matches
from aoi_daemon.hmi.access.users import read_users
from aoi_daemon.kit.line import demo, ending, page
from aoi_daemon.kit.line.daemon import LineDaemon
from aoi_daemon.kit.line.demo import arguments
from aoi_daemon.kit.line.report import Tally, line_failed
from aoi_daemon.kit.line.run import Line
from aoi_daemon.kit.simulator.client import SimulatorProcess


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--parts", "-1"], "--parts -1: 0 (until Ctrl-C) to 10000000"),
        (["--parts", "10000001"], "--parts 10000001: 0 (until Ctrl-C) to 10000000"),
        (["--report", "/"], "--report /: is a folder; name a file"),
        (["--page", "70000"], "--page 70000: 0 to 65535"),
        (["--takt-ms", "1"], "--takt-ms 1: 2 to 60000"),
        (["--boards", "/nowhere"], "--boards /nowhere: no such folder"),
        (["--deadline-ms", "0"], "--deadline-ms 0: 2 to the takt (50)"),
        (["--records", "/proc/version"], "--records /proc/version: /proc/version is a file; name a folder"),
        (["--records", "/proc/version/x"], "--records /proc/version/x: /proc/version is a file; name a folder"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(words, says, capsys):
    with pytest.raises(SystemExit) as ended:
        arguments(words)
    assert ended.value.code == 2 and says in capsys.readouterr().err


def test_the_page_takes_a_free_port_where_the_wanted_one_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        assert page.free_port(wanted) not in (0, wanted)


def test_the_demo_has_a_user_for_each_role_with_one_password(tmp_path):
    password = page.make_users(tmp_path / "line")
    users = read_users(tmp_path / "line" / "users.toml")
    assert {user.role.value for user in users.values()} == set(users) == {"operator", "quality", "maintenance"}
    assert all(matches(password, user.password) for user in users.values())


def test_a_start_that_is_interrupted_leaves_no_daemon_behind(tmp_path, monkeypatch):
    """It is in a session of its own, so that a terminal's Ctrl-C is not its own."""
    daemon = LineDaemon(tmp_path, {}, {})

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(daemon, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt), daemon:
        pass
    assert daemon.process is not None
    try:
        assert daemon.process.poll() is not None
    finally:
        if daemon.process.poll() is None:
            os.kill(daemon.process.pid, signal.SIGKILL)
            daemon.process.wait()


def test_modules_of_the_current_folder_are_not_taken_for_ours(tmp_path, monkeypatch):
    for name in ("json", "numpy", "random", "aoi_daemon"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    with SimulatorProcess(scan_ms=0) as plc:
        assert plc.status()["requests"] == 0


def test_a_report_that_cannot_be_written_is_one_line_after_the_figures(capsys):
    assert ending.exit_code(lambda _: {}, lambda _: "the figures", Path("/proc/none.json")) == 1
    found = capsys.readouterr()
    assert "the figures" in found.out and found.err.splitlines()[-1].startswith("/proc/none.json: ")


def test_parts_that_are_on_their_way_when_it_is_interrupted_are_no_fault():
    plc = {"parts": 3, "good": 0, "escape": 0, "ejected": 2, "false_call": 0, "missed": 0, "refused": 0}

    class Ended:
        def status(self):
            return {"counters": plc}

        def parts(self):
            return []

    tally = Tally()
    tally.parts, tally.reasons = 2, {"DEFECT": 2}
    line = Line(None, Ended(), tally)
    assert line_failed(line.report(cut_short=True)) == []
    assert line_failed(line.report()) != []


@pytest.mark.parametrize(
    ("passed", "reasons", "says"),
    [
        (0, {"LATE": 390, "DEFECT": 10}, "no part passed: of 400, 390 were rejected for LATE; end what else loads this PC, run it as root"),
        (0, {"OPTICS": 400}, "no part passed: of 400, 400 were rejected for OPTICS"),
        (0, {"DEFECT": 400}, ""),
        (1, {"LATE": 399}, ""),
        (280, {"DEFECT": 120}, ""),
    ],
)
def test_a_run_in_which_nothing_passed_has_failed_unless_the_parts_were_bad(passed, reasons, says):
    tally = Tally()
    tally.parts, tally.passed, tally.reasons = 400, passed, reasons
    plc = {"parts": 400, "escape": 0, "false_call": 0, "missed": 0, "refused": 0}
    problems = line_failed(tally.report(plc, []))
    assert [problem.startswith(says) for problem in problems] == [True] * bool(says), problems


def test_records_are_kept_without_the_page_too(tmp_path, monkeypatch):
    """Whoever names a folder for them finds them there."""
    class Started(Exception):
        pass

    def line(*_, **sections):
        raise Started(sections)

    monkeypatch.setattr(demo, "simulated_line", line)
    options = arguments(["--page", "0", "--records", str(tmp_path / "kept"), "--boards", str(tmp_path)])
    with pytest.raises(Started) as started:
        demo.run(options, Console())
    assert started.value.args[0]["recorder"] == {"folder": str(tmp_path / "kept")}
    assert "hmi" not in started.value.args[0]
