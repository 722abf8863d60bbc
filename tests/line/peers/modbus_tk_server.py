"""A slow PLC behind modbus-tk: see peer.py for what it is told, and for the log that it writes.

One thread serves all connections, one request at a time.
"""

from __future__ import annotations

import os
import time

from modbus_tk import defines, hooks, modbus_tcp
from serving import Asked, Serving, status

serving = Serving()
UNIT = 1
SIZE = 4096
HEADER = 7
SENDS = (defines.WRITE_MULTIPLE_COILS, defines.WRITE_MULTIPLE_REGISTERS)


class Request:
    """The one that is being served."""

    connection: object = None
    asked: Asked
    wrote_ns = 0
    values: list[int]


def connected(arguments):
    _, client, _ = arguments
    serving.connected(client)


def header_read(arguments):
    _, Request.connection, _ = arguments


def request_read(arguments):
    _, request = arguments
    Request.asked = serving.asked(Request.connection, request[HEADER:])
    serving.delay(Request.asked)
    plc.set_values("registers", serving.status, [status()])


def handled(_arguments):
    """The memory was written by the library just now."""
    Request.wrote_ns = time.monotonic_ns()
    asked = Request.asked
    Request.values = []
    if asked.function in SENDS:
        block = "coils" if asked.function == defines.WRITE_MULTIPLE_COILS else "registers"
        Request.values = list(plc.get_values(block, asked.address, Request.count))
    sequence = sum(bit << n for n, bit in enumerate(plc.get_values("coils", serving.seq_coil, 8)))
    for register in (serving.ack, serving.acted_on):
        plc.set_values("registers", register, [sequence])


def sends(_arguments):
    # Not after it was sent: where the client is gone by now there is no such time, and the memory holds it all the same.
    serving.answered(Request.asked, Request.wrote_ns, Request.values)


def counted(arguments):
    _, pdu = arguments
    Request.count = int.from_bytes(pdu[3:5], "big")


for name, hook in (
    ("modbus_tcp.TcpServer.on_connect", connected),
    ("modbus_tcp.TcpServer.after_recv", header_read),
    ("modbus.Server.before_handle_request", request_read),
    ("modbus.Slave.handle_request", counted),
    ("modbus.Server.after_handle_request", handled),
    ("modbus_tcp.TcpServer.before_send", sends),
):
    hooks.install_hook(name, hook)

server = modbus_tcp.TcpServer(0, "127.0.0.1")
plc = server.add_slave(UNIT)
plc.add_block("coils", defines.COILS, 0, SIZE)
plc.add_block("registers", defines.HOLDING_REGISTERS, 0, SIZE)
server.start()
until = time.monotonic() + 10
while server._sock is None or not server._sockets:  # its thread binds and listens
    if time.monotonic() > until:
        raise SystemExit("modbus-tk does not listen")
    time.sleep(0.001)
serving.run(server._sock.getsockname()[1])
os._exit(0)  # its thread ends up to a second later
