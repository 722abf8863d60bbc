"""A PLC that refuses: the simplest Modbus/TCP server, which takes what it is asked but for one thing.

It answers in no time from the test's own process. What it holds back is told in `Refusal`; it counts connections
and keeps every coil word that it took.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from types import TracebackType
from typing import Final, NamedTuple

from aoi_daemon.plcmap.registers import Poll, Status, encode_poll

READ, COILS, REGISTERS = 3, 15, 16
_HEADER: Final = struct.Struct(">HHHB")


class Refusal(NamedTuple):
    """`function` is answered with exception `code`; every request is answered as from `unit`, where that is set."""

    function: int = 0
    code: int = 0
    unit: int | None = None


class RefusingPlc:
    """Serves while its block runs; `words` are the coil words that it took, `connected_ns` when each connection came."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self.words: list[int] = []
        self.connected_ns: list[int] = []
        plc = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                plc.connected_ns.append(time.monotonic_ns())
                try:
                    while (header := _read(self.request, _HEADER.size)) is not None:
                        transaction, _, length, unit = _HEADER.unpack(header)
                        pdu = _read(self.request, length - 1)
                        if pdu is None:
                            return
                        answer = plc.answer(pdu)
                        answered_as = unit if plc.refusal.unit is None else plc.refusal.unit
                        self.request.sendall(_HEADER.pack(transaction, 0, len(answer) + 1, answered_as) + answer)
                except OSError:
                    return  # the daemon resets, as it should

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Connection)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def answer(self, pdu: bytes) -> bytes:
        function = pdu[0]
        if function == self.refusal.function:
            return bytes([function | 0x80, self.refusal.code])
        if function == READ:
            values = encode_poll(Poll(Status.LINE_RUNNING))
            return struct.pack(f">BB{len(values)}H", function, 2 * len(values), *values)
        if function == COILS:
            self.words.append(int.from_bytes(pdu[6:8], "little"))
        return pdu[:5]

    def __enter__(self) -> RefusingPlc:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _read(connection: socket.socket, size: int) -> bytes | None:
    """Exactly `size` bytes; None: the connection ended before."""
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            return None
        data += piece
    return data
