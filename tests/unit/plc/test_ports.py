"""A connection keeps its port's word, the real one and the simulated one: what is tested on the one holds on the other."""

from __future__ import annotations

import socket
import struct

import pytest

from aoi_daemon.plc.ports import Address
from aoi_daemon.plc.wire import Tcp
from tests.unit.plc.conftest import Peer

REQUEST, ANSWER = b"\x00\x01request", b"\x00\x01answer"


class RealEnd:
    """A socket of this machine that accepts one connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address(socket.AF_INET, self._listener.getsockname())
        self.connection = Tcp(self.address, 5.0)
        self._far, _ = self._listener.accept()
        self._far.settimeout(5)

    def takes(self) -> bytes:
        return self._far.recv(100)

    def answers(self, data: bytes) -> None:
        self._far.sendall(data)

    def breaks_off(self) -> None:
        self._far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._far.close()

    def saw_a_reset(self) -> bool:
        try:
            return self._far.recv(100) is None
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.connection.socket.close()
        self._far.close()
        self._listener.close()


class SimulatedEnd:
    """The far end of the simulation's network."""

    def __init__(self) -> None:
        self._peer = Peer()
        self.connection = self._peer.dial(Address(0, ()), 5.0)

    def takes(self) -> bytes:
        self._peer.settle()
        return self._peer.requests[-1]

    def answers(self, data: bytes) -> None:
        self.connection.answer(data)

    def breaks_off(self) -> None:
        self.connection.break_off()

    def saw_a_reset(self) -> bool:
        self._peer.settle()
        return self._peer.resets == 1

    def close(self) -> None:
        self.connection.close()


@pytest.fixture(params=[RealEnd, SimulatedEnd])
def far(request):
    found = request.param()
    yield found
    found.close()


def test_a_request_is_taken_and_its_answer_read_once_the_poll_says_so(far):
    assert far.connection.send(REQUEST) == len(REQUEST)
    assert far.takes() == REQUEST
    far.answers(ANSWER)
    assert far.connection.poll(5_000)
    assert far.connection.recv(3) == ANSWER[:3], "no more than was asked for"
    assert far.connection.recv(100) == ANSWER[3:]


def test_where_nothing_has_come_no_call_waits(far):
    assert far.connection.poll(0) == []
    with pytest.raises(BlockingIOError):
        far.connection.recv(100)


def test_a_connection_that_the_far_end_breaks_off_wakes_the_poll_and_is_an_error(far):
    far.breaks_off()
    assert far.connection.poll(5_000)
    with pytest.raises(ConnectionResetError):
        far.connection.recv(100)
    with pytest.raises(OSError):
        far.connection.send(REQUEST)


def test_a_close_is_a_reset(far):
    """A FIN would let the PLC work off what it still holds, and take it for the next part's."""
    far.connection.close()
    assert far.saw_a_reset()


def test_an_address_is_said_as_a_person_writes_it():
    assert str(Address(socket.AF_INET, ("192.168.0.10", 502))) == "192.168.0.10:502"
