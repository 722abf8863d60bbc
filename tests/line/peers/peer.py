"""Modbus servers that others wrote, each a slow PLC in a process of its own.

`peer(name, folder)` builds what has to be built and gives the command; `Peer(command, ...)` is the running server.
A server is told, as arguments in this order: the seed of its delays, the least and the most delay (us), the file of
its log, and where the PLC's half of the map is: the first coil of SEQ, and the registers status, result_ack and
acted_on. It prints its port, keeps the line running (LINE_RUNNING set, its heartbeat toggling, result_ack and
acted_on at the coils' SEQ), and ends when its standard input does.

Each request is read, then nothing happens for the delay, then the memory is written and the answer goes out. Apart
from that each library is left at its defaults: they differ in what they do with two connections at a time. The log
has a line for each request, of integers:

    read_ns wrote_ns answered_ns connection function address value...

`read_ns` is taken when the library has read the request, `wrote_ns` when its memory has just been written (libmodbus:
just before), `answered_ns` when the answer is with the kernel, all of CLOCK_MONOTONIC; the values are those in its
memory then. Function 0 is a connection that was accepted.
"""

from __future__ import annotations

import importlib.util
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import pytest

from aoi_daemon.plcmap.coils import Coil
from aoi_daemon.plcmap.registers import POLL_FIELDS

HERE = Path(__file__).parent
MODBUS_SERIAL = "8.0.25"
PRIORITY = 60
"""SCHED_FIFO, where allowed: a PLC has a processor of its own, and is not kept waiting by the line PC's work."""
START_S = 20.0
INSTALL_S = 120.0

COIL_BASE, REPORT_BASE, POLL_BASE = 8, 100, 300


class Request(NamedTuple):
    """A line of the log."""

    read_ns: int
    wrote_ns: int
    answered_ns: int
    connection: int
    function: int
    address: int
    values: tuple[int, ...]

    @property
    def took_ns(self) -> int:
        """From reading the request to its answer: the PLC's own time."""
        return max(self.wrote_ns, self.answered_ns) - self.read_ns


def libmodbus(folder: Path) -> list[str]:
    how = "apt-get install gcc pkg-config libmodbus-dev"
    for program in ("cc", "pkg-config"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}: {how}")
    found = subprocess.run(["pkg-config", "--cflags", "--libs", "libmodbus"], check=False, capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"no libmodbus: {how}")
    server = folder / "libmodbus_server"
    subprocess.run(["cc", "-O2", "-Wall", "-o", str(server), str(HERE / "libmodbus_server.c"), *found.stdout.split()], check=True)
    return [str(server)]


def _python(module: str, package: str, script: str) -> list[str]:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"no {package}: pip install -e .[dev]")
    return [sys.executable, str(HERE / script)]


def py_modbus_tcp(_folder: Path) -> list[str]:
    return _python("pyModbusTCP", "pyModbusTCP", "pymodbustcp_server.py")


def modbus_tk(_folder: Path) -> list[str]:
    return _python("modbus_tk", "modbus-tk", "modbus_tk_server.py")


def modbus_serial(_folder: Path) -> list[str]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node or npm: apt-get install nodejs npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aoi-daemon-tests" / f"modbus-serial-{MODBUS_SERIAL}"
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / "node_modules" / "modbus-serial" / "package.json").is_file():
        # Without its optional serial port, which is built from C++.
        asked = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--no-save", "--omit=optional", "--prefix", str(cache), f"modbus-serial@{MODBUS_SERIAL}"]
        made = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=INSTALL_S)
        if made.returncode:
            said = (made.stderr.splitlines() or ["no reason given"])[0]
            pytest.skip(f"modbus-serial {MODBUS_SERIAL}: npm install needs the npm registry or a mirror of it ({said})")
    script = cache / "modbus_serial_server.js"  # node looks for a package from the script's folder upwards
    shutil.copyfile(HERE / "modbus_serial_server.js", script)
    return ["node", str(script)]


PEERS = {"libmodbus": libmodbus, "pyModbusTCP": py_modbus_tcp, "modbus-tk": modbus_tk, "modbus-serial": modbus_serial}


def _place(field: str) -> int:
    names = [each.name for each in POLL_FIELDS]
    return POLL_BASE + sum(each.words for each in POLL_FIELDS[: names.index(field)])


class Peer:
    """A server that runs until the block's end; `requests` reads its log afterwards.

    Args:
        command: from `PEERS`.
        log: the file that it writes.
        delay_ms: least and most time from reading a request to writing its memory.
    """

    def __init__(self, command: Sequence[str], log: Path, *, seed: int, delay_ms: tuple[float, float]) -> None:
        delays = [str(round(1000 * ms)) for ms in delay_ms]
        places = [str(COIL_BASE + Coil.SEQ), *(str(_place(name)) for name in ("status", "result_ack", "acted_on"))]
        self._command = [*command, str(seed), *delays, str(log), *places]
        self._log = log
        self.port = 0

    def __enter__(self) -> Peer:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with suppress(PermissionError):
            os.sched_setscheduler(self._process.pid, os.SCHED_FIFO, os.sched_param(PRIORITY))
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], START_S)[0]:
            self._stop()
            raise AssertionError(f"{self._command[0]} does not listen after {START_S:g} s")
        self.port = int(self._process.stdout.readline() or 0)
        assert self.port, f"{self._command[:2]} ended with {self._process.wait(START_S)}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def requests(self) -> list[Request]:
        """What the server logged, by the time of the memory. Complete once the block has ended."""
        lines = [tuple(map(int, line.split())) for line in self._log.read_text().splitlines()]
        return sorted((Request(*line[:6], line[6:]) for line in lines), key=lambda request: request.wrote_ns)
