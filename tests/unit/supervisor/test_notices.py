"""What the service manager is told, and when: a real socket, a board in memory, time passed in."""

import socket

import pytest

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.stage.board import Cell
from aoi_daemon.stage.service import Manager
from aoi_daemon.supervisor.notices import Notices, too_short
from aoi_daemon.supervisor.watchdog import Look
from tests.unit.supervisor.conftest import LINE

SECOND = 1_000_000_000


class Log:
    def __init__(self):
        self.lines = []

    def __getattr__(self, level):
        return lambda event, **facts: self.lines.append((level, event, facts))


class Bench:
    def __init__(self, board, listener, address, watchdog_ns):
        self.listener, self.board, self.now, self.moved, self.log = listener, board, SECOND, 0, Log()
        self.notices = Notices(Manager(address, watchdog_ns), board, LINE, self.log)

    def tick(self, after_s=0.05, *, moves=True):
        """One tick; what the manager heard."""
        self.now += int(after_s * SECOND)
        self.moved += moves
        states = {"plc": Cell.PLC_STATE, "inspection": Cell.INSPECTION_STATE}
        looks = [Look(name, self.board[cell], self.moved, 0) for name, cell in states.items()]
        self.notices.tick(self.now, LINE, lambda: looks)
        return self.heard()

    def heard(self):
        found = []
        while True:
            try:
                found.append(self.listener.recv(65536).decode())
            except BlockingIOError:
                return found

    def fill(self):
        """The manager does not read: its queue is full."""
        while self.notices._notifier.send(filler=1):
            pass


@pytest.fixture
def bench(tmp_path, board):
    """`bench(watchdog_s)`"""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.setblocking(False)
        made = []

        def make(watchdog_s=30):
            made.append(Bench(board, listener, address, watchdog_s * SECOND))
            return made[-1]

        yield make
        for one in made:
            one.notices.close()




# -- READY and STATUS ----------------------------------------------------------------


def test_ready_comes_with_the_plcs_first_ready_and_once(bench, board):
    one = bench()
    board[Cell.READY] = 0
    assert not any("READY=1" in said for said in one.tick())
    board[Cell.READY] = 1
    assert "READY=1\nSTATUS=running: 0 parts, 0 rejected" in one.tick()
    board[Cell.READY] = 0
    one.tick()
    board[Cell.READY] = 1
    assert one.tick() == ["STATUS=running: 0 parts, 0 rejected"]


def test_a_ready_that_the_manager_did_not_take_is_owed(bench):
    one = bench()
    one.fill()
    assert "READY=1\nSTATUS=running: 0 parts, 0 rejected" not in one.tick()
    assert "READY=1\nSTATUS=running: 0 parts, 0 rejected" in one.tick()
    assert not any("READY" in said for said in one.tick())


def test_a_change_of_state_is_said_at_once_and_counts_now_and_then(bench, board):
    one = bench()
    one.tick()
    board[Cell.PARTS] = 1
    assert one.tick() == []
    board[Cell.STOPPED_BY_RULE] = 1
    assert one.tick() == ["STATUS=running: 1 parts, 0 rejected; asks the line to stop (stop rule): aoi-daemon reset"]
    board[Cell.STOPPED_BY_RULE] = board[Cell.READY] = board[Cell.LINK] = 0
    assert one.tick() == ["STATUS=not ready: waits for the PLC at 10.0.0.5:502"]
    board[Cell.READY] = 1
    assert one.tick() == ["STATUS=running: 1 parts, 0 rejected"]
    board[Cell.PARTS] = 2
    assert one.tick(4.9) == []
    assert one.tick(0.2) == ["STATUS=running: 2 parts, 0 rejected"]
    assert not any("STATUS" in said for said in one.tick(6)), "nothing has changed"


# -- the watchdog and the start --------------------------------------------------------


def test_it_is_fed_four_times_in_its_time(bench):
    one = bench(watchdog_s=20)
    assert "WATCHDOG=1" in one.tick()
    assert one.tick(4.9) == []
    assert one.tick(0.2) == ["WATCHDOG=1"]


def test_it_is_not_fed_while_the_loop_stands_and_at_once_when_it_moves(bench):
    one = bench(watchdog_s=20)
    one.tick()
    assert one.tick(6, moves=False) == []
    assert one.tick(6, moves=False) == []
    assert one.tick(moves=True) == ["WATCHDOG=1"]
    stands = [facts for _, event, facts in one.log.lines if event == "watchdog"]
    assert stands == [{"fed": False, "stands": "plc"}, {"fed": True, "stands": ""}]


def test_a_feed_that_the_manager_did_not_take_is_tried_again(bench):
    one = bench(watchdog_s=20)
    one.tick()
    one.fill()
    assert "WATCHDOG=1" not in one.tick(6)
    assert one.tick() == ["WATCHDOG=1"]


def test_without_a_watchdog_nothing_is_fed(bench):
    one = bench(watchdog_s=0)
    one.tick()
    assert one.tick(60) == []


@pytest.mark.parametrize(("watchdog_s", "said"), [(20, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000"), (0, "EXTEND_TIMEOUT_USEC=60000000")])
def test_a_start_that_goes_on_is_given_more_time_and_one_that_stands_is_not(bench, board, watchdog_s, said):
    one = bench(watchdog_s)
    board[Cell.READY] = board[Cell.LINK] = 0
    assert said in one.tick()
    assert one.tick(6) == [said]
    assert one.tick(6, moves=False) == []
    assert one.tick(600, moves=False) == []


# -- reload and end ----------------------------------------------------------------------


def test_a_reload_is_one_datagram_then_ready(bench):
    one = bench()
    one.tick()
    one.notices.reloading(1_234_567_890)
    assert one.heard() == ["RELOADING=1\nMONOTONIC_USEC=1234567"]
    one.notices.reloaded(LINE)
    assert one.heard() == ["READY=1\nSTATUS=running: 0 parts, 0 rejected"]


def test_a_reload_that_goes_on_is_given_more_time(bench):
    """A new engine proves itself on the golden parts; the manager's patience is for the start, 90 s."""
    one = bench(watchdog_s=20)
    one.tick()
    assert one.tick(6) == ["WATCHDOG=1"]
    one.notices.reloading(1)
    one.heard()
    assert one.tick(6) == ["WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000"]
    assert one.tick(6, moves=False) == []
    one.notices.reloaded(LINE)
    one.heard()
    assert one.tick(6) == ["WATCHDOG=1"]


def test_a_refused_reload_stays_in_the_status_until_one_lands(bench):
    one = bench()
    one.tick()
    one.notices.reloading(1)
    one.notices.reloaded(LINE, "line.toml: a\nline.toml: b")
    assert one.heard()[-1] == "READY=1\nSTATUS=running: 0 parts, 0 rejected; reload refused: line.toml: a | line.toml: b"
    assert one.tick() == []
    one.notices.reloading(2)
    one.notices.reloaded(LINE)
    assert one.heard()[-1] == "READY=1\nSTATUS=running: 0 parts, 0 rejected"


def test_a_reload_during_the_start_is_not_told_as_one(bench, board):
    """READY=1 after it would say that the start is over."""
    one = bench()
    board[Cell.READY] = 0
    one.tick()
    one.notices.reloading(1)
    one.notices.reloaded(LINE)
    assert one.heard() == []


def test_the_end_is_said(bench):
    one = bench()
    one.notices.stopping()
    assert one.heard() == ["STOPPING=1\nSTATUS=stopping"]
    one.notices.stopping()
    assert one.heard() == [], "once"


def test_the_end_is_said_again_to_a_manager_whose_queue_was_full(bench):
    one = bench()
    one.fill()
    one.notices.stopping()
    assert not any("STOPPING" in said for said in one.heard())
    one.notices.stopping()
    assert one.heard() == ["STOPPING=1\nSTATUS=stopping"]


# -- what does not fit ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("watchdog_s", "change", "key"),
    [
        (30, {}, ""),
        (0, {"supervisor": {"hang_ms": 60_000.0}}, ""),
        (2, {}, "supervisor.hang_ms = 2000"),
        (30, {"supervisor": {"hang_ms": 30_000.0}}, "supervisor.hang_ms = 30000"),
        (6, {"plc": {"heartbeat_ms": 5000.0}}, "plc.heartbeat_ms = 5000"),
        (30, {"plc": {"reconnect_max_ms": 60_000.0}}, "plc.reconnect_max_ms = 60000"),
    ],
)
def test_a_watchdog_shorter_than_what_the_line_may_take_is_warned_of(bench, board, watchdog_s, change, key):
    line = LineConfig.model_validate({**LINE.model_dump(mode="json", exclude_unset=True), **change})
    found = too_short(watchdog_s * SECOND, line)
    assert key in found and bool(found) is bool(key)
    log = Log()
    Notices(Manager(None, watchdog_s * SECOND, ("odd",)), board, line, log)
    assert [facts["problem"] for _, _, facts in log.lines] == ["odd", *([found] if found else [])]
