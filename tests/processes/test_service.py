"""What systemd hears of a start that fails before there is a line."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys


def test_a_file_that_is_refused_stands_in_the_status(tmp_path):
    """`systemctl status` shows it; with exit code 2 systemd does not try again."""
    (tmp_path / "line.toml").write_text("[[cameras]]\nkind = 'replay'\nsource = '.'\n[plc]\nport = 0\nunit = 300\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0aoi-test-start")
        manager.settimeout(10)
        found = subprocess.run(
            [sys.executable, "-m", "aoi_daemon", "run", "--config", str(tmp_path / "line.toml")],
            env={**os.environ, "NOTIFY_SOCKET": "@aoi-test-start", "WATCHDOG_USEC": "1000000"},
            check=False, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert found.returncode == 2
        status, number = manager.recv(65536).decode().split("\n")
        manager.setblocking(False)
        assert number == f"ERRNO={errno.EINVAL}"
        assert "plc.port = 0" in status and " | " in status and "plc.unit = 300" in status
        assert status.removeprefix("STATUS=").split(" | ") == found.stderr.strip().splitlines()
