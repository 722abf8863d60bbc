"""A slow PLC behind pyModbusTCP: see peer.py for what it is told, and for the log that it writes.

The library has a thread for each connection, so a request of an old connection may be worked off after one of a
newer connection.
"""

from __future__ import annotations

import os
import threading
import time

from pyModbusTCP.server import DataBank, ModbusServer
from serving import Serving, status

serving = Serving()
here = threading.local()


class Memory(DataBank):
    """The library's memory, written after the delay."""

    def set_coils(self, address, bit_list, srv_info=None):
        written = super().set_coils(address, bit_list, srv_info)
        here.wrote_ns, here.values = time.monotonic_ns(), [int(bit) for bit in bit_list]
        sequence = sum(bit << n for n, bit in enumerate(self.get_coils(serving.seq_coil, 8)))
        for register in (serving.ack, serving.acted_on):
            super().set_holding_registers(register, [sequence])
        return written

    def set_holding_registers(self, address, word_list, srv_info=None):
        written = super().set_holding_registers(address, word_list, srv_info)
        here.wrote_ns, here.values = time.monotonic_ns(), list(word_list)
        return written


class Server(ModbusServer):
    """The library's server; its service tells when a request came and when the answer went."""

    class ModbusService(ModbusServer.ModbusService):
        def setup(self):
            super().setup()
            serving.connected(self.client_address)

        def _send_all(self, data):
            try:
                return super()._send_all(data)
            finally:
                # Also where the client is gone by now: the memory holds it all the same.
                serving.answered(here.asked, here.wrote_ns, here.values)


def engine(session):
    """Between the request and the library's own engine: the delay."""
    here.asked = serving.asked((session.client.address, session.client.port), session.request.pdu.raw)
    serving.delay(here.asked)
    here.wrote_ns, here.values = time.monotonic_ns(), []
    DataBank.set_holding_registers(memory, serving.status, [status()])
    server._internal_engine(session)


memory = Memory()
server = Server("127.0.0.1", 0, no_block=True, data_bank=memory, ext_engine=engine)
server.start()
serving.run(server._service.server_address[1])
os._exit(0)  # its threads wait for their connections' end
