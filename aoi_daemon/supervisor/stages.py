"""One stage process, seen from the supervisor."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

from aoi_daemon.stage import MAX_MESSAGE_BYTES, Setup, now_ns


class StageProcess:
    """Starts, tells, kills and reaps one stage. `pidfd` is readable once it has ended."""

    def __init__(self, name: str, index: int, log_fd: int) -> None:
        self.name = name
        self.index = index
        self.label = f"{name}-{index}" if name == "acquire" else name
        self._log_fd = log_fd
        self._process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.pidfd = -1
        self.started_ns = 0
        self.ended_on_purpose = False

    @property
    def pid(self) -> int:
        """The process id; 0 while it does not run."""
        return self._process.pid if self._process else 0

    def start(self, setup: Setup) -> None:
        """Start the process and send it its setup. Raises OSError when the system has no room."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "aoi_daemon", "stage", self.name, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self._log_fd,
                stderr=self._log_fd,
                pass_fds=[theirs.fileno()],
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pidfd = os.pidfd_open(self._process.pid)
        ours.setblocking(False)
        self.control = ours
        self.started_ns = now_ns()
        self.ended_on_purpose = False
        try:
            setup.send(ours)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has ended already, and its pidfd says so

    def tell(self, **command: Any) -> bool:
        """Send a command; False when the stage cannot take it now (it is ending, or does not read)."""
        if self.control is None:
            return False
        try:
            self.control.send(json.dumps(command).encode())
        except OSError:
            return False
        return True

    def heard(self) -> list[dict[str, Any]]:
        """Messages that the stage has sent since the last call."""
        found: list[dict[str, Any]] = []
        while self.control is not None:
            try:
                data = self.control.recv(MAX_MESSAGE_BYTES)
            except OSError:
                break
            if not data:
                break
            found.append(json.loads(data))
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.pidfd >= 0:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                pass

    def reap(self) -> str:
        """Collect the ended process; how it ended, in words. Its descriptors are closed."""
        assert self._process is not None
        code = self._process.wait()
        self._process = None
        if self.control is not None:
            self.control.close()
            self.control = None
        os.close(self.pidfd)
        self.pidfd = -1
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
