"""The simulator's control channel: JSON lines over TCP on loopback, or a Unix socket.

One request a line, one answer a line, `{"ok": true, ...}` or `{"ok": false,
"error": "..."}`. `COMMANDS` says what can be asked.

It shares the loop that serves Modbus, so what it does there is bounded: a page of a log is small, and there is
never more than one query in `_GAP_S`, however many clients ask for everything. Without the gap a client that reads a
long log keeps this process, which has a real-time priority, busy all the time: the kernel then stops it for up to
50 ms in each second, and the daemon sees a PLC that does not answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final, TypeVar

from aoi_daemon.kit.simulator.faults import Fault, Kind
from aoi_daemon.kit.simulator.plc import Plc
from aoi_daemon.kit.simulator.records import Log
from aoi_daemon.kit.simulator.server import Server

COMMANDS: Final = {
    "status": "counters, coils, ready_effective, heartbeat, report",
    "parts": "from: decided parts from that number of the log on, in pages; `next`: where to go on, `first`: oldest",
    "events": "from: as parts, of what the PLC saw",
    "fault": "kind: none, mute, stall, refuse, reset, exception, wrong_echo, delay, trickle; ms, code, field",
    "hold_outputs": "on: keep the coils when the last connection is lost",
    "set": "line_running, alarm_reset, bypass (true, false), recipe_request (number)",
    "trigger": "ask the daemon for an image; with `part`, open a slot: part, truth, trigger_ns",
    "quit": "end the simulator",
}
_QUERIES: Final = frozenset({"status", "parts", "events"})
PAGE: Final = 64
"""Records in one answer: more would hold up the scan cycle while they are written as JSON."""
_GAP_S: Final = 0.001
"""From one answer to a query (status, parts, events) to the next, of all clients together."""
_LIMIT_BYTES: Final = 65_536
T = TypeVar("T", bound=tuple[Any, ...])


class Control:
    """Serves the control channel; `quit` calls `stop`."""

    def __init__(self, plc: Plc, server: Server, stop: Callable[[], None]) -> None:
        self._plc = plc
        self._server = server
        self._stop = stop
        self._listener: asyncio.Server | None = None
        self._path: Path | None = None
        self._queries = asyncio.Lock()

    async def open(self, where: str) -> str:
        """Listen at `where`, a TCP port on loopback or a socket's path; gives where a client connects.

        Raises:
            OSError: it is taken.
        """
        if where.isdecimal():
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", int(where), limit=_LIMIT_BYTES)
            return str(self._listener.sockets[0].getsockname()[1])
        self._path = Path(where)
        self._listener = await asyncio.start_unix_server(self._serve, where, limit=_LIMIT_BYTES)
        return where

    def close(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer = await self._answer(line)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # gone, a line without end, or the simulator ends: in each case there is nobody to tell
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or request.get("cmd") not in COMMANDS:
                raise ValueError(f"cmd is one of {', '.join(COMMANDS)}")
            return {"ok": True} | await self._obey(request)
        except (ValueError, TypeError, KeyError, OSError) as error:
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}

    async def _obey(self, request: dict[str, Any]) -> dict[str, Any]:
        plc, command = self._plc, request["cmd"]
        if command in _QUERIES:
            start = int(request.get("from", 0))
            async with self._queries:
                await asyncio.sleep(_GAP_S)
                return self._told(command, start)
        if command == "fault":
            parameters = {key: request[key] for key in ("ms", "code", "field") if key in request}
            await self._server.set_fault(Fault(Kind(request["kind"]), **parameters))
        elif command == "hold_outputs":
            plc.hold_outputs = bool(request["on"])
        elif command == "set":
            _set(plc, request)
        elif command == "trigger":
            _trigger(plc, request)
        elif command == "quit":
            self._stop()
        return {}

    def _told(self, query: str, start: int) -> dict[str, Any]:
        if query == "status":
            return self._plc.status() | {
                "fault": self._server.fault.kind.value,
                "connections": len(self._server.connections),
            }
        if query == "parts":
            return _page(self._plc.tracker.parts, start)
        return _page(self._plc.tracker.events, start)


def _page(log: Log[T], start: int) -> dict[str, Any]:
    items, after = log.since(start, PAGE)
    return {"items": items, "next": after, "total": log.total, "first": log.first}


def _set(plc: Plc, request: dict[str, Any]) -> None:
    for key in ("line_running", "alarm_reset", "bypass"):
        if key in request:
            setattr(plc, key, bool(request[key]))
    if "recipe_request" in request:
        plc.recipe_request = int(request["recipe_request"])


def _trigger(plc: Plc, request: dict[str, Any]) -> None:
    plc.trigger()
    if "part" in request:
        now_ns = monotonic_ns()
        trigger_ns = int(request.get("trigger_ns", now_ns))
        plc.tracker.part(int(request["part"]), trigger_ns, int(request.get("truth", 0)), now_ns)
