"""When the link to the PLC is tried again, when it is up, and how much is said of it."""

from types import SimpleNamespace

import pytest

from aoi_daemon.board import SIZE_BYTES, Board, Cell, Link
from aoi_daemon.config.schema import PlcSection
from aoi_daemon.errors import PlcAnswerError, PlcError, PlcRefusedError, PlcTimeoutError
from aoi_daemon.plc import link as module
from aoi_daemon.plc.link import PlcLink
from aoi_daemon.ring.memory import SharedMemory

MS = 1_000_000
SECOND = 1_000 * MS
SECTION = PlcSection.model_validate(
    {"reconnect_min_ms": 50.0, "reconnect_max_ms": 300.0, "registers": {"base": 0}, "poll": {"base": 100}}
)
REPORT = [0] * 16


class Client:
    """A PLC that answers each kind of request, or raises what `fails` has for it."""

    def __init__(self):
        self.fails = {}
        self.asked = []

    def _ask(self, what):
        self.asked.append(what)
        if what in self.fails:
            raise self.fails[what]

    def connect(self, timeout_s):
        self._ask("connect")

    def write_coils(self, address, bits, timeout_s):
        self._ask("FC15")

    def write_registers(self, address, values, timeout_s):
        self._ask("FC16")

    def read_registers(self, address, count, timeout_s):
        self._ask("FC03")
        return [0] * count


@pytest.fixture
def link(monkeypatch):
    """Down, at second 1000 of a clock that the test sets."""
    clock = SimpleNamespace(now_ns=1000 * SECOND)
    monkeypatch.setattr(module, "now_ns", lambda: clock.now_ns)
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        lines, told = [], []
        log = SimpleNamespace(info=lambda event, **more: lines.append(event), error=lambda event, **more: lines.append(event))
        found = PlcLink(SECTION, Board(memory), log, told.append)
        found._client, found.board, found.clock = Client(), Board(memory), clock
        found.lines, found.told = lines, told
        yield found


@pytest.fixture
def up(link):
    """Up for ten seconds."""
    assert link.connect(0, REPORT)
    link.clock.now_ns += 10 * SECOND
    return link


def waits_ms(link):
    return (link.retry_ns - link.clock.now_ns) / MS


def fail(link, *whats, error=None):
    link._client.fails = dict.fromkeys(whats, error or PlcTimeoutError("no answer in time"))


def test_it_is_up_only_when_all_that_is_configured_has_been_answered_the_safe_state_first(link):
    assert link.connect(0, REPORT)
    assert link._client.asked == ["connect", "FC15", "FC16", "FC03"]
    assert (link.up, link.board[Cell.LINK]) == (True, Link.UP)


@pytest.mark.parametrize("what", ["connect", "FC15", "FC16", "FC03"])
def test_it_is_not_up_while_one_of_them_is_refused(link, what):
    fail(link, what)
    assert not link.connect(0, REPORT)
    assert (link.up, link.board[Cell.LINK], link.board[Cell.READY]) == (False, Link.DOWN, 0)


def test_a_link_that_was_up_is_tried_again_at_once(up):
    """A PASS that the PLC reads too late is taken back by the safe state, if that comes while the next part is there."""
    fail(up, "FC15")
    assert not up.write(1)
    assert waits_ms(up) == 0
    assert (up.up, up.board[Cell.LINK], up.board[Cell.RECONNECTS]) == (False, Link.DOWN, 1)


@pytest.mark.parametrize("what", ["connect", "FC15", "FC16", "FC03"])
def test_attempts_that_fail_are_repeated_after_a_back_off(up, what):
    fail(up, "FC15")
    up.write(1)
    fail(up, what)
    found = []
    for _ in range(5):
        assert not up.connect(0, REPORT)
        found.append(waits_ms(up))
        up.clock.now_ns = up.retry_ns
    assert found == [50, 100, 200, 300, 300]
    assert up.board[Cell.RECONNECTS] == 1, "one outage"


def test_once_it_was_up_for_a_while_the_back_off_begins_anew(up):
    fail(up, "FC15")
    up.write(1)
    for _ in range(4):
        up.connect(0, REPORT)
    fail(up)
    assert up.connect(0, REPORT)
    up.clock.now_ns += 2 * SECOND
    fail(up, "FC15")
    up.write(1)
    assert waits_ms(up) == 0
    up.connect(0, REPORT)
    assert waits_ms(up) == 50


FAULTS = {
    "refused": PlcRefusedError("FC16 (write registers 0 to 15): exception 2, illegal address"),
    "wrong": PlcAnswerError("another transaction"),
    "mute": PlcTimeoutError("no answer in time"),
    "gone": PlcError("the connection broke"),
}


@pytest.mark.parametrize("what", ["FC15", "FC16", "FC03"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at_connect", [True, False])
def test_whatever_fails_a_minute_has_few_connections_and_few_lines(link, what, fault, at_connect):
    """Also where the connection and its first requests go well and a later one does not, each time."""
    began, connections = link.clock.now_ns, 0
    while link.clock.now_ns < began + 60 * SECOND:
        fail(link, *([what] if at_connect else []), error=FAULTS[fault])
        connections += 1
        if link.connect(0, REPORT):
            link.clock.now_ns += 5 * MS
            link.look(link.clock.now_ns)
            fail(link, what, error=FAULTS[fault])
            {"FC15": lambda: link.write(0), "FC16": lambda: link.write_registers(0, REPORT), "FC03": lambda: link.read_registers(100, 8)}[what]()
        assert link.retry_ns - link.clock.now_ns <= 500 * MS
        link.clock.now_ns = max(link.retry_ns, link.clock.now_ns + MS)
    # reconnect_max_ms is 300 here: what is not refused comes back so often, and once a second at once.
    assert connections <= (120 if fault == "refused" else 60 * (1000 / 300 + 1) + 5)
    assert len(link.lines) <= 10


def test_what_is_refused_is_told_in_words_and_taken_back_when_it_is_answered(up):
    refused = FAULTS["refused"]
    fail(up, "FC16", error=refused)
    assert not up.write_registers(0, REPORT)
    assert not up.connect(0, REPORT)
    assert up.told == [str(refused)]
    fail(up)
    assert up.connect(0, REPORT)
    assert up.told == [str(refused), ""]


def test_an_outage_is_one_line_and_its_end_is_another_however_it_flaps(up):
    assert up.lines == ["plc_connected"]
    for _ in range(5):
        fail(up, "FC15")
        up.write(1)
        up.connect(0, REPORT)
        fail(up)
        up.connect(0, REPORT)
        up.clock.now_ns += 100 * MS
        up.look(up.clock.now_ns)
    assert up.lines == ["plc_connected", "plc_link_down"]
    up.clock.now_ns += module.STEADY_NS
    up.look(up.clock.now_ns)
    up.look(up.clock.now_ns)
    assert up.lines == ["plc_connected", "plc_link_down", "plc_connected"]
