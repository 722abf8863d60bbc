"""The simulated PLC as a process, for the demo, the benches and the tests.

with SimulatorProcess(scan_ms=0) as plc:
    ...  # a daemon on plc.port, its photo-eye at plc.photo_eye
    plc.fault("mute")
    plc.wait_until(lambda status: not status["ready_effective"], timeout_s=1.0)
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

from aoi_daemon import PROGRAM
from aoi_daemon.kit.simulator.plc import PHOTO_EYE, PHOTO_EYE_MAGIC
from aoi_daemon.kit.simulator.records import Event, LogCopy, PartRecord

_ANSWER_S: Final = 10.0
_STOP_S: Final = 5.0
_LOOK_AGAIN_S: Final = 0.005


class SimulatorError(Exception):
    """The simulator did not start, did not answer, or refused a command."""


class SimulatorProcess:
    """A simulator in a process of its own, on free ports of loopback; `with` ends it.

    Args:
        start_s: how long it may take to listen.
        options: those of `aoi-daemon simulate-plc`, with underscores: `scan_ms=0`.
    """

    def __init__(self, *, start_s: float = 30.0, **options: float | str) -> None:
        arguments: dict[str, float | str] = {"port": 0, "control": 0, **options}
        self._command = [sys.executable, str(PROGRAM), "simulate-plc", "--json"]
        for name, value in arguments.items():
            self._command += [f"--{name.replace('_', '-')}", str(value)]
        self._start_s = start_s
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._answers = b""
        self._copies: dict[str, LogCopy] = {}
        self._eye = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.host = "127.0.0.1"
        self.port = 0
        self.photo_eye_port = 0
        self.pid = 0
        self.listens: dict[str, Any] = {}

    def __enter__(self) -> SimulatorProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def photo_eye(self) -> str:
        """Where parts are announced, as `HOST:PORT`."""
        return f"{self.host}:{self.photo_eye_port}"

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            SimulatorError: it ended, or does not listen in time.
        """
        # It ends when its standard input does: with this process, however that ends.
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self._process.pid
        try:
            listens = self.listens = self._read_line(time.monotonic() + self._start_s)
            self.host, self.port = listens["host"], listens["port"]
            self.photo_eye_port = listens["photo_eye_port"]
            self._control = _connect(listens["control"])
        except BaseException:
            self.stop()
            raise

    def _read_line(self, deadline_s: float) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            left_s = max(0.0, deadline_s - time.monotonic())
            if not select.select([self._process.stdout], [], [], left_s)[0]:
                raise SimulatorError(f"the PLC simulator does not listen within {self._start_s} s")
            piece = os.read(self._process.stdout.fileno(), 4096)
            if not piece:
                raise SimulatorError(f"the PLC simulator ended at once, exit {self._process.wait(_STOP_S)}")
            line += piece
        found: dict[str, Any] = json.loads(line)
        return found

    def stop(self) -> None:
        """End it: asked to first, killed if it does not. Once is enough, more do no harm."""
        with suppress(OSError, SimulatorError):
            self.command("quit")
        if self._control is not None:
            self._control.close()
            self._control = None
        self._eye.close()
        process, self._process = self._process, None
        if process is not None:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def command(self, cmd: str, **parameters: Any) -> dict[str, Any]:
        """Any command of the control channel, and its answer.

        Raises:
            SimulatorError: it is refused, or the simulator is gone.
        """
        if self._control is None:
            raise SimulatorError("the PLC simulator does not run")
        self._control.sendall(json.dumps({"cmd": cmd, **parameters}).encode() + b"\n")
        while b"\n" not in self._answers:
            piece = self._control.recv(65_536)
            if not piece:
                raise SimulatorError("the PLC simulator is gone")
            self._answers += piece
        line, _, self._answers = self._answers.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise SimulatorError(answer["error"])
        return answer

    def fault(self, kind: str = "none", **parameters: float | str) -> None:
        """Switch a fault on, or all off. Parameters: `ms`, `code`, `field`; see `faults.py` beside this."""
        self.command("fault", kind=kind, **parameters)

    def hold_outputs(self, *, on: bool) -> None:
        """Keep the coils as they are when the last connection is lost."""
        self.command("hold_outputs", on=on)

    def set(self, **values: bool | int) -> None:
        """What the PLC says: `line_running`, `alarm_reset`, `bypass`, `recipe_request`."""
        self.command("set", **values)

    def status(self) -> dict[str, Any]:
        """All that the PLC knows now; see `aoi_daemon/kit/simulator/plc.py`."""
        return self.command("status")

    def decided(self) -> int:
        """How many parts it has decided since its start; cheap, for who waits."""
        counters = self.status()["counters"]
        return int(counters["good"] + counters["escape"] + counters["ejected"])

    def parts(self, start: int = 0) -> list[PartRecord]:
        """The decided parts that are kept, from number `start` of the log on."""
        return [PartRecord(*item) for item in self._since("parts", start)]

    def events(self, start: int = 0) -> list[Event]:
        """What the PLC saw, from number `start` of the log on."""
        return [Event(*item) for item in self._since("events", start)]

    def _since(self, cmd: str, start: int) -> list[list[Any]]:
        copy = self._copies.setdefault(cmd, LogCopy())
        if start > copy.next:
            copy = LogCopy(start)  # what is before it was not asked for, and is not read
        copy.renew(lambda number: self.command(cmd, **{"from": number}))
        return copy.since(start)

    def part(self, number: int, *, truth: int = 0, trigger_ns: int | None = None) -> int:
        """Let a part pass the photo-eye, by default now; gives its trigger time in CLOCK_MONOTONIC ns."""
        trigger_ns = time.monotonic_ns() if trigger_ns is None else trigger_ns
        datagram = PHOTO_EYE.pack(PHOTO_EYE_MAGIC, number, trigger_ns, truth)
        self._eye.sendto(datagram, (self.host, self.photo_eye_port))
        return trigger_ns

    def wait_until(self, holds: Callable[[dict[str, Any]], bool], timeout_s: float) -> dict[str, Any]:
        """The first status for which `holds`.

        Raises:
            SimulatorError: it never did, within `timeout_s`.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            status = self.status()
            if holds(status):
                return status
            if time.monotonic() >= deadline_s:
                raise SimulatorError(f"it did not come to that within {timeout_s} s: {status}")
            time.sleep(_LOOK_AGAIN_S)


def _connect(control: str) -> socket.socket:
    """A connection to the control channel: a TCP port on loopback, or a socket's path."""
    if control.isdecimal():
        return socket.create_connection(("127.0.0.1", int(control)), _ANSWER_S)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ANSWER_S)
    connection.connect(control)
    return connection
