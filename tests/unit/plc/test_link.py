"""When the link to the PLC is tried again: at once after it was up, then after a back-off."""

from types import SimpleNamespace

import pytest

from aoi_daemon.board import SIZE_BYTES, Board, Cell, Link
from aoi_daemon.config.schema import PlcSection
from aoi_daemon.errors import PlcError
from aoi_daemon.plc import link as module
from aoi_daemon.plc.link import PlcLink
from aoi_daemon.ring.memory import SharedMemory

MS = 1_000_000
SECTION = PlcSection(reconnect_min_ms=50.0, reconnect_max_ms=300.0)


class Client:
    """A PLC that takes connections and words, or does not."""

    def __init__(self):
        self.connects = self.answers = True
        self.words = []

    def connect(self, timeout_s):
        if not self.connects:
            raise PlcError("refused")

    def write_coils(self, address, bits, timeout_s):
        if not self.answers:
            raise PlcError("no answer in time")
        self.words.append(bits)


@pytest.fixture
def link(monkeypatch):
    """Up, at second 1 of a clock that the test sets."""
    clock = SimpleNamespace(now_ns=1000 * MS)
    monkeypatch.setattr(module, "now_ns", lambda: clock.now_ns)
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        log = SimpleNamespace(info=lambda *_, **__: None, error=lambda *_, **__: None)
        found = PlcLink(SECTION, Board(memory), log)
        found._client, found.board, found.clock = Client(), Board(memory), clock
        assert found.connect(0)
        yield found


def waits_ms(link):
    return (link.retry_ns - link.clock.now_ns) / MS


def test_a_link_that_was_up_is_tried_again_at_once(link):
    """A PASS that the PLC reads too late is taken back by the safe state, if that comes while the next part is there."""
    link._client.answers = False
    assert not link.write(1)
    assert waits_ms(link) == 0
    assert (link.up, link.board[Cell.LINK], link.board[Cell.RECONNECTS]) == (False, Link.DOWN, 1)


@pytest.mark.parametrize("fault", ["connects", "answers"])
def test_attempts_that_fail_are_repeated_after_a_back_off(link, fault):
    link._client.answers = False
    link.write(1)
    setattr(link._client, fault, False)
    found = []
    for _ in range(5):
        assert not link.connect(0)
        found.append(waits_ms(link))
        link.clock.now_ns = link.retry_ns
    assert found == [50, 100, 200, 300, 300]
    assert link.board[Cell.RECONNECTS] == 1, "one outage"


def test_after_an_outage_the_back_off_begins_anew(link):
    link._client.answers = False
    link.write(1)
    for _ in range(4):
        link.connect(0)
    link._client.answers = True
    assert link.connect(0)
    link._client.answers = False
    link.write(1)
    assert waits_ms(link) == 0
    link.connect(0)
    assert waits_ms(link) == 50
