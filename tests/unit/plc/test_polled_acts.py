"""What plc does by the polled words: plc/polling.py, plc/gate.py, plc/account.py and plc/readiness.py together."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from aoi_daemon.config.recipe import Recipe, StopRules
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.messages import Announcement, Reason
from aoi_daemon.plc.account import Account
from aoi_daemon.plc.polling import Polling, forget
from aoi_daemon.plc.readiness import Readiness
from aoi_daemon.plc.report import flags_of
from aoi_daemon.plcmap.registers import Flag, Poll, Status, encode_poll
from aoi_daemon.ring import verdicts
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.ports import MONOTONIC
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, Cell, Link, StageState, Stopped, camera_cell
from aoi_daemon.stage.lifecycle import Line
from tests.unit.plc.pictures import part_of

MS = 1_000_000
NOTHING = Status(0)
NOW = 1_000_000 * MS
RULES = StopRules(window=10, reject_percent=25, same_place=0)
RECIPE = Recipe(id=1, name="demo", bundle=Path("b"), width_px=64, height_px=64, stop=RULES)


class Log:
    def __init__(self) -> None:
        self.said: list[tuple[str, dict]] = []

    def error(self, event, **fields):
        self.said.append((event, fields))

    info = warning = error


class Side:
    """The plc stage's polled side; `poll` is what the PLC says from now on."""

    def __init__(self, owned: ExitStack, memory: dict[str, SharedMemory], **poll) -> None:
        for name, size in (("board", SIZE_BYTES), ("verdicts", verdicts.SIZE_BYTES)):
            if name not in memory:
                memory[name] = owned.enter_context(SharedMemory.create(name, size))
        self.board = board = Board(memory["board"])
        owned.callback(board._cells.release)
        fds = dict(zip(("triggers0_r", "triggers0_w"), os.pipe2(os.O_NONBLOCK), strict=True))
        for fd in fds.values():
            owned.callback(os.close, fd)
        config = LineConfig.model_validate(
            {"cameras": [{"kind": "replay", "source": "."}], "plc": {"poll": {"base": 0, **poll}}}
        )
        self.told: list[dict] = []
        self.log = Log()
        stage = SimpleNamespace(
            board=board, config=config, setup=SimpleNamespace(recipe=RECIPE), fds=fds, log=self.log,
            memory=lambda name, _: memory[name], tell=lambda **message: self.told.append(message),
        )  # fmt: skip
        board[Cell.LINE_STATE], board[Cell.LINK] = Line.RUNNING, Link.UP
        board[Cell.GOLDEN_PASSED] = board[Cell.PROVEN] = board[camera_cell(0, CameraCell.PRESENT)] = 1
        board[Cell.INSPECTION_STATE] = board[camera_cell(0, CameraCell.STATE)] = StageState.READY
        board[Cell.INSPECTION_NS] = board[camera_cell(0, CameraCell.PROGRESS_NS)] = 2**62
        self.account = Account(stage)
        self.words = Poll()
        self.polling = Polling(config.plc.poll, stage, self, self.account.gate, MONOTONIC)
        self.readiness = Readiness(board, 1, 500 * MS)
        self.readiness.views = board[Cell.VIEWS] = self.account.expected.code
        self.now = NOW
        self.number = board[Cell.PARTS]

    def read_registers(self, base, count):
        return encode_poll(self.words)

    def poll(self, status=NOTHING, times=1, **words):
        for _ in range(times):
            self.now += 20 * MS
            self.words = Poll(status, **words)
            self.polling.look(self.now, self.number)

    def part(self, reason=Reason.NONE):
        self.number += 1
        view = Announcement(0, 0, 0, self.number, self.number, self.now, self.now, self.now + 50 * MS)
        part = part_of(self.number, view, view.deadline_ns)
        outcome = self.account.outcome(part, reason, self.now)
        self.account.enter(part, outcome._replace(answered_ns=self.now + 1))
        return outcome


@pytest.fixture
def side():
    """`side(watch_ms=...)`; called again, it is the process that comes after."""
    with ExitStack() as owned:
        memory: dict[str, SharedMemory] = {}
        yield lambda **poll: Side(owned, memory, **poll)


def test_a_plc_that_answers_and_does_not_move_is_not_ready_until_it_moves(side):
    line = side(watch_ms=200.0)
    line.poll(Status.HEARTBEAT, times=10)
    assert line.readiness.line(line.now)
    line.poll(Status.HEARTBEAT)
    assert not line.readiness.line(line.now)
    line.poll()
    assert line.readiness.line(line.now)


def test_no_poll_at_all_is_no_heartbeat_either(side):
    """Polls that never find their turn beside the verdicts prove nothing."""
    line = side(watch_ms=200.0)
    line.poll()
    assert line.readiness.line(line.now + 199 * MS)
    assert not line.readiness.line(line.now + 200 * MS)


def test_without_watch_ms_a_heartbeat_may_stand(side):
    line = side()
    line.poll(times=100)
    assert line.readiness.line(line.now)


def test_a_reject_that_is_not_confirmed_takes_run_permit_and_a_person_gives_it_back(side):
    line = side(confirm_parts=1)
    line.poll(acted_on=99)
    line.part(Reason.DEFECT)
    line.part()
    line.poll(acted_on=1)
    assert line.board[Cell.REJECT_OPEN] == 1
    assert Flag.RUN_PERMIT in flags_of(line.board, ready=True, overrun=False, stopping=False)
    line.poll(acted_on=2, status=Status.REJECT_CONFIRMED)
    assert line.board[Cell.STOPPED_BY_RULE] == Stopped.UNCONFIRMED
    assert (line.board[Cell.UNCONFIRMED], line.board[Cell.REJECT_OPEN]) == (1, 0)
    assert Flag.RUN_PERMIT not in flags_of(line.board, ready=True, overrun=False, stopping=False)
    assert [event for event, _ in line.log.said] == ["reject_unconfirmed"]
    line.account.reset()
    assert line.board[Cell.STOPPED_BY_RULE] == line.board[Cell.UNCONFIRMED] == 0


def test_a_reject_that_is_confirmed_changes_nothing(side):
    line = side(confirm_parts=1)
    line.poll(acted_on=99)
    for number in range(1, 300):
        line.part(Reason.DEFECT if number % 5 == 0 else Reason.NONE)
        line.poll(Status.REJECT_CONFIRMED if number % 5 == 0 else NOTHING, acted_on=number)
    assert line.board[Cell.STOPPED_BY_RULE] == 0 and line.log.said == []


def test_rejects_that_a_killed_plc_was_waiting_for_are_told(side):
    """Its successor cannot know what the PLC ejected meanwhile: a person is told, the line goes on."""
    before = side(confirm_parts=5)
    before.poll(acted_on=99)
    before.part(Reason.DEFECT)
    after = side(confirm_parts=5)
    assert (after.board[Cell.UNCONFIRMED], after.board[Cell.STOPPED_BY_RULE], after.board[Cell.REJECT_OPEN]) == (1, 0, 0)


def test_a_reject_that_a_killed_plc_had_on_the_wire_is_still_to_be_confirmed(side):
    """Its record was prepared; whether the PLC took the verdict, nobody knows."""
    before = side(confirm_parts=5)
    before.part()
    view = Announcement(0, 0, 0, 2, 2, before.now, before.now, before.now + 50 * MS)
    on_the_wire = part_of(2, view, view.deadline_ns)
    before.account.outcomes.prepare(before.account.outcome(on_the_wire, Reason.DEFECT, before.now))
    after = side(confirm_parts=5)
    assert (after.board[Cell.PARTS], after.board[Cell.REJECT_OPEN]) == (2, 2)


def test_while_the_plc_is_bypassed_parts_say_so_and_count_for_no_stop_rule(side):
    line = side(confirm_parts=1)
    line.poll(acted_on=99)
    line.poll(Status.BYPASS, acted_on=99)
    assert all(line.part(Reason.DEFECT).bypassed for _ in range(10))
    for number in range(1, 11):
        line.poll(Status.BYPASS, acted_on=number)
    assert line.board[Cell.STOPPED_BY_RULE] == 0
    assert line.board[Cell.REJECTED] == 10
    line.poll(acted_on=10)
    for _ in range(3):
        assert not line.part(Reason.DEFECT).bypassed
    assert line.board[Cell.STOPPED_BY_RULE] == Stopped.RULE, "and only what came after it"


def test_a_part_that_was_judged_while_bypassed_need_not_be_ejected_after_it(side):
    """The PLC may let go by the verdict or at the gate: the record of the part says bypassed either way."""
    line = side(confirm_parts=1)
    line.poll(Status.BYPASS, acted_on=99)
    line.part(Reason.DEFECT)
    line.part()
    for number in (1, 2, 2):
        line.poll(acted_on=number)
    assert line.board[Cell.STOPPED_BY_RULE] == line.board[Cell.UNCONFIRMED] == 0


def test_a_bypass_that_was_read_before_the_connection_was_lost_is_not_believed(side):
    line = side()
    line.poll(Status.BYPASS)
    line.board[Cell.LINK] = Link.DOWN
    assert not line.part(Reason.DEFECT).bypassed


def test_a_product_or_a_reset_counts_when_it_was_read_twice(side):
    line = side()
    line.poll(recipe_request=3, times=2)
    line.poll(recipe_request=9, status=Status.ALARM_RESET)
    assert (line.board[Cell.ASKED_RECIPE], line.told) == (3, [])
    line.poll(recipe_request=9, status=Status.ALARM_RESET)
    assert (line.board[Cell.ASKED_RECIPE], line.told) == (9, [{"tell": "alarm_reset"}])
    line.poll(recipe_request=9, status=Status.ALARM_RESET, times=5)
    assert len(line.told) == 1


def test_how_far_the_plc_is_behind_is_counted_by_what_its_program_took(side):
    """Not by the part at the gate, which is as far behind as the gate is away."""
    line = side()
    for _ in range(30):
        line.part()
    line.poll(result_ack=29, acted_on=5)
    assert line.board[Cell.ACK_BEHIND] == 1


def test_what_a_plc_said_that_is_not_read_any_more_is_forgotten(side):
    line = side(watch_ms=200.0)
    line.poll(Status.BYPASS, times=2, recipe_request=4)
    forget(line.board)
    assert not line.part().bypassed
    assert line.readiness.line(2**60)
    assert (line.board[Cell.LINE_RUNNING], line.board[Cell.ASKED_RECIPE]) == (-1, -1)
