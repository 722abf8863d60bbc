"""When a verdict is given, and when none is: with a PLC that takes its time, in scripted time."""

import random

import pytest

from aoi_daemon.board import Cell
from aoi_daemon.messages import Announcement, Judgement, Reason
from aoi_daemon.plc.parts import Part
from aoi_daemon.plcmap.coils import Result, view
from aoi_daemon.plcmap.registers import Flag, decode_report

MS = 1_000_000
ANSWER = 5 * MS  # the default
DEADLINE = TAKT = 50 * MS


def part(number, now, reason=Reason.NONE, left_ns=DEADLINE):
    seen = Announcement(0, 0, 0, number, number, now, now, now + left_ns)
    return Part(number, seen, now + left_ns, {0: seen}, reason=reason)


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
    successor = type(plc)(plc.stage)
    successor.link = plc.link
    successor._reconnect()
    assert toggle() is True
    plc._deliver(part(3, clock.now, Reason.DEFECT), line_ready=True)
    assert toggle() is False
