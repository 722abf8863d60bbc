"""plc/gate.py: what the board, and a person who reads the log, are told of rejected parts at the gate."""

import pytest

from aoi_daemon.config.schema import PollSection
from aoi_daemon.messages import Outcome, Reason
from aoi_daemon.plc.gate import Gate
from aoi_daemon.plcmap.registers import Poll, Status
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, Cell, Link, Stopped

SECOND = 1_000_000_000
START = 1_000 * SECOND
NOTHING = Status(0)


class Log:
    """Keeps what is said."""

    def __init__(self):
        self.said = []

    def error(self, event, **fields):
        self.said.append((event, fields))

    warning = error


class Belt:
    """A gate where a reject must be confirmed before the part after the next is there, and a PLC that is in step."""

    def __init__(self, board, confirm_parts=1):
        self.board, self.log, self.now = board, Log(), START
        board[Cell.LINK] = Link.UP
        self.gate = Gate(PollSection(base=0, confirm_parts=confirm_parts), board, self.log)
        self.last = 0

    def parts(self, count, *, passed=False, bypassed=False):
        for _ in range(count):
            self.last += 1
            outcome = Outcome(
                self.last, passed, Reason.NONE if passed else Reason.DEFECT, 0, -1, 0, 1, 0, self.last, 0,
                0, 0, 0, 0, 0, 0, 0, 0, self.now, self.now, b"", 0, bypassed, 1,
            )  # fmt: skip
            self.gate.entered(outcome)

    def poll(self, acted_on, status=NOTHING):
        self.now += SECOND
        self.gate.polled(Poll(status, acted_on=acted_on), self.now)

    @property
    def events(self):
        return [event for event, _ in self.log.said]

    @property
    def cells(self):
        """Whether it asks for a stop; the first part that nobody saw ejected, how many more; the oldest still open."""
        board = self.board
        return (
            bool(board[Cell.STOPPED_BY_RULE] & Stopped.UNCONFIRMED),
            board[Cell.UNCONFIRMED],
            board[Cell.UNCONFIRMED_MORE],
            board[Cell.REJECT_OPEN],
        )


@pytest.fixture
def board():
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        yield Board(memory)


@pytest.fixture
def belt(board):
    found = Belt(board)
    found.poll(200)  # of the process before
    return found


def test_rejects_that_are_confirmed_leave_nothing_open_and_nothing_is_said(belt):
    belt.parts(3)
    opened = []
    for number in (1, 2, 3):
        belt.poll(number, Status.REJECT_CONFIRMED)
        opened.append(belt.cells)
    assert opened == [(False, 0, 0, 2), (False, 0, 0, 3), (False, 0, 0, 0)]
    assert belt.log.said == []


@pytest.mark.parametrize(("passed", "bypassed", "opened"), [(False, False, 1), (True, False, 0), (False, True, 0), (True, True, 0)])
def test_a_part_that_is_to_be_ejected_is_open_and_no_other(belt, passed, bypassed, opened):
    belt.parts(1, passed=passed, bypassed=bypassed)
    belt.parts(1, passed=True)
    assert belt.board[Cell.REJECT_OPEN] == opened


def test_the_first_that_was_not_ejected_is_named_the_others_are_counted_and_a_stop_is_asked_for(belt):
    belt.board[Cell.STOPPED_BY_RULE] = Stopped.RULE
    belt.parts(4)
    belt.parts(1, passed=True)
    belt.poll(1)
    belt.poll(2)
    assert belt.cells == (True, 1, 0, 2)
    belt.poll(5)
    assert belt.cells == (True, 1, 3, 0)
    assert belt.board[Cell.STOPPED_BY_RULE] == Stopped.RULE | Stopped.UNCONFIRMED, "the other reason stands"
    assert [(event, fields["parts"]) for event, fields in belt.log.said] == [
        ("reject_unconfirmed", [1]),
        ("reject_unconfirmed", [2, 3, 4]),
    ]
    belt.gate.reset()
    assert belt.cells[1:3] == (0, 0)


@pytest.mark.parametrize(("missed", "named", "more"), [(8, 8, None), (9, 8, 1), (20, 8, 12)])
def test_a_line_of_the_log_names_eight_parts_and_says_how_many_more(belt, missed, named, more):
    belt.parts(missed)
    belt.parts(1, passed=True)
    belt.poll(missed + 1)
    ((event, fields),) = belt.log.said
    assert event == "reject_unconfirmed"
    assert (fields["parts"], fields.get("more")) == (list(range(1, named + 1)), more)
    assert belt.cells == (True, 1, missed - 1, 0)


def test_rejects_that_were_past_when_the_connection_came_back_are_told_and_stop_nothing(belt):
    belt.parts(4)
    belt.poll(1, Status.REJECT_CONFIRMED)
    belt.board[Cell.RECONNECTS] += 1
    belt.poll(4, Status.REJECT_CONFIRMED)
    assert belt.cells == (False, 2, 1, 0)
    assert [(event, fields["parts"]) for event, fields in belt.log.said] == [("reject_unseen", [2, 3])]


def test_what_asks_for_a_stop_is_named_before_what_was_only_not_seen(belt):
    belt.parts(3)
    belt.poll(1, Status.REJECT_CONFIRMED)
    belt.board[Cell.RECONNECTS] += 1
    belt.poll(3, Status.REJECT_CONFIRMED)
    assert belt.cells == (False, 2, 0, 0)
    belt.parts(3)
    belt.poll(6)
    assert belt.cells == (True, 4, 1, 6)
    belt.parts(1, passed=True)
    belt.poll(7)
    assert belt.cells == (True, 4, 2, 0), "and what comes after it is counted with it"


def test_what_was_only_not_seen_is_counted_behind_what_asks_for_a_stop(belt):
    belt.parts(2)
    belt.poll(2)
    assert belt.cells == (True, 1, 0, 2)
    belt.parts(2)
    belt.board[Cell.RECONNECTS] += 1
    belt.poll(4, Status.REJECT_CONFIRMED)
    assert belt.cells == (True, 1, 2, 0)


def test_rejects_that_a_bypassed_plc_lets_go_are_named_in_the_log_alone(belt):
    belt.parts(2)
    belt.poll(1, Status.REJECT_CONFIRMED)
    belt.board[Cell.PLC_STATUS] = Status.BYPASS
    belt.poll(2, Status.BYPASS)
    assert belt.cells == (False, 0, 0, 0)
    assert [(event, fields["parts"]) for event, fields in belt.log.said] == [("reject_bypassed", [2])]


def test_rejects_that_the_plc_never_had_are_one_line_with_their_count(belt):
    belt.board[Cell.LINK] = Link.DOWN
    belt.parts(3)
    assert (belt.cells, belt.log.said) == ((False, 0, 0, 0), [])
    belt.board[Cell.LINK] = Link.UP
    belt.poll(200)
    belt.poll(200)
    assert [(event, fields["parts"]) for event, fields in belt.log.said] == [("reject_undelivered", 3)]


@pytest.mark.parametrize(("confirm_parts", "told"), [(1, (False, 5, 0, 0)), (None, (False, 0, 0, 0))])
def test_what_a_plc_process_that_has_ended_had_open_is_told_where_rejects_are_confirmed(board, confirm_parts, told):
    board[Cell.REJECT_OPEN] = 5
    belt = Belt(board, confirm_parts)
    assert belt.cells == told
    assert [(event, fields["parts"]) for event, fields in belt.log.said] == ([("reject_unseen", [5])] if confirm_parts else [])
    assert "more" not in str(belt.log.said)


def test_a_plc_process_that_has_ended_with_nothing_open_leaves_nothing_to_tell(board):
    board[Cell.PARTS] = 77
    belt = Belt(board)
    assert (belt.cells, belt.log.said) == ((False, 0, 0, 0), [])


@pytest.mark.parametrize("poll", [None, PollSection(base=0)])
def test_without_confirm_parts_nothing_is_open_told_or_stopped(board, poll):
    log = Log()
    belt = Belt(board)
    belt.gate = Gate(poll, board, log)
    belt.parts(5)
    belt.poll(5)
    assert (belt.cells, log.said) == ((False, 0, 0, 0), [])


def test_of_one_kind_six_lines_are_written_in_a_minute_and_the_rest_is_counted_in_one(belt):
    for _ in range(10):
        belt.parts(1)
        belt.parts(1, passed=True)
        belt.poll(belt.last)
    assert belt.events == ["reject_unconfirmed"] * 6
    assert belt.cells == (True, 1, 9, 0), "the board counts all"
    belt.now += 60 * SECOND
    belt.poll(belt.last)
    assert belt.log.said[-1] == ("left_out", {"what": "reject_unconfirmed", "lines": 4})


def test_of_rejects_that_were_not_delivered_six_lines_are_written_in_a_minute_too(belt):
    for _ in range(10):
        belt.board[Cell.LINK] = Link.DOWN
        belt.parts(1)
        belt.board[Cell.LINK] = Link.UP
        belt.poll(200)
    assert belt.events == ["reject_undelivered"] * 6


def test_a_plc_process_that_goes_on_counts_parts_from_where_the_last_one_was(board):
    """The PLC takes part 77 to its gate and loses its place then, with a reject in its hands."""
    board[Cell.PARTS] = 77
    belt = Belt(board)
    belt.last = 77
    belt.poll(76)
    belt.poll(77)
    belt.parts(1)
    belt.poll(150)
    assert belt.cells == (True, 78, 0, 0)


def test_a_plc_that_never_says_who_is_at_the_gate_is_found_with_the_parts_that_come(belt):
    belt.parts(120)
    assert belt.cells == (True, 1, 17, 19)
    assert belt.events == ["reject_unconfirmed"] * 6
    belt.now += 60 * SECOND
    belt.parts(1, passed=True)
    assert belt.log.said[-1] == ("left_out", {"what": "reject_unconfirmed", "lines": 12})
