"""One stage process, seen from whoever started it: the supervisor; for a lane, inspection."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from aoi_daemon import PROGRAM
from aoi_daemon.ring.parcel import MessageError, receive, send, send_parcel
from aoi_daemon.stage.logs import logger
from aoi_daemon.stage.stage import START_SIGNALS, Setup, now_ns

STOPPED: Final = ("signal SIGTERM", "exit code 0")
"""How one ends that was asked to, by whomever: no crash."""


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

    @property
    def has_ended(self) -> bool:
        """It has ended, and was not reaped yet."""
        return self.pidfd >= 0 and bool(select.select([self.pidfd], [], [], 0)[0])

    def start(self, setup: Setup) -> None:
        """Start the process and send it its setup.

        Raises:
            OSError, MessageError: the system has no room, or the setup does not fit. Nothing is left of the attempt.
        """
        self.started_ns = now_ns()
        self.ended_on_purpose = False
        with ExitStack() as undone:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            undone.callback(ours.close)
            with theirs:
                process = self._spawn(theirs.fileno())
            undone.callback(_end, process)
            pidfd = os.pidfd_open(process.pid)
            undone.callback(os.close, pidfd)
            ours.setblocking(False)
            self._process, self.pidfd, self.control = process, pidfd, ours
            undone.callback(self._forget)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has ended already: its pidfd says so
                setup.send(ours)
            undone.pop_all()

    def _spawn(self, control_fd: int) -> subprocess.Popen[bytes]:
        # A signal of the terminal or the service manager, sent to all of us, waits in the new process until this has
        # said what is to come of it (Stage): Python's own handling, a traceback at the worst, is never seen.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, START_SIGNALS)
        try:
            return subprocess.Popen(
                [sys.executable, str(PROGRAM), "stage", self.name, str(control_fd)],
                stdin=subprocess.DEVNULL,
                stdout=self._log_fd,
                stderr=self._log_fd,
                pass_fds=[control_fd],
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _forget(self) -> None:
        self._process, self.pidfd, self.control = None, -1, None

    def tell(self, **command: Any) -> bool:
        """Send a command; False when the stage cannot take it now (it is ending, or does not read)."""
        return self._say(send, command)

    def hand(self, **command: Any) -> bool:
        """Send a command that carries a recipe, however large that is; else as `tell`."""
        return self._say(send_parcel, command)

    def _say(self, send_by: Callable[[socket.socket, dict[str, Any]], None], command: dict[str, Any]) -> bool:
        if self.control is None:
            return False
        try:
            send_by(self.control, command)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return False
        except (MessageError, OSError) as error:
            logger().error("command_not_sent", which=self.label, do=command.get("do"), error=str(error))
            return False
        return True

    def heard(self) -> list[dict[str, Any]]:
        """Messages that the stage has sent since the last call."""
        found: list[dict[str, Any]] = []
        while self.control is not None:
            try:
                message = receive(self.control)
            except MessageError as error:
                logger().error("message_not_understood", which=self.label, error=str(error))
                continue
            except OSError:
                break
            if message is None:
                break
            found.append(message[0])
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


def _end(process: subprocess.Popen[bytes]) -> None:
    """Of one that was started and cannot be used."""
    process.kill()
    process.wait()
