"""What is read of the PLC's triggers goes to each camera that wants it, through a pipe of its own."""

import os
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from aoi_daemon.config.schema import PollSection
from aoi_daemon.messages import READING, Reading
from aoi_daemon.plc.gate import Gate
from aoi_daemon.plc.polling import Polling
from aoi_daemon.plcmap.registers import Poll, Status, encode_poll
from aoi_daemon.ring.doorbell import drain
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.ports import MONOTONIC
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, Cell, Hears, camera_cell
from aoi_daemon.stage.stage import now_ns

CAMERAS = 3


class Line:
    """A PLC that is read at will, and three cameras."""

    def __init__(self, owned: ExitStack) -> None:
        self.board = Board(owned.enter_context(SharedMemory.create("board", SIZE_BYTES)))
        fds = {}
        for n in range(CAMERAS):
            fds[f"triggers{n}_r"], fds[f"triggers{n}_w"] = os.pipe2(os.O_NONBLOCK)
        for fd in fds.values():
            owned.callback(os.close, fd)
        self.fds = fds
        self.poll = Poll()
        self.answers = True
        config = SimpleNamespace(cameras=[None] * CAMERAS)
        stage = SimpleNamespace(board=self.board, config=config, fds=fds, tell=lambda **_: None)
        self.polling = Polling(PollSection(base=0), stage, self, Gate(None, self.board, None), MONOTONIC)
        self.at = 1000
        self.read()

    def read_registers(self, base: int, count: int) -> list[int] | None:
        return encode_poll(self.poll) if self.answers else None

    def read(self) -> None:
        self.at += 10
        self.polling.look(self.at, 0)

    def trigger(self) -> None:
        self.poll = self.poll._replace(
            status=self.poll.status ^ Status.TRIGGER, trigger_id=(self.poll.trigger_id + 1) % 2**32
        )

    def hears(self, camera: int, what: Hears) -> None:
        self.board[camera_cell(camera, CameraCell.HEARS)] = what

    def heard(self, camera: int) -> list[tuple[int, int, bool]]:
        found = drain(self.fds[f"triggers{camera}_r"], Reading.unpack, READING.size)
        return [(each.asked_ns, each.trigger_id, each.triggered) for each in found]


@pytest.fixture
def line():
    with ExitStack() as owned:
        yield Line(owned)


def test_every_camera_hears_of_every_trigger(line):
    """The first one that reads does not take it from the others."""
    for camera in range(CAMERAS):
        line.hears(camera, Hears.TRIGGERS)
    for _ in range(2):
        line.trigger()
        line.read()
    assert [line.heard(camera) for camera in range(CAMERAS)] == [[(1020, 1, True), (1030, 2, True)]] * CAMERAS


def test_a_camera_hears_what_it_wants(line):
    """Nothing, triggers, or also that there was none."""
    line.hears(1, Hears.TRIGGERS)
    line.hears(2, Hears.READINGS)
    line.read()
    line.trigger()
    line.read()
    assert line.heard(0) == []
    assert line.heard(1) == [(1030, 1, True)]
    assert line.heard(2) == [(1020, 0, False), (1030, 1, True)]


def test_a_camera_that_does_not_read_costs_the_others_nothing(line):
    """Its pipe is full: what comes is lost to it, and to it alone."""
    line.hears(0, Hears.READINGS)
    line.hears(1, Hears.READINGS)
    written = 0
    with pytest.raises(BlockingIOError):
        while True:
            written += os.write(line.fds["triggers0_w"], bytes(READING.size))
    line.trigger()
    line.read()
    assert line.heard(1) == [(1020, 1, True)]
    assert len(line.heard(0)) == written // READING.size


def test_a_pipe_does_not_fill_while_its_camera_is_not_there(line):
    """What it would find on its return is over."""
    for _ in range(20_000):
        line.trigger()
        line.read()
    assert line.heard(0) == []


def test_a_reading_that_failed_is_not_told(line):
    line.hears(0, Hears.READINGS)
    line.answers = False
    line.read()
    line.answers = True
    line.trigger()
    line.read()
    assert line.heard(0) == [(1030, 1, True)]


def test_the_first_reading_is_where_we_begin(line):
    """The toggle may be 1 in it, which is no trigger."""
    fresh = Polling(PollSection(base=0), line.polling._stage, line, Gate(None, line.board, None), MONOTONIC)
    line.hears(0, Hears.READINGS)
    line.trigger()
    fresh.look(5000, 0)
    assert line.heard(0) == [(5000, 1, False)]


def test_a_reading_says_when_its_answer_was_there(line):
    """A trigger that it shows may have come after it was asked for."""
    line.hears(0, Hears.READINGS)
    before_ns = now_ns()
    line.read()
    (reading,) = drain(line.fds["triggers0_r"], Reading.unpack, READING.size)
    assert before_ns <= reading.answered_ns <= now_ns()


def test_a_toggle_that_stays_is_no_other_trigger(line):
    line.hears(0, Hears.READINGS)
    line.trigger()
    for _ in range(3):
        line.read()
    line.trigger()
    line.read()
    assert [triggered for _, _, triggered in line.heard(0)] == [True, False, False, True]


def polling(line, **section):
    return Polling(PollSection(base=0, **section), line.polling._stage, line, Gate(None, line.board, None), MONOTONIC)


@pytest.mark.parametrize("period_ms", [20.0, 7.5])
def test_the_first_read_is_due_at_once_and_the_next_after_its_period(line, period_ms):
    fresh = polling(line, period_ms=period_ms)
    assert fresh.due_ns <= line.at
    fresh.look(5_000, 0)
    assert fresh.due_ns == 5_000 + int(period_ms * 1e6)
    line.answers = False
    fresh.look(9_000, 0)
    assert fresh.due_ns == 9_000 + int(period_ms * 1e6), "also where it failed"


@pytest.mark.parametrize("running", [0, 1])
def test_whether_the_line_runs_is_what_the_plc_says(line, running):
    line.poll = line.poll._replace(status=Status.LINE_RUNNING if running else Status(0))
    line.read()
    assert line.board[Cell.LINE_RUNNING] == running


def test_what_a_plc_process_before_read_is_forgotten_until_this_one_reads(line):
    line.poll = line.poll._replace(status=Status.BYPASS | Status.LINE_RUNNING, recipe_request=4)
    for _ in range(2):
        line.read()
    polling(line)
    board = line.board
    assert [board[cell] for cell in (Cell.PLC_STATUS, Cell.ACK_BEHIND, Cell.PLC_MOVES_BY_NS)] == [0, 0, 0]
    assert [board[cell] for cell in (Cell.LINE_RUNNING, Cell.ASKED_RECIPE)] == [-1, -1]


def test_the_plcs_heartbeat_must_move_from_the_start_of_plc_on(line):
    before_ns = now_ns()
    polling(line, watch_ms=400.0)
    assert before_ns + 400_000_000 <= line.board[Cell.PLC_MOVES_BY_NS] <= now_ns() + 400_000_000
