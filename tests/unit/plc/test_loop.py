"""One turn of plc's loop, with a link that is a stand-in."""

import os
from pathlib import Path

import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.messages import Announcement, Judgement, Reason
from aoi_daemon.plc.main import Plc, modbus_link
from aoi_daemon.plc.wire import Tcp
from aoi_daemon.plcmap.coils import Result, view
from aoi_daemon.plcmap.registers import decode_report, offset_of
from aoi_daemon.ring.ports import DOORBELLS, MONOTONIC
from aoi_daemon.stage.board import Cell, StageState
from aoi_daemon.stage.stage import now_ns
from tests.unit.plc.conftest import Link
from tests.unit.plc.pictures import any_of, part_of

SECOND = 1_000_000_000
RECIPE_OFFSET = offset_of("recipe")
RECIPE = Recipe(id=1, name="demo", bundle=Path("b"), width_px=64, height_px=64)


def announce(plc: Plc, ready_ns: int, sequence: int = 1, trigger_id: int = 0) -> None:
    part = Announcement(0, 0, 0, sequence, sequence, 0, ready_ns, ready_ns + SECOND, trigger_id)
    os.write(plc.stage.fds["announcements_w"], part.pack())
    plc._take_in([plc.announcements], line_ready=True)


def test_a_part_that_was_ready_before_inspection_took_the_line_is_nobody_s(plc):
    """It lies in a pipe that the new one has emptied: without this the part would wait for its deadline, and be late."""
    now = now_ns()
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    plc.board[Cell.LIVE_NS] = now
    announce(plc, now - 1, 1)
    announce(plc, now, 2)
    first, second = plc.parts.waiting
    assert first.reason is Reason.NOT_READY
    assert second.reason is None


@pytest.mark.parametrize(
    ("state", "reason"),
    [(StageState.READY, None), (StageState.CHANGEOVER, Reason.NOT_READY), (StageState.LOST, Reason.ENGINE_FAULT)],
)
def test_what_waits_when_nobody_inspects_is_rejected_for_what_it_is(plc, state, reason):
    """A change of engine is no fault."""
    plc.board[Cell.INSPECTION_STATE] = state
    announce(plc, now_ns())
    assert plc.parts.waiting[0].reason is reason


def test_what_was_judged_before_the_engine_left_still_counts(plc):
    now = now_ns()
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    announce(plc, now)
    judgement = Judgement(True, 0, 0, -1, 0, 1, 1, 0, 0, 0, now, now, now, b"")
    os.write(plc.stage.fds["judgements_w"], judgement.pack())
    plc.board[Cell.INSPECTION_STATE] = StageState.CHANGEOVER
    plc._take_in([plc.judgements], line_ready=True)
    assert plc.parts.waiting[0].reason is Reason.NONE


def spare(plc):
    """What is written while no verdict is due."""
    for _ in range(10):
        plc._spare()
        if not plc.busy:
            return
    raise AssertionError("it never ends")


def test_another_product_is_acknowledged_at_once_and_once(plc):
    """And again after what the register held is not known any more."""
    plc._reconnect()
    spare(plc)
    before = len(plc.link.registers)
    plc.board[Cell.RECIPE] = 7
    spare(plc)
    spare(plc)
    assert [values[RECIPE_OFFSET] for _, values in plc.link.registers[before:]] == [7]
    plc._reconnect()
    assert plc.link.registers[-1][1][RECIPE_OFFSET] == 7


def test_a_verdict_that_is_due_goes_before_all_else(plc):
    plc.board[Cell.RECIPE] = 7
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    announce(plc, now_ns() - SECOND)
    plc._spare()
    assert plc.link.registers == plc.link.coils == []


def test_nothing_stays_forced_over_a_reconnect_however_quick(plc):
    plc.forcing.ask(0b110, number=1)
    assert plc.forcing.word == 0b110
    plc._reconnect()
    assert plc.forcing.word is None
    assert plc.board[Cell.FORCED] == -1
    assert plc.said[-1] == {"tell": "unforced", "why": "the connection to the PLC was lost"}


def test_the_stop_rules_go_on_for_the_same_product_by_the_same_rules(plc):
    """A reload of a threshold is no reset; another product begins anew."""
    account = plc.account
    rules, feedback = account.rules, account.feedback
    account.use(RECIPE.model_copy(update={"overlap": 0.4}))
    assert (account.rules, account.feedback) == (rules, feedback)
    account.use(RECIPE.model_copy(update={"id": 2}))
    assert account.rules is not rules and account.feedback is not feedback


def test_ready_is_stamped_when_the_plc_verifies_it_and_not_again(plc):
    plc._write(0)
    plc._write(1 << 3)
    stamped = plc.board[Cell.READY_NS]
    assert stamped
    plc._write(1 << 3 | 1 << 4)
    assert plc.board[Cell.READY_NS] == stamped


def test_a_part_is_told_by_the_recipe_that_judged_it(plc):
    """Though another is in use by now; one that was not judged, by the one in use."""
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    plc.board[Cell.RECIPE] = 7
    announce(plc, now_ns())
    part = plc.parts.waiting[0]
    assert plc.account.outcome(part, Reason.LATE, 0).recipe == 7
    part.judged[any_of(0)] = Judgement(True, 0, 0, -1, 0, 1, 1, 0, 0, 0, 0, 0, 0, b"")
    assert plc.account.outcome(part, Reason.NONE, 0).recipe == 1
    assert plc._send(part, Reason.NONE, line_ready=True)
    assert plc.link.registers[-1][1][RECIPE_OFFSET] == 1
    plc.parts.waiting.clear()
    spare(plc)
    assert plc.link.registers[-1][1][RECIPE_OFFSET] == 7, "the register does not stay at what is past"


@pytest.mark.parametrize("trigger_id", [0, 9, 70_000])
def test_record_and_register_have_the_plcs_number_of_the_trigger_or_0(plc, trigger_id):
    """Never the part's own number in its place: the PLC would take it for one of its triggers."""
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    announce(plc, now_ns(), trigger_id=trigger_id)
    part = plc.parts.waiting[0]
    assert part.number == 1
    assert plc.account.outcome(part, Reason.LATE, 0).trigger_id == trigger_id
    assert plc._send(part, Reason.LATE, line_ready=True)
    assert decode_report(plc.link.registers[-1][1]).trigger_id == trigger_id


def test_a_successor_counts_on_after_the_part_that_was_on_the_wire(plc):
    """A writer that was killed between sending and recording leaves a prepared record."""
    announce(plc, now_ns())
    part = plc.parts.take(now_ns() + SECOND)
    plc.account.outcomes.prepare(plc.account.outcome(part, Reason.DEFECT, now_ns()))
    successor = Plc(plc.stage, Link(), MONOTONIC, DOORBELLS)
    assert (plc.board[Cell.PARTS], plc.board[Cell.REJECTED]) == (part.number, 1)
    announce(successor, now_ns(), sequence=2)
    assert successor.parts.take(now_ns() + SECOND).number == part.number + 1


def test_what_the_plc_refuses_is_told_to_the_supervisor(plc):
    modbus_link(plc.stage, MONOTONIC, Tcp)._refuses("FC16: exception 2")
    assert plc.said == [{"tell": "plc_refused", "detail": "FC16: exception 2"}]


def test_the_link_stays_awake_for_an_answer_as_long_as_the_loop_does_for_a_judgement(plc):
    realtime = plc.stage.config.realtime.model_copy(update={"spin_us": 300})
    plc.stage.config = plc.stage.config.model_copy(update={"realtime": realtime})
    link = modbus_link(plc.stage, MONOTONIC, Tcp)
    assert Plc(plc.stage, link, MONOTONIC, DOORBELLS).spin_ns == 300_000
    assert link._client._wire._spin_ns == 300_000


def test_a_plc_that_is_not_read_any_more_is_not_bypassed_frozen_or_behind(plc):
    """What a process before this one read, before poll was taken out of line.toml."""
    cells = (Cell.PLC_STATUS, Cell.ACK_BEHIND, Cell.PLC_MOVES_BY_NS)
    for cell in cells:
        plc.board[cell] = 16
    Plc(plc.stage, plc.link, MONOTONIC, DOORBELLS)
    assert [plc.board[cell] for cell in cells] == [0, 0, 0]


JUDGED = Judgement(True, 0, 0, -1, 0, 1, 1, 0, 0, 0, 1, 1, 1, b"")


def waits(plc, spin_us, due_ms=1000):
    """The time-outs of `select` in one wait of the loop, s; nothing comes."""
    plc.spin_ns = spin_us * 1000
    plc.face.beat_ns = now_ns() + due_ms * 1_000_000
    found = []

    plc.wait.does = lambda fds, timeout_s: found.append(timeout_s) or []
    assert plc._wait([plc.judgements]) == []
    return found


def test_while_a_part_is_judged_plc_stays_awake_and_then_sleeps(plc):
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    announce(plc, now_ns())
    *awake, asleep = waits(plc, spin_us=500)
    assert set(awake) == {0}
    assert asleep > 0


def test_the_time_awake_is_no_part_of_the_sleep_after_it(plc):
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    announce(plc, now_ns())
    *_, asleep = waits(plc, spin_us=20_000, due_ms=40)
    assert asleep <= 0.021


def test_without_a_part_or_without_a_spin_plc_sleeps_at_once(plc):
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    assert len(waits(plc, spin_us=500)) == 1
    announce(plc, now_ns())
    assert len(waits(plc, spin_us=0)) == 1


def test_a_judgement_that_comes_while_plc_is_awake_is_seen_at_once(plc):
    plc.spin_ns = 10 * SECOND
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    announce(plc, now_ns())
    os.write(plc.stage.fds["judgements_w"], JUDGED.pack())
    assert plc._wait([plc.announcements, plc.judgements]) == [plc.judgements]


def test_what_is_due_ends_the_spin(plc):
    """The heartbeat does not wait for it."""
    plc.board[Cell.INSPECTION_STATE] = StageState.READY
    announce(plc, now_ns())
    plc.spin_ns = 60 * SECOND
    plc.face.beat_ns = now_ns() + 2_000_000
    assert plc._wait([plc.judgements]) == []
    assert now_ns() >= plc.face.beat_ns


@pytest.mark.parametrize("reason", [Reason.NONE, Reason.DEFECT, Reason.LATE])
@pytest.mark.parametrize("link_up", [True, False])
def test_a_verdict_whose_time_is_over_is_on_no_later_write_either(plc, monkeypatch, reason, link_up):
    """The process stood still between the judgement and the write: a heartbeat must not carry its PASS to the next part."""
    monkeypatch.setattr(plc, "_line_ready", lambda: True)
    now = now_ns()
    late = now - 1 if link_up else now + SECOND
    view_ = Announcement(0, 0, 0, 7, 7, now - SECOND, now - SECOND, late)
    plc.link.up = link_up
    plc._deliver(part_of(7, view_, late, reason=reason), line_ready=True)
    plc.link.up = True
    spare(plc)
    assert plc.link.coils, "the PLC hears where the sequence stands"
    assert {(view(word).result, view(word).sequence) for word in plc.link.coils} == {(Result.NONE, 7)}
    assert plc.board[Cell.UNDELIVERED] == 1


def test_after_a_part_without_a_verdict_the_next_one_has_its_own(plc, monkeypatch):
    monkeypatch.setattr(plc, "_line_ready", lambda: True)
    now = now_ns()
    for number, deadline_ns in ((7, now - 1), (8, now + SECOND)):
        view_ = Announcement(0, 0, 0, number, number, now - SECOND, now - SECOND, deadline_ns)
        plc._deliver(part_of(number, view_, deadline_ns, reason=Reason.NONE), line_ready=True)
    last = view(plc.link.coils[-1])
    assert (last.result, last.sequence, last.result_toggle) == (Result.PASS, 8, True)
