"""The registers that go with a verdict, and the flags: plc/report.py."""

import itertools

import pytest

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.decide.rules import ProcessFeedback
from aoi_daemon.messages import Announcement, Judgement, Reason
from aoi_daemon.plc.report import flags_of, registers_of
from aoi_daemon.plcmap.coils import Result
from aoi_daemon.plcmap.registers import MAP_VERSION, Flag, Report, decode_report
from aoi_daemon.stage.board import Cell, Stopped
from tests.unit.plc.pictures import part_of

MS = 1_000_000
NOW = 1_000 * MS


@pytest.fixture
def board(plc):
    plc.board[Cell.HEARTBEATS], plc.board[Cell.RECIPE] = 17, 7
    return plc.board


def feedback() -> ProcessFeedback:
    """Of 4 parts one was rejected, for class 6."""
    found = ProcessFeedback(10, 8)
    for passed in (True, True, False, True):
        found.add(passed=passed, worst_class=-1 if passed else 6)
    return found


def said(board, judgement, trigger_ns=NOW - 21 * MS) -> Report:
    view = Announcement(0, 0, 0, 30, 30, trigger_ns, NOW - 12 * MS, NOW + 9 * MS, 70_000)
    part = part_of(30, view, NOW + 9 * MS, judgement, Reason.DEFECT, trigger_id=70_000)
    flags = Flag.READY | Flag.ALARM
    return decode_report(registers_of(part, Result.REJECT, Reason.DEFECT, board, flags=flags, feedback=feedback(), now_ns=NOW))


def test_each_register_of_a_verdict_says_what_its_name_says(board):
    judgement = Judgement(False, Reason.DEFECT, 0, 0, 5, 3, 30, 9, -4, 11, 1, 2, 3, b"")
    names = judgement._asdict()
    assert said(board, judgement) == Report(
        MAP_VERSION, 17, 70_000, Result.REJECT, defect_class=names["worst_class"], defect_count=names["defect_count"],
        latency=210, recipe=names["recipe"], error_code=Reason.DEFECT, flags=Flag.READY | Flag.ALARM,
        offset_x=names["offset_x"], offset_y=names["offset_y"], reject_rate=250, frequent_class=6, sequence=30,
    )  # fmt: skip
    assert len({names[name] for name in ("worst_class", "defect_count", "recipe", "offset_x", "offset_y")}) == 5


def test_of_a_part_that_was_not_judged_the_registers_say_no_defect_and_the_recipe_in_use(board):
    found = said(board, None)
    assert (found.defect_class, found.defect_count, found.recipe, found.error_code) == (-1, 0, 7, Reason.DEFECT)


def test_the_latency_of_a_part_whose_trigger_has_no_time_is_from_its_picture_on(board):
    assert said(board, None, trigger_ns=0).latency == 120


@pytest.mark.parametrize(("took_ns", "latency"), [(99_999, 0), (100_000, 1), (21_099_999, 210), (21_100_000, 211)])
def test_the_latency_counts_tenths_of_a_millisecond_that_are_over(board, took_ns, latency):
    assert said(board, None, trigger_ns=NOW - took_ns).latency == latency


@pytest.mark.parametrize(("ready", "alarm", "stopped", "overrun", "stopping"), list(itertools.product([False, True], repeat=5)))
def test_flags_say_what_the_coils_say(board, ready, alarm, stopped, overrun, stopping):
    board[Cell.ALARMS] = alarm << Alarm.PLC_LINK
    board[Cell.STOPPED_BY_RULE] = Stopped.RULE if stopped else 0
    found = flags_of(board, ready=ready, overrun=overrun, stopping=stopping)
    assert (Flag.READY in found, Flag.ALARM in found, Flag.OVERRUN in found) == (ready, alarm, overrun)
    assert (Flag.RUN_PERMIT in found) == (not stopped and not stopping)
