"""The daemon as a process of its own, from a configuration made in a folder: for demo, benchmark and tests."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import tomli_w

from aoi_daemon import PROGRAM
from aoi_daemon.decide.alarm_list import Alarm
from aoi_daemon.messages import Outcome
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.verdicts import SIZE_BYTES, VerdictReader
from aoi_daemon.stage.control import NotRunningError, request
from aoi_daemon.stage.lifecycle import Line


class DaemonError(Exception):
    """The daemon did not do what was waited for; the message ends with its log."""


def wait_for(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Poll until `condition()` is true, and return it. Raises DaemonError after `timeout_s`."""
    until = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise DaemonError(f"waited {timeout_s:g} s in vain for: {what}")
        time.sleep(0.01)


class LineDaemon:
    """`aoi-daemon run` on `line` and `recipes` (TOML as dicts), written to `folder`. A context manager.

    `golden` are folders of golden parts by the recipe that they prove; they are copied.
    """

    def __init__(
        self, folder: Path, line: dict[str, Any], recipes: dict[str, dict[str, Any]],
        golden: Mapping[str, Path] | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.config = folder / "line.toml"
        self.socket = folder / "control.sock"
        self.log_file = folder / "daemon.log"
        self.line = {**line, "supervisor": {"socket": str(self.socket), **line.get("supervisor", {})}}
        self.recipes = recipes
        self.process: subprocess.Popen[bytes] | None = None
        self._memory: SharedMemory | None = None
        self._reader: VerdictReader | None = None
        self.write_config()
        for name, parts in (golden or {}).items():
            shutil.copytree(parts, folder / "recipes" / f"{name}.golden", dirs_exist_ok=True)

    def write_config(self) -> None:
        """Write `line` and `recipes` as they are now; a running daemon takes them at its next reload."""
        (self.folder / "recipes").mkdir(parents=True, exist_ok=True)
        self.config.write_text(tomli_w.dumps(self.line))
        for name, recipe in self.recipes.items():
            (self.folder / "recipes" / f"{name}.toml").write_text(tomli_w.dumps(recipe))

    def start(self) -> None:
        """Start the process and wait until its control socket answers.

        Raises:
            DaemonError: it has ended, or does not answer in time; with the end of its log.
        """
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C in the terminal is the demo's, which then stops the daemon in order.
                start_new_session=True,
            )
        self._wait(self._answers, 30, "the daemon's control socket")

    def restart(self) -> None:
        """Start again after the process has ended, as systemd would; the verdict ring is a new one."""
        if self._memory is not None:
            self._memory.close()
        self._memory = self._reader = None
        self.start()
        self.watch()

    def _wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        try:
            wait_for(condition, timeout_s, what)
        except DaemonError as error:
            raise DaemonError(f"{error}\n{self.log()}") from None

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise DaemonError(f"the daemon ended with code {self.process.returncode}")
        try:
            self.status()
        except NotRunningError:
            return False
        return True

    def _ready(self) -> bool:
        if not self._answers():
            return False
        status = self.status()
        if status["state"] == Line.FAULTED.name:
            raise DaemonError("the line is FAULTED: it is never READY without a reset")
        return bool(status["ready"])

    def ask(self, do: str) -> dict[str, Any]:
        """One request on the control socket."""
        return request(self.socket, {"do": do}, timeout_s=60)[0]  # a reload may prove an engine first

    def status(self) -> dict[str, Any]:
        """The line's status."""
        status: dict[str, Any] = self.ask("status")["status"]
        return status

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Until the PLC has seen READY.

        Raises:
            DaemonError: the daemon has ended, its line is FAULTED, or it took longer; with the end of its log.
        """
        self._wait(self._ready, timeout_s, "READY")

    def is_refused_realtime(self) -> bool:
        """Whether the system gives it no real-time priority, or no memory that stays."""
        return any(row["name"] == Alarm.REALTIME_REFUSED.name and row["active"] for row in self.status()["alarms"])

    def watch(self) -> VerdictReader:
        """The verdict ring, from its start at the first call."""
        if self._reader is None:
            _, fds = request(self.socket, {"do": "watch"})
            self._memory = SharedMemory(fds[0], SIZE_BYTES, read_only=True)
            self._reader = VerdictReader(self._memory, from_start=True)
        return self._reader

    def outcomes(self) -> list[Outcome]:
        """What became of the parts since the last call."""
        return self.watch().read()

    def log(self, lines: int = 40) -> str:
        """The end of the daemon's log."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, timeout_s: float = 15.0) -> int:
        """SIGTERM, and the exit code; SIGKILL and -9 when that takes longer than `timeout_s`."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def __enter__(self) -> LineDaemon:
        try:
            self.start()
        except BaseException:  # Ctrl-C too, which the daemon, in a session of its own, does not hear
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._memory is not None:
            self._memory.close()
