"""When the link to the PLC is tried again, when it is up, and how much is said of it."""

from types import SimpleNamespace

import pytest

from aoi_daemon.config.schema import PlcSection
from aoi_daemon.errors import PlcAnswerError, PlcError, PlcRefusedError, PlcTimeoutError
from aoi_daemon.plc.link import STEADY_NS, PlcLink
from aoi_daemon.plcmap.coils import word_of
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, Cell, Link, plc_address

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
        self.requests = []  # with address, what is written or how much is read, and time-out in s
        self.takes = lambda: None
        self.resets = 0
        self.goes_to = ("10.0.0.5", 1)

    def _ask(self, what, *request):
        self.asked.append(what)
        self.requests.append((what, *request))
        self.takes()
        if what in self.fails:
            raise self.fails[what]

    def connect(self, timeout_s):
        self._ask("connect", timeout_s)

    def write_coils(self, address, bits, timeout_s):
        self._ask("FC15", address, word_of(bits), timeout_s)

    def write_registers(self, address, values, timeout_s):
        self._ask("FC16", address, list(values), timeout_s)

    def read_registers(self, address, count, timeout_s):
        self._ask("FC03", address, count, timeout_s)
        return [0] * count

    def reset(self):
        self.resets += 1


class Clock:
    """Stands, but for what the test sets."""

    def __init__(self):
        self.now = 1000 * SECOND

    def now_ns(self):
        return self.now


@pytest.fixture
def link():
    """Down, at second 1000 of a clock that the test sets."""
    clock = Clock()
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        lines, told = [], []
        fields = []

        def say(event, **more):
            lines.append(event)
            fields.append(more)

        log = SimpleNamespace(info=say, error=say, warning=say)
        found = PlcLink(SECTION, Board(memory), log, told.append, client=Client(), clock=clock)
        found.board, found.clock = Board(memory), clock
        found.lines, found.fields, found.told = lines, fields, told
        yield found


@pytest.fixture
def up(link):
    """Up for ten seconds."""
    assert link.connect(0, REPORT)
    link.clock.now += 10 * SECOND
    return link


def waits_ms(link):
    return (link.retry_ns - link.clock.now) / MS


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


@pytest.mark.parametrize("what", [None, "connect", "FC15"])
def test_where_it_connects_to_is_on_the_board_whether_it_comes_up_or_not(link, what):
    """A PLC that does not answer may be one that nobody meant."""
    if what:
        fail(link, what)
    link._client.goes_to = ("fe80::1%eth0", 2)
    link.connect(0, REPORT)
    assert (plc_address(link.board), link.board[Cell.PLC_ADDRESSES]) == ("fe80::1", 2)


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
        up.clock.now = up.retry_ns
    assert found == [50, 100, 200, 300, 300]
    assert up.board[Cell.RECONNECTS] == 1, "one outage"


def test_once_it_was_up_for_a_while_the_back_off_begins_anew(up):
    fail(up, "FC15")
    up.write(1)
    for _ in range(4):
        up.connect(0, REPORT)
    fail(up)
    assert up.connect(0, REPORT)
    up.clock.now += 2 * SECOND
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
    began, connections = link.clock.now, 0
    while link.clock.now < began + 60 * SECOND:
        fail(link, *([what] if at_connect else []), error=FAULTS[fault])
        connections += 1
        if link.connect(0, REPORT):
            link.clock.now += 5 * MS
            link.look(link.clock.now)
            fail(link, what, error=FAULTS[fault])
            {"FC15": lambda: link.write(0), "FC16": lambda: link.write_registers(0, REPORT), "FC03": lambda: link.read_registers(100, 8)}[what]()
        assert link.retry_ns - link.clock.now <= 500 * MS
        link.clock.now = max(link.retry_ns, link.clock.now + MS)
    # reconnect_max_ms is 300 here: what is not refused comes back so often, and once a second at once.
    assert connections <= (120 if fault == "refused" else 60 * (1000 / 300 + 1) + 5)
    assert len(link.lines) <= 10


@pytest.mark.parametrize("gap_ms", [1_050, 1_500, 2_000])
def test_a_plc_that_is_mute_for_a_moment_again_and_again_writes_few_lines(up, gap_ms):
    """Each time the link has been up for long enough to be another outage."""
    up.lines.clear()
    for _ in range(600_000 // gap_ms):
        fail(up, "FC15")
        up.write(1)
        fail(up)
        up.connect(0, REPORT)
        up.clock.now += gap_ms * MS
        up.look(up.clock.now)
    assert len(up.lines) <= 10 * 10
    assert "left_out" in up.lines


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
        up.clock.now += 100 * MS
        up.look(up.clock.now)
    assert up.lines == ["plc_connected", "plc_link_down"]
    up.clock.now += STEADY_NS
    up.look(up.clock.now)
    up.look(up.clock.now)
    assert up.lines == ["plc_connected", "plc_link_down", "plc_connected"]


# -- what is asked, where, and for how long ------------------------------------

ELSEWHERE = PlcSection.model_validate(
    {"coil_base": 40, "timeout_ms": 30.0, "registers": {"base": 200}, "poll": {"base": 300}}
)


@pytest.mark.parametrize(("timeout_ms", "connect_s"), [(30.0, 0.2), (350.0, 0.35)])
def test_a_new_connection_is_told_coils_and_registers_at_their_addresses_and_asked_for_the_whole_block(link, timeout_ms, connect_s):
    section = ELSEWHERE.model_copy(update={"timeout_ms": timeout_ms})
    link = PlcLink(section, link.board, link._log, link.told.append, client=Client(), clock=link.clock)
    safe, report = 0x0720, list(range(16))
    assert link.connect(safe, report)
    own_s = timeout_ms / 1e3
    assert link._client.requests == [("connect", connect_s), ("FC15", 40, safe, own_s), ("FC16", 200, report, own_s), ("FC03", 300, 8, own_s)]
    assert link._board[Cell.COILS] == safe


def test_what_is_not_configured_is_not_asked(link):
    link._section = PlcSection()
    assert link.connect(0, REPORT)
    assert link._client.asked == ["connect", "FC15"]


@pytest.mark.parametrize(("left_s", "bound_s"), [(None, 0.02), (0.007, 0.007), (1.0, 0.02)])
def test_a_request_has_the_time_that_is_left_and_never_more_than_its_own(up, left_s, bound_s):
    up._client.requests.clear()
    assert up.write(0x8101, left_s)
    assert up.write_registers(7, REPORT, left_s)
    assert up._client.requests == [("FC15", 0, 0x8101, bound_s), ("FC16", 7, REPORT, bound_s)]


def test_the_coils_are_written_from_their_base_and_the_board_has_what_the_plc_took(up):
    up._section = ELSEWHERE
    up._client.takes = lambda: setattr(up.clock, "now", up.clock.now + 3 * MS)
    assert up.write(0x8101)
    assert up._client.requests[-1][:3] == ("FC15", 40, 0x8101)
    assert (up.board[Cell.COILS], up.board[Cell.PLC_ROUND_TRIP_NS]) == (0x8101, 3 * MS)
    fail(up, "FC15")
    assert not up.write(0x8202)
    assert up.board[Cell.COILS] == 0x8101


# -- an outage -----------------------------------------------------------------


@pytest.mark.parametrize("ask", [lambda up: up.write(1), lambda up: up.write_registers(0, REPORT), lambda up: up.read_registers(100, 8)])
def test_whatever_fails_the_page_hears_at_once_that_the_line_is_not_ready(up, ask):
    up.board[Cell.READY] = 1
    fail(up, "FC15", "FC16", "FC03")
    assert not ask(up)
    assert (up.up, up.board[Cell.LINK], up.board[Cell.READY], up.board[Cell.RECONNECTS]) == (False, Link.DOWN, 0, 1)


def test_a_plc_that_was_never_there_is_tried_after_a_back_off_from_the_first_attempt_on(link):
    fail(link, "connect")
    assert not link.connect(0, REPORT)
    assert waits_ms(link) == 50


def test_a_plc_that_is_gone_refuses_nothing(up):
    """Else "check the cable" would stay hidden behind what it refused when it was there."""
    fail(up, "FC16", error=FAULTS["refused"])
    up.write_registers(0, REPORT)
    fail(up, "connect", error=FAULTS["gone"])
    up.connect(0, REPORT)
    assert up.told == [str(FAULTS["refused"]), ""]


@pytest.mark.parametrize("fault", ["wrong", "mute", "gone"])
def test_what_is_no_refusal_is_not_told_as_one(up, fault):
    fail(up, "FC15", error=FAULTS[fault])
    up.write(1)
    assert up.told == []


def test_the_end_of_an_outage_says_how_long_it_was_from_its_first_fault(up):
    fail(up, "FC15")
    up.write(1)
    up.clock.now += 300 * MS
    up.connect(0, REPORT)
    up.clock.now += 400 * MS
    fail(up)
    up.connect(0, REPORT)
    up.look(up.clock.now + STEADY_NS)
    assert up.lines[-1] == "plc_connected"
    assert up.fields[-1]["outage_ms"] == 700


def test_an_outage_is_not_over_while_the_link_is_down_however_long_ago_it_was_up(up):
    fail(up, "FC15")
    up.write(1)
    up.look(up.clock.now + 60 * SECOND)
    assert up.lines == ["plc_connected", "plc_link_down"]


def test_an_outage_of_many_faults_is_three_lines(up):
    for number in range(10):
        fail(up, "FC15", error=PlcError(f"fault {number}"))
        up.write(1)
        up.connect(0, REPORT)
    assert up.lines == ["plc_connected", *["plc_link_down"] * 3]


def test_closed_it_is_down_and_the_connection_is_reset(up):
    up.close()
    assert (up._client.resets, up.up, up.board[Cell.LINK]) == (1, False, Link.DOWN)


# -- a second is the measure of an outage ------------------------------------------


def flapped(link):
    """Up, after an outage whose attempts failed until the back-off was longest."""
    fail(link, "connect")
    for _ in range(6):
        link.connect(0, REPORT)
        link.clock.now = link.retry_ns
    fail(link)
    assert link.connect(0, REPORT)


@pytest.mark.parametrize(("up_ns", "wait_ms"), [(SECOND, 50), (SECOND - 1, 300)])
def test_a_link_that_was_up_for_a_second_begins_its_back_off_anew(link, up_ns, wait_ms):
    flapped(link)
    link.clock.now += up_ns
    fail(link, "FC15", "connect")
    link.write(1)
    link.connect(0, REPORT)
    assert waits_ms(link) == wait_ms


@pytest.mark.parametrize(("since_ns", "wait_ms"), [(SECOND, 0), (SECOND - 1, 50)])
def test_a_link_that_is_lost_again_is_tried_at_once_a_second_after_the_last_time_and_not_sooner(up, since_ns, wait_ms):
    fail(up, "FC15")
    up.write(1)
    lost_ns = up.clock.now
    fail(up)
    assert up.connect(0, REPORT)
    up.clock.now = lost_ns + since_ns
    fail(up, "FC15")
    up.write(1)
    assert waits_ms(up) == wait_ms


@pytest.mark.parametrize(("up_ns", "over"), [(SECOND, True), (SECOND - 1, False)])
def test_an_outage_is_over_once_the_link_has_been_up_for_a_second(up, up_ns, over):
    fail(up, "FC15")
    up.write(1)
    fail(up)
    up.connect(0, REPORT)
    up.look(up.clock.now + up_ns)
    assert (up.lines[-1] == "plc_connected") is over


def test_a_link_that_is_lost_right_after_the_machine_has_started_is_tried_at_once_too(link):
    link.clock.now = 0
    assert link.connect(0, REPORT)
    fail(link, "FC15")
    link.write(1)
    assert waits_ms(link) == 0


def test_of_a_link_that_comes_and_goes_four_lines_of_a_kind_are_written_in_a_minute(link):
    for _ in range(10):
        fail(link)
        link.connect(0, REPORT)
        link.clock.now += 1_500 * MS
        link.look(link.clock.now)
        fail(link, "FC15")
        link.write(1)
    assert sorted(link.lines) == ["plc_connected"] * 4 + ["plc_link_down"] * 4
