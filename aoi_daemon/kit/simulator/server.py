"""The simulated PLC's Modbus/TCP server: pymodbus' own, with faults put between it and its sockets.

pymodbus reads, frames, decodes and answers; its `SimDevice` holds the address
space. Its trace hooks can change an answer, but not keep from reading, reset a
connection or send byte by byte, and do not know which connection they serve:
so the faults are in a subclass of its connection handler.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import Any, Final

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from aoi_daemon.kit.simulator.faults import Fault, Kind, spoil
from aoi_daemon.kit.simulator.plc import Plc
from aoi_daemon.plcmap.coils import COILS
from aoi_daemon.plcmap.registers import POLL_WORDS, REPORT_WORDS

_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)  # struct linger: on, 0 s
_READ_HOLDING: Final = 3
_COIL_WRITES: Final = (5, 15)

# A client that resets its connection is what is tested here, and not worth a line each.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)


class Server(ModbusTcpServer):  # type: ignore[misc]  # mypy skips pymodbus, so its class is Any
    """Serves `plc`; `open` listens, `shut` resets what is connected. Made inside a running event loop."""

    def __init__(self, plc: Plc) -> None:
        self.plc = plc
        self.fault = Fault()
        self.connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._where = (plc.options.host, plc.options.port)
        super().__init__(_device(self), address=self._where)

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or not allowed.
        """
        # Not pymodbus' own listen: it keeps to itself why it failed.
        self._listener = await self.loop.create_server(self.handle_new_connection, *self._where)
        self._where = self._listener.sockets[0].getsockname()[:2]  # opened again, the port is the same

    def shut(self) -> None:
        """Listen no more, and reset all connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in list(self.connections):
            connection.reset()

    @property
    def port(self) -> int:
        """Where it listens, or did."""
        return int(self._where[1])

    async def set_fault(self, fault: Fault) -> None:
        """From now on `fault`; with NONE all is well again."""
        before, self.fault = self.fault, fault
        self.plc.note("fault", fault.kind.value)
        if fault.kind is Kind.REFUSE:
            self.shut()
        elif self._listener is None:
            await self.open()
        if Kind.STALL in (before.kind, fault.kind):
            for connection in list(self.connections):
                connection.stall()

    def callback_new_connection(self) -> Connection:
        """Called by pymodbus for each connection."""
        return Connection(self)


class Connection(ServerRequestHandler):  # type: ignore[misc]  # mypy skips pymodbus, so its class is Any
    """One client's connection, with the server's fault between pymodbus and the socket."""

    def __init__(self, server: Server) -> None:
        super().__init__(server, None, None, None)
        self._tasks: set[asyncio.Task[None]] = set()

    def callback_connected(self) -> None:
        """Called when the connection stands."""
        super().callback_connected()
        self.server.connections.add(self)
        self.server.plc.note("connected")
        self.stall()

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Called when it is gone."""
        super().callback_disconnected(exc)
        self.server.connections.discard(self)
        self.server.plc.note("disconnected", str(exc or ""))
        if not self.server.connections:
            self.server.plc.link_lost()

    def stall(self) -> None:
        """Read, or do not, as the fault says."""
        if self.server.fault.kind is Kind.STALL:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def reset(self) -> None:
        """Close the connection with a RST."""
        if self.transport is not None:
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called with what the client sent."""
        self.server.plc.requests += 1
        if self.server.fault.kind is Kind.RESET:
            self.reset()
        elif self.server.fault.kind is not Kind.MUTE:
            super().data_received(data)

    def handle_later(self) -> None:
        """Called when a request is complete; a task of this loop spares pymodbus' way through a second future."""
        self._keep(self.loop.create_task(self.handle_request()))

    def send(self, data: bytes, addr: Any = None) -> None:
        """Called with an answer."""
        fault = self.server.fault
        if fault.kind is Kind.DELAY:
            self.loop.call_later(fault.ms / 1e3, self._write, data)
        elif fault.kind is Kind.TRICKLE:
            self._keep(self.loop.create_task(self._trickle(data, fault.ms / 1e3)))
        else:
            self._write(spoil(data, fault.field) if fault.kind is Kind.WRONG_ECHO else data)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)

    def _write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    async def _trickle(self, data: bytes, gap_s: float) -> None:
        for value in data:
            self._write(bytes([value]))
            await asyncio.sleep(gap_s)


def _device(server: Server) -> SimDevice:
    """The address space: the map's blocks and nothing else, so that a wrong base is an exception."""
    plc = server.plc
    coil_base, register_base, poll_base = (
        plc.options.coil_base, plc.options.register_base, plc.options.poll_base
    )  # fmt: skip

    async def act(  # noqa: PLR0917  # called by pymodbus
        function: int, start: int, address: int, count: int, image: list[int], values: list[Any] | None
    ) -> ExcCodes | None:
        if plc.options.scan_ms:
            await plc.next_scan()
        fault = server.fault
        if fault.kind is Kind.EXCEPTION:
            return ExcCodes(fault.code)
        if values is None:
            if function == _READ_HOLDING:
                image[poll_base - start : poll_base - start + POLL_WORDS] = plc.poll_block()
        elif function in _COIL_WRITES:
            # pymodbus rounds the block to whole registers: its edges are checked here.
            if address < coil_base or address + len(values) > coil_base + COILS:
                return ExcCodes.ILLEGAL_ADDRESS
            plc.write_coils(address - coil_base, values)
        elif register_base <= address < register_base + REPORT_WORDS:
            plc.write_registers(address - register_base, values)
        return None

    unused = [SimData(0, values=0, datatype=DataType.REGISTERS)]
    return SimDevice(
        id=0,  # answers to every unit
        simdata=(
            # Twice as many as there are: pymodbus 3.13 asks for a register more than a write needs.
            [SimData(coil_base, values=[False] * 2 * COILS, datatype=DataType.BITS)],
            [SimData(0, values=[False] * COILS, datatype=DataType.BITS)],
            [
                SimData(register_base, count=REPORT_WORDS, values=0, datatype=DataType.REGISTERS),
                SimData(poll_base, count=POLL_WORDS, values=0, datatype=DataType.REGISTERS),
            ],
            unused,
        ),
        action=act,
    )
