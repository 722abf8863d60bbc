"""What systemd hears of a whole line, on a real notification socket; time in it is the daemon's own."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from aoi_daemon.kit.line.daemon import wait_for

WATCHDOG_S = 0.4


class Manager:
    """Stands for systemd: each datagram as a dict, in order, with when it was read."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.heard: list[dict[str, str]] = []
        self.fed = 0.0

    def hear(self) -> list[dict[str, str]]:
        while True:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return self.heard
            fields = dict(line.split("=", 1) for line in data.decode().split("\n"))
            if "WATCHDOG" in fields:
                self.fed = time.monotonic()
            self.heard.append(fields)

    def index(self, name: str, text: str = "", start: int = 0) -> int | None:
        """Number of the first datagram from `start` on whose field `name` has `text` in it."""
        return next((i for i, f in enumerate(self.hear()) if i >= start and name in f and text in f[name]), None)

    def wait(self, name: str, text: str = "", start: int = 0, timeout_s: float = 20.0) -> int:
        found = wait_for(lambda: self.index(name, text, start) is not None, timeout_s, f"{name} {text!r}, heard: {self.heard}")
        assert found
        return self.index(name, text, start)

    def stays_fed(self, feeds: int) -> None:
        """So many more feeds come."""
        for _ in range(feeds):
            last = self.fed
            wait_for(lambda last=last: self.hear() and self.fed > last, 5, "WATCHDOG=1")

    def starves(self) -> None:
        """No feed for so long that systemd would have ended the service."""
        wait_for(lambda: self.hear() and time.monotonic() - self.fed > 3 * WATCHDOG_S, 10, "no more WATCHDOG=1")


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG_S * 1e6)))
    yield manager
    manager.socket.close()


def test_ready_is_said_when_the_plc_has_taken_ready_and_not_before(line, systemd, wrong_bundle, bundle):
    """A failed golden check, then a PLC that is off: the start says what it waits for, and is given more time."""
    running = line(use_bundle=wrong_bundle, ready=False)
    systemd.wait("STATUS", "starting: golden check failed")
    systemd.stays_fed(3)
    running.plc.fault("refuse")
    systemd.wait("STATUS", f"waits for the PLC at 127.0.0.1:{running.plc.port}")
    running.daemon.recipes["demo"]["bundle"] = str(bundle)
    running.daemon.write_config()
    assert running.daemon.ask("reload")["ok"]
    systemd.wait("STATUS", "not ready: waits for the PLC at")
    assert systemd.index("RELOADING") is None, "a reload that is told as one would end the start"
    assert systemd.index("READY") is None
    start = len(systemd.hear())
    assert int(systemd.heard[systemd.wait("EXTEND_TIMEOUT_USEC", "", start)]["EXTEND_TIMEOUT_USEC"]) >= 30_000_000
    running.plc.fault("none")
    at = systemd.wait("READY", "1")
    assert systemd.heard[at]["STATUS"].startswith("running: ")
    assert running.plc.status()["coils"]["READY"]
    running.wait_parts(3)
    systemd.stays_fed(3)
    assert systemd.index("EXTEND_TIMEOUT_USEC", "", at) is None, "the start is over"
    assert systemd.index("READY", "", at + 1) is None, "once"


def test_a_reload_is_announced_and_so_is_its_end(line, systemd):
    running = line()
    systemd.wait("READY", "1")
    good = running.daemon.config.read_text()
    wrong = good.replace("takt_ms = 50.0", "takt_ms = -1.0")
    for by, text in (("signal", good), ("command", wrong), ("signal", wrong), ("command", good)):
        start = len(systemd.hear())
        before_us = time.monotonic_ns() // 1000
        running.daemon.config.write_text(text)
        if by == "signal":
            running.daemon.process.send_signal(signal.SIGHUP)
        else:
            assert running.daemon.ask("reload")["ok"] is (text == good)
            assert systemd.index("READY", "1", start), "before the command has its answer"
        begun = systemd.wait("RELOADING", "1", start)
        assert before_us <= int(systemd.heard[begun]["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        status = systemd.heard[systemd.wait("READY", "1", begun)]["STATUS"]
        assert ("reload refused: " in status and "takt_ms = -1.0" in status) is (text == wrong)


def test_the_watchdog_starves_when_nobody_mends_the_line(line, systemd):
    """Inspection hangs and the supervisor's own limit is far off; then the supervisor hangs, while parts pass."""
    running = line(supervisor={"hang_ms": 60_000.0})
    systemd.stays_fed(3)
    pid = running.stage("inspection")
    os.kill(pid, signal.SIGSTOP)
    systemd.starves()
    assert '"stands": "inspection"' in running.daemon.log()
    os.kill(pid, signal.SIGCONT)
    systemd.stays_fed(3)
    running.daemon.process.send_signal(signal.SIGSTOP)
    running.wait_parts(5)
    systemd.starves()
    running.daemon.process.send_signal(signal.SIGCONT)
    systemd.stays_fed(3)


def test_a_lost_stage_is_mended_without_the_watchdog_and_a_fault_waits_for_a_person(line, systemd):
    running = line(supervisor={"restarts": 1})
    systemd.wait("READY", "1")
    start = len(systemd.hear())
    os.kill(running.stage("inspection"), signal.SIGKILL)
    systemd.wait("STATUS", "running", systemd.wait("STATUS", "recovering", start))
    os.kill(running.stage("inspection"), signal.SIGKILL)
    systemd.wait("STATUS", "faulted", start)
    systemd.stays_fed(6)
    assert running.daemon.status()["state"] == "FAULTED"
    start = len(systemd.hear())
    running.daemon.ask("reset")
    systemd.wait("STATUS", "running", start)


def test_a_signal_to_the_whole_group_ends_the_line_in_order(line, systemd, measured):
    """systemd sends SIGTERM to every process of the service: the stages leave it to the supervisor."""
    running = line()
    running.wait_parts(3)
    since = running.now_ns()
    for pid in running.daemon.status()["stages"].values():
        # None can notify: NotifyAccess=main would refuse it, and a vendor's library might try.
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"NOTIFY_SOCKET" not in environment and b"WATCHDOG" not in environment
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGHUP)
    # The queue holds ten datagrams, and nobody has read since the line was started: systemd would have.
    systemd.hear()
    running.daemon.process.send_signal(signal.SIGTERM)
    systemd.wait("STOPPING", "1")
    assert running.daemon.process.wait(10) == 0
    measured("systemctl stop (SIGTERM to all)", "until READY=0", running.first("not_ready", since))
    assert running.coils_since(since)[-1] == 0
    assert "stage_lost" not in running.daemon.log()
    assert [fields for fields in systemd.hear() if "STOPPING" in fields] == [{"STOPPING": "1", "STATUS": "stopping"}]


def test_the_watchdogs_signal_leaves_plc_the_time_for_the_safe_state(line, systemd, measured):
    """SIGABRT goes to every process of the service: plc writes 0 once the supervisor has gone."""
    running = line()
    running.wait_parts(3)
    since = running.now_ns()
    for pid in [*running.daemon.status()["stages"].values(), running.daemon.process.pid]:
        os.kill(pid, signal.SIGABRT)
    running.daemon.process.wait(10)
    measured("watchdog of systemd (SIGABRT to all)", "until READY=0", running.first("not_ready", since))
    wait_for(lambda: running.coils_since(since) and running.coils_since(since)[-1] == 0, 5, "0 on all coils")
