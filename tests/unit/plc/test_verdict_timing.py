"""When a verdict is given, and when none is: with a PLC that takes its time, in scripted time."""

import random

import pytest

from aoi_daemon.messages import Announcement, Judgement, Reason
from aoi_daemon.plcmap.coils import Coil, Result, view
from aoi_daemon.plcmap.registers import Flag, decode_report
from aoi_daemon.stage.board import Cell, reason_cell
from tests.unit.plc.pictures import part_of

MS = 1_000_000
ANSWER = 5 * MS  # the default
DEADLINE = TAKT = 50 * MS


def part(number, now, reason=Reason.NONE, left_ns=DEADLINE):
    seen = Announcement(0, 0, 0, number, number, now, now, now + left_ns)
    return part_of(number, seen, now + left_ns, reason=reason)


def said(kind, what):
    """Verdict and sequence that a request carries."""
    if kind == "coils":
        return view(what).result, view(what).sequence
    return Result(decode_report(what).verdict), decode_report(what).sequence


@pytest.mark.parametrize("seed", range(100))
def test_no_request_with_a_pass_begins_with_less_than_an_answer_left_and_none_is_out_after_the_deadline(plc, clock, seed):
    """A PLC of 0 to 60 ms; parts that are judged at any time; polls, heartbeats and alarms between them."""
    chance = random.Random(seed)
    slow = chance.choice([0.0, 0.1, 0.5, 1.0])
    plc.link.answer_ns = lambda: int((chance.uniform(0, 60) if chance.random() < slow else chance.uniform(0, 5)) * MS)
    plc._reconnect()
    deadlines = {}
    for number in range(1, 40):
        triggered = clock.now = max(clock.now, number * TAKT + 1_000_000 * MS)
        deadlines[number] = triggered + DEADLINE
        seen = Announcement(0, 0, 0, number, number, triggered, triggered, deadlines[number])
        plc.parts.announce(seen, ready=plc.link.up)
        judged = triggered + chance.choice([5, 20, 35, 39.9, 40, 45, 49, 60]) * MS
        while plc.parts.waiting:
            if clock.now >= judged:
                good = chance.random() < 0.7
                plc.parts.judge(Judgement(good, Reason.NONE if good else Reason.DEFECT, 0, 0, 0, 1, number, 0, 0, 0, 1, 2, 3, b""))
            while (found := plc.parts.take(clock.now)) is not None:
                plc._deliver(found, plc.link.up)
            if not plc.link.up:
                clock.now += chance.choice([0, 20]) * MS
                plc._reconnect()
            if chance.random() < 0.1:
                plc.board[Cell.ALARMS] ^= 2
            plc._spare()
            clock.now += chance.choice([1, 3]) * MS
    begins = {}
    for kind, begun, ended, what in plc.link.log:
        verdict, number = said(kind, what)
        if verdict is Result.PASS and (kind, number) not in begins:  # later ones repeat what stands
            begins[kind, number] = begun
            assert deadlines[number] - begun >= ANSWER, (kind, number)
            assert ended <= deadlines[number], (kind, number)
    assert begins or slow >= 0.5


def test_registers_that_took_too_long_leave_no_time_for_the_coils_nothing_is_out_and_both_say_nothing_before_the_next_part(plc, clock):
    answers = iter([16 * MS, 1 * MS, 1 * MS, 1 * MS, 1 * MS])
    plc._reconnect()
    plc.link.answer_ns = lambda: next(answers)
    plc._deliver(part(1, clock.now, left_ns=20 * MS), line_ready=True)
    assert [kind for kind, *_ in plc.link.log] == ["registers"], "the coils were not begun"
    assert decode_report(plc.link.log[0][3]).verdict == Result.PASS
    assert plc.link.up, "nothing was out: no reset"
    assert (plc.board[Cell.UNDELIVERED], plc.board[Cell.DEADLINE_MISSES]) == (1, 1)
    plc._deliver(part(2, clock.now, Reason.DEFECT), line_ready=True)
    words = [(kind, *said(kind, what)) for kind, _, _, what in plc.link.log[1:]]
    assert words == [("coils", 0, 1), ("registers", 0, 1), ("registers", 2, 2), ("coils", 2, 2)]


@pytest.mark.parametrize("reason", [Reason.NONE, Reason.DEFECT, Reason.LATE])
@pytest.mark.parametrize(("left_ms", "given"), [(10, True), (9.9, False), (0, False), (-1, False)])
def test_a_verdict_that_does_not_fit_is_not_begun_and_00_moves_the_sequence(plc, clock, reason, left_ms, given):
    """Two requests of 5 ms."""
    plc._reconnect()
    plc._deliver(part(1, clock.now, reason, left_ns=int(left_ms * MS)), line_ready=True)
    plc._spare()
    results = [view(word).result for word in plc.link.coils[1:]]
    assert (results[0] != Result.NONE) is given
    assert {view(word).sequence for word in plc.link.coils[1:]} == {1}
    assert plc.board[Cell.UNDELIVERED] == (not given)


def test_what_is_out_at_the_deadline_is_reset_a_reject_too(plc, clock):
    """A REJECT that is worked off in the next part's window would put the PLC out of step."""
    for reason in (Reason.NONE, Reason.DEFECT):
        plc._reconnect()
        plc.link.answer_ns = 1_000 * MS
        begun = clock.now
        plc._deliver(part(1, clock.now, reason, left_ns=15 * MS), line_ready=True)
        assert not plc.link.up
        assert clock.now - begun == 15 * MS


@pytest.mark.parametrize(("before_cutoff_ms", "begins"), [(5, True), (4.9, False), (0, False)])
def test_nothing_else_begins_within_an_answer_of_a_cutoff(plc, clock, before_cutoff_ms, begins):
    plc._reconnect()
    plc.link.log.clear()
    cutoff = clock.now + int(before_cutoff_ms * MS)
    seen = Announcement(0, 0, 0, 1, 1, clock.now, clock.now, cutoff + 15 * MS)
    plc.parts.announce(seen, ready=True)
    assert plc.parts.cutoff_ns() == cutoff
    plc.board[Cell.ALARMS] = 2
    plc._spare()
    assert bool(plc.link.log) is begins


def settled(plc):
    for _ in range(10):
        plc._spare()
        if not plc.busy:
            break
    return decode_report(plc.link.registers[-1][1])


def test_the_registers_alone_are_safe(plc, clock):
    """Flags, verdict and heartbeat follow every change at once, as the coils do."""
    plc._reconnect()
    assert settled(plc).flags == Flag.READY | Flag.RUN_PERMIT
    plc._deliver(part(1, clock.now), line_ready=True)
    now = settled(plc)
    assert (now.verdict, now.sequence) == (Result.PASS, 1)

    beats = set()
    for _ in range(4):  # on its own, no part comes
        clock.now += 100 * MS
        beats.add(settled(plc).heartbeat)
    assert len(beats) == 4

    plc.ready = False  # the camera is lost
    now = settled(plc)
    assert (now.verdict, now.flags) == (0, Flag.RUN_PERMIT)
    plc.ready = True
    now = settled(plc)
    assert (now.verdict, now.flags) == (0, Flag.READY | Flag.RUN_PERMIT), "a PASS of before is not shown again"
    assert view(plc.link.coils[-1]).result == Result.NONE

    plc.board[Cell.STOPPED_BY_RULE] = 1
    assert settled(plc).flags == Flag.READY
    plc.board[Cell.STOPPED_BY_RULE] = 0

    plc._deliver(part(2, clock.now), line_ready=True)
    plc._reconnect()
    assert decode_report(plc.link.registers[-1][1])[:5] == (2, now.heartbeat, 0, 0, -1)
    assert decode_report(plc.link.registers[-1][1]).flags == 0

    plc.stage.stopping = True
    plc.ready = False
    assert settled(plc).flags == 0


def test_result_toggle_moves_with_verdicts_alone_over_reconnects_and_restarts(plc, clock):
    def toggle():
        return view(plc.link.coils[-1]).result_toggle

    plc._reconnect()
    assert toggle() is False
    plc._deliver(part(1, clock.now), line_ready=True)
    assert toggle() is True
    for _ in range(2):
        clock.now += 100 * MS
        settled(plc)
        plc._reconnect()
        assert toggle() is True
    plc._deliver(part(2, clock.now, left_ns=1), line_ready=True)  # none is given
    settled(plc)
    assert toggle() is True
    successor = type(plc)(plc.stage, plc.link, clock, plc.wait)
    successor._reconnect()
    assert toggle() is True
    plc._deliver(part(3, clock.now, Reason.DEFECT), line_ready=True)
    assert toggle() is False


def kinds(plc):
    return [kind for kind, *_ in plc.link.log]


@pytest.mark.parametrize(("registers_ms", "coils_ms", "asked", "ended_ms"), [(1, 1_000, ["registers", "coils"], 18), (1_000, 0, ["registers"], 18)])
def test_each_request_of_a_verdict_is_out_until_the_deadline_at_most_and_the_next_is_not_begun(plc, clock, registers_ms, coils_ms, asked, ended_ms):
    plc._reconnect()
    begun = clock.now
    answers = iter([registers_ms * MS, coils_ms * MS])
    plc.link.answer_ns = lambda: next(answers)
    plc._deliver(part(1, clock.now, left_ns=18 * MS), line_ready=True)
    assert (kinds(plc), clock.now - begun, plc.link.up) == (asked, ended_ms * MS, False)


def test_registers_that_time_out_long_before_the_deadline_end_the_verdict_too(plc, clock):
    """The connection is gone: the coils could not be written, and the attempt would count as another fault."""
    plc._reconnect()
    plc.link.answer_ns = 1_000 * MS
    plc._deliver(part(1, clock.now), line_ready=True)
    assert kinds(plc) == ["registers"]
    assert plc.board[Cell.UNDELIVERED] == 1


@pytest.mark.parametrize(("took_ms", "begun"), [(15, True), (15.1, False)])
def test_the_coils_are_begun_with_an_answer_left_and_not_with_less(plc, clock, took_ms, begun):
    plc._reconnect()
    answers = iter([int(took_ms * MS), 1])
    plc.link.answer_ns = lambda: next(answers)
    plc._deliver(part(1, clock.now, left_ns=20 * MS), line_ready=True)
    assert (kinds(plc) == ["registers", "coils"]) is begun


@pytest.mark.parametrize("link_up", [True, False])
@pytest.mark.parametrize("reason", [Reason.NONE, Reason.DEFECT, Reason.OVERRUN])
def test_a_part_whose_verdict_was_not_given_is_recorded_as_rejected_for_what_it_was(plc, clock, reason, link_up):
    plc._reconnect()
    plc.link.up = link_up
    plc._deliver(part(1, clock.now, reason, left_ns=(9 if link_up else 50) * MS), line_ready=True)
    expected = reason or (Reason.LATE if link_up else Reason.NOT_READY)
    board = plc.board
    assert (board[Cell.PASSED], board[Cell.REJECTED], board[Cell.UNDELIVERED], board[reason_cell(expected)]) == (0, 1, 1, 1)


@pytest.mark.parametrize(("reason", "found"), [(Reason.NONE, Reason.NOT_READY), (Reason.DEFECT, Reason.DEFECT), (None, Reason.LATE)])
def test_a_part_of_a_line_that_is_not_ready_is_a_reject_that_says_why_and_it_stands(plc, clock, reason, found):
    plc._reconnect()
    plc.ready = False
    plc._deliver(part(1, clock.now, reason), line_ready=False)
    assert plc.board[reason_cell(found)] == 1
    now = settled(plc)
    assert (now.verdict, now.sequence, view(plc.link.coils[-1]).result) == (Result.REJECT, 1, Result.REJECT)


def test_a_part_that_nobody_decided_is_late(plc, clock):
    plc._reconnect()
    plc._deliver(part(1, clock.now, None), line_ready=True)
    assert view(plc.link.coils[-1]).result is Result.REJECT
    assert plc.board[reason_cell(Reason.LATE)] == 1


def test_the_record_is_prepared_before_the_first_byte_of_the_verdict(plc, clock, monkeypatch):
    """Else a plc that is killed between them would leave a part that the PLC has a verdict of and no record has."""
    plc._reconnect()
    prepare = plc.account.outcomes.prepare
    monkeypatch.setattr(plc.account.outcomes, "prepare", lambda outcome: (plc.link.log.append(("record",)), prepare(outcome)))
    plc._deliver(part(1, clock.now), line_ready=True)
    assert kinds(plc) == ["record", "registers", "coils"]


def test_a_verdict_carries_the_heartbeat_that_is_due(plc, clock):
    """Where parts come so fast that nothing else finds its turn, the heartbeat does."""
    plc._reconnect()
    plc._deliver(part(1, clock.now), line_ready=True)
    assert view(plc.link.coils[-1]).heartbeat
    assert decode_report(plc.link.registers[-1][1]).heartbeat == 1


def test_between_verdicts_the_registers_still_say_all_of_the_last_one_and_nothing_once_a_part_has_none(plc, clock):
    plc._reconnect()
    first = part(1, clock.now)
    first.trigger_id = 700
    clock.now += 20 * MS
    plc._deliver(first, line_ready=True)
    clock.now += 100 * MS
    now = settled(plc)
    assert (now.heartbeat, now.verdict, now.trigger_id, now.latency, now.sequence) == (2, Result.PASS, 700, 200, 1)
    plc._deliver(part(2, clock.now, left_ns=1), line_ready=True)
    now = settled(plc)
    assert (now.verdict, now.trigger_id, now.latency, now.sequence) == (Result.NONE, 0, 0, 2)


# -- a part without a verdict ----------------------------------------------------


def owing(plc, clock):
    """Part 1 has left without a verdict; the PLC does not know yet."""
    plc._reconnect()
    plc._deliver(part(1, clock.now, left_ns=1), line_ready=True)
    plc.link.log.clear()


def test_the_plc_hears_that_a_part_has_none_though_the_next_one_must_soon_be_judged(plc, clock):
    owing(plc, clock)
    seen = Announcement(0, 0, 0, 2, 2, clock.now, clock.now, clock.now + 16 * MS)
    plc.parts.announce(seen, ready=True)
    plc._spare()
    assert [(kind, *said(kind, what)) for kind, _, _, what in plc.link.log] == [("coils", 0, 1), ("registers", 0, 1)]
    plc._spare()
    assert len(plc.link.log) == 2, "once"


def test_a_plc_that_does_not_take_that_is_not_asked_for_more(plc, clock):
    owing(plc, clock)
    plc.link.answer_ns = 1_000 * MS
    plc._spare()
    assert kinds(plc) == ["coils"]


def test_without_a_link_it_is_not_said_and_a_new_connection_says_it_by_itself(plc, clock):
    owing(plc, clock)
    plc.link.up = False
    plc._settle()
    assert plc.link.log == [] and plc.owes_nothing
    plc._reconnect()
    assert view(plc.link.coils[-1]).sequence == 1
    plc._settle()
    assert plc.link.log == []


# -- a new connection ------------------------------------------------------------


def test_a_new_connection_begins_with_00_the_sequence_and_the_toggle_alone(plc, clock):
    plc._reconnect()
    plc._deliver(part(9, clock.now), line_ready=True)
    plc._reconnect()
    assert plc.link.coils[-1] == 1 << Coil.RESULT_TOGGLE | 9 << Coil.SEQ


def test_what_the_plc_had_before_a_new_connection_it_is_told_again(plc, clock, monkeypatch):
    """Also where nothing has changed on the line: it stands, and the heartbeat with it."""
    monkeypatch.setattr(plc.readiness, "all_move", lambda now_ns: False)
    plc.ready = False
    plc._reconnect()
    for _ in range(2):
        assert settled(plc).flags == Flag.RUN_PERMIT
        assert view(plc.link.coils[-1]).run_permit
        plc._reconnect()
        assert plc.link.coils[-1] == 0


def test_a_new_connection_has_a_heartbeat_at_once(plc, clock):
    plc.face.beat_ns = clock.now + 80 * MS
    plc._reconnect()
    settled(plc)
    assert view(plc.link.coils[-1]).heartbeat


def test_a_connection_that_is_lost_while_coils_are_forced_is_asked_for_nothing_more(plc, clock):
    plc.forcing.announced_ns = clock.now - 3_000 * MS
    plc.forcing.ask(0b100, number=1)
    plc.link.up = False
    plc._reconnect()
    assert plc.link.log == []


def test_a_plc_process_goes_on_with_the_sequence_of_the_one_before(plc):
    plc.board[Cell.PARTS] = 7
    assert view(type(plc)(plc.stage, plc.link, plc.clock, plc.wait).face.safe_word()).sequence == 7


# -- the loop's turn -------------------------------------------------------------


@pytest.mark.parametrize("why", ["no link", "a part must soon be judged"])
def test_the_loop_does_not_stay_awake_for_what_cannot_be_done_now(plc, clock, why):
    plc._reconnect()
    if why == "no link":
        plc.link.up = False
    else:
        plc.parts.announce(Announcement(0, 0, 0, 1, 1, clock.now, clock.now, clock.now + 17 * MS), ready=True)
    plc.busy = True
    plc._spare()
    assert not plc.busy


def test_the_link_is_looked_at_between_requests(plc, clock, monkeypatch):
    """Else the end of an outage is never logged."""
    looks = []
    monkeypatch.setattr(plc.link, "look", looks.append)
    plc._spare()
    assert looks == [clock.now]


# -- the heartbeat ---------------------------------------------------------------


def test_numbers_of_a_line_that_runs_for_long_fit_their_registers(plc, clock):
    """The client refuses to write others: plc would end, some two hours after each start."""
    plc.board[Cell.HEARTBEATS], plc.board[Cell.RECIPE] = 65_535, 65_537
    plc._reconnect()
    now = settled(plc)
    assert (now.heartbeat, now.recipe) == (0, 1)
    plc._deliver(part(65_538, clock.now), line_ready=True)
    now = settled(plc)
    assert (now.heartbeat, now.sequence, now.verdict) == (0, 2, Result.PASS)
    plc._deliver(part(65_539, clock.now, left_ns=1), line_ready=True)
    assert settled(plc).sequence == 3
    assert all(0 <= value <= 0xFFFF for _, values in plc.link.registers for value in values)
