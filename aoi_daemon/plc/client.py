"""The Modbus/TCP client: one request at a time, each bounded, each answer checked.

Process: plc. Blocks: in the socket, for the `timeout_s` of the call at most.
The one module that imports pymodbus. pymodbus makes the requests, frames them
and reads the answers; the connection is a `Wire`, because pymodbus 3.13 to
3.16 wait up to twice their time-out (before 3.15 for as long as bytes trickle
in), keep a connection after a fault, connect again by themselves, skip answers
to other questions and take any echo.

Any fault resets the connection (RST, not FIN) before its error is raised, so
that what was not yet sent never is. What no client can take back is a request
that lies in the PLC's receive buffer: at most the one that failed, and its
sequence tells the PLC that it is old.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from typing import Final, Protocol

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu.bit_message import WriteMultipleCoilsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, WriteMultipleRegistersRequest

from aoi_daemon.errors import PlcAnswerError, PlcError, PlcRefusedError
from aoi_daemon.plc.ports import Transport
from aoi_daemon.plc.wire import Resolver, Wire
from aoi_daemon.ring.ports import MONOTONIC, Clock

EXCEPTIONS: Final[dict[int, str]] = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledge, still working",
    6: "device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target does not answer",
}
"""Exception codes of the Modbus Application Protocol V1.1b3, section 7."""

_MAX_COILS: Final = 1968  # FC15, FC16 and FC03: the same source, section 6
_MAX_WRITTEN: Final = 123
_MAX_READ: Final = 125
_ECHO_BYTES: Final = 12
_FUNCTION_AT: Final = 7
_IS_EXCEPTION: Final = 0x80
_LEAST_CONNECT_S: Final = 0.001

# pymodbus also logs what it raises: that would be input and output on the hot path.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)


class PlcClient:
    """A connection to `unit` behind `host`:`port`, for one thread, over `wire`. `clock`: of the time-outs.

    A method that raises a PlcError has reset the connection; a ValueError says
    that nothing was sent. Error messages are the same for the same fault, so
    that an outage can be logged once.
    """

    def __init__(
        self, host: str, port: int = 502, unit: int = 1, *, wire: Transport | None = None, clock: Clock = MONOTONIC
    ) -> None:
        self._unit = unit
        self._now_ns = clock.now_ns
        self._wire = Wire(clock=clock) if wire is None else wire
        self._modbus = _Modbus(host, port, self._wire)
        self._resolver = Resolver(host, port)
        self.goes_to: tuple[str, int] = ("", 0)
        """The address that the last attempt to connect went to, and of how many; of 0 where there was none."""

    @property
    def connected(self) -> bool:
        """There is a connection on which nothing failed; whether the PLC is alive, only an answer tells."""
        return self._wire.is_open

    def connect(self, timeout_s: float) -> None:
        """Connect anew within `timeout_s`, of which the resolution of a name may take half.

        Raises:
            PlcTimeoutError: it took longer.
            PlcError: refused, no route, or no such name.
        """
        # The former connection goes before a new one is asked for: a PLC may serve one alone, and refuse this one.
        self.reset()
        self.goes_to = ("", 0)
        deadline_ns = self._now_ns() + round(timeout_s * 1e9)
        addresses = self._resolver.addresses(timeout_s / 2)
        for left in range(len(addresses), 0, -1):
            self.goes_to = (addresses[-left].where[0], len(addresses))
            try:
                # A name's first address may lead nowhere: each gets its share of the time that is left.
                share_s = max(_LEAST_CONNECT_S, (deadline_ns - self._now_ns()) / 1e9 / left)
                return self._wire.open(addresses[-left], share_s)
            except PlcError:
                if left == 1:
                    raise
        return None

    def write_coils(self, address: int, bits: Sequence[bool], timeout_s: float) -> None:
        """Write the coils from `address` on in one FC15 request; its echo has been checked on return.

        Raises:
            PlcTimeoutError: no complete answer within `timeout_s`.
            PlcRefusedError: an exception code, or another unit answered.
            PlcAnswerError: not the answer to this request.
            PlcError: there is no connection, or it broke.
            ValueError: 1 to 1968 coils at addresses 0 to 65535 can be written, not these.
        """
        _check_range("coils", address, len(bits), _MAX_COILS)
        request = WriteMultipleCoilsRequest(address=address, bits=list(bits), dev_id=self._unit)
        self._write(request, len(bits), timeout_s)

    def write_registers(self, address: int, values: Sequence[int], timeout_s: float) -> None:
        """Write holding registers from `address` on in one FC16 request; its echo has been checked on return.

        Raises:
            PlcError: as `write_coils`, with its kinds.
            ValueError: 1 to 123 registers of 0 to 65535 can be written, not these.
        """
        _check_range("registers", address, len(values), _MAX_WRITTEN)
        if not all(0 <= value <= 0xFFFF for value in values):
            raise ValueError(f"a register holds 0 to 65535, not {list(values)}")
        request = WriteMultipleRegistersRequest(address=address, registers=list(values), dev_id=self._unit)
        self._write(request, len(values), timeout_s)

    def read_registers(self, address: int, count: int, timeout_s: float) -> list[int]:
        """Read `count` holding registers from `address` on in one FC03 request.

        Raises:
            PlcError: as `write_coils`, with its kinds.
            ValueError: 1 to 125 registers can be read, not `count`.
        """
        _check_range("registers", address, count, _MAX_READ)
        request = ReadHoldingRegistersRequest(address=address, count=count, dev_id=self._unit)
        registers: list[int] = self._ask(request, 9 + 2 * count, timeout_s).registers
        # An answer of another length is out of step with us: what follows on this connection cannot be believed.
        if len(registers) != count:
            self.reset()
            raise PlcAnswerError(f"{_name(request)}: {len(registers)} registers came, asked were {count}")
        return registers

    def reset(self) -> None:
        """Close the connection with a RST; the kernel sends nothing more of it. Without one, nothing."""
        self._wire.close()

    def _write(self, request: _Pdu, count: int, timeout_s: float) -> None:
        echo = self._ask(request, _ECHO_BYTES, timeout_s)
        if (echo.address, echo.count) != (request.address, count):
            self.reset()
            raise PlcAnswerError(
                f"{_name(request)}: the echo says {echo.count} at {echo.address}, written were {count}"
            )

    def _ask(self, request: _Pdu, answer_bytes: int, timeout_s: float) -> _Pdu:
        """The answer to `request`: of its function, `answer_bytes` long, no exception."""
        try:
            return self._modbus.ask(request, answer_bytes, self._now_ns() + round(timeout_s * 1e9))
        except PlcError as error:
            self.reset()
            raise type(error)(f"{_name(request)}: {error}") from error
        except (ModbusException, ValueError, struct.error) as error:  # all that pymodbus' decoders let through
            self.reset()
            raise PlcAnswerError(f"{_name(request)}: the answer cannot be read") from error
        except BaseException:
            # An exception from a signal handler, say: an answer may still come, and nobody would take it.
            self.reset()
            raise


class _Pdu(Protocol):
    """What is used of pymodbus' requests and answers; which fields are set depends on the function."""

    dev_id: int
    function_code: int
    exception_code: int
    address: int
    count: int
    registers: list[int]


class _Modbus(ModbusTcpClient):  # type: ignore[misc]  # mypy skips pymodbus, so its class is Any
    """pymodbus' client on our `Wire`. Its `execute` calls `connect`, then `send`, then `recv`."""

    def __init__(self, host: str, port: int, wire: Transport) -> None:
        super().__init__(host, port=port, retries=0)
        self._wire = wire
        self._deadline_ns = 0
        self._answer_bytes = 0

    def ask(self, request: _Pdu, answer_bytes: int, deadline_ns: int) -> _Pdu:
        """The answer to `request`, checked but for its values, until `deadline_ns` of the clock.

        Raises:
            PlcError: as `PlcClient.write_coils`, with its kinds.
            ModbusException: pymodbus makes nothing of the answer.
        """
        self._deadline_ns = deadline_ns
        self._answer_bytes = answer_bytes
        answer: _Pdu = self.execute(False, request)
        if answer.function_code & ~_IS_EXCEPTION != request.function_code:
            raise PlcAnswerError(f"answered as FC{answer.function_code & ~_IS_EXCEPTION:02d}")
        if answer.function_code & _IS_EXCEPTION:
            code = answer.exception_code
            words = EXCEPTIONS.get(code, "not one of the protocol")
            raise PlcRefusedError(f"exception {code}, {words}; unit {request.dev_id} was asked, and answered")
        return answer

    def connect(self) -> bool:
        """Called before each request; that a connection is there, `send` sees, and it makes none by itself."""
        return True

    def send(self, request: bytes, addr: object = None) -> int:
        """Called with the frame of a request."""
        self._wire.send(request)
        return len(request)

    def recv(self, size: int | None) -> bytes:
        """Called for an answer's bytes: gives the whole frame, so that pymodbus need not piece it together."""
        frame = self._wire.receive(self._deadline_ns)
        # Before it is decoded: pymodbus 3.13 and 3.14 take a body that is too short for an error of their own.
        if len(frame) != self._answer_bytes and not frame[_FUNCTION_AT] & _IS_EXCEPTION:
            raise PlcAnswerError(f"the answer has {len(frame)} bytes, not {self._answer_bytes}")
        return frame


_REQUESTS: Final = {3: "read registers", 15: "write coils", 16: "write registers"}


def _name(request: _Pdu) -> str:
    last = request.address + max(request.count, 1) - 1
    return f"FC{request.function_code:02d} ({_REQUESTS[request.function_code]} {request.address} to {last})"


def _check_range(kind: str, address: int, count: int, most: int) -> None:
    if not 1 <= count <= most or not 0 <= address <= 0x10000 - count:
        raise ValueError(f"{count} {kind} at {address}: possible are 1 to {most} within 0 to 65535")
