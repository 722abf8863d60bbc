"""What the simulation found, each as the smallest run that showed it. `plan` is written out: seeds draw something else one day."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aoi_daemon.plcmap import program
from aoi_daemon.plcmap.program import Variant
from tools.simulation.faults import Fault, Kind
from tools.simulation.plan import Plan, Shape
from tools.simulation.run import Run
from tools.simulation.shrink import told
from tools.simulation.timeline import MS

LINE = Shape(
    takt=50 * MS, scan=10 * MS, deadline=40 * MS, answer=3 * MS, late=0, variant=Variant.COILS, polled=False, cameras=1,
    stamped=True, numbered=False, threads=False, in_scan=False, gate=110 * MS, watched=False, confirmed=False,
)  # fmt: skip
SLOW = replace(LINE, takt=450 * MS, scan=20 * MS, deadline=385 * MS, answer=110 * MS, gate=990 * MS)


def broken(plan: Plan) -> str:
    outcome = Run(plan, trace=True).go()
    return "\n".join(told(outcome)) if outcome.broken else ""


def without(monkeypatch, *lines: str) -> None:
    """The program before it was mended."""
    text = program.track()
    for line in lines:
        assert text.count(line) == 1, line
        text = text.replace(line, "")
    monkeypatch.setattr(program, "track", lambda: text)


BEHIND = """IF BEHIND.Q THEN
    (* No old request stands for so long while the heartbeat toggles: a daemon that was started anew, whose 0 no scan saw. *)
    LAST := SEQ;
    AHEAD := 0;
END_IF;
"""
QUICKEST = """                IF QUICKEST = T#0ms THEN
                    QUICKEST := T#1ms; (* seen in the scan in which its time began: it is known all the same *)
                END_IF;
"""


@pytest.mark.parametrize("variant", [Variant.REGISTERS, Variant.BOTH])
@pytest.mark.parametrize("seed", range(5))
def test_a_daemon_whose_every_second_beat_a_slow_plc_is_shown_is_alive(variant, seed):
    """Of registers that are written each 250 ms the parity of the heartbeat did not move; then coils beat alone; then two beats were one."""
    for polled in (False, True):
        assert broken(Plan(seed, 40, replace(SLOW, variant=variant, polled=polled), ())) == ""


def restarted(seed: int) -> Plan:
    shape = replace(LINE, takt=320 * MS, scan=60 * MS, deadline=228 * MS, gate=512 * MS, cameras=2)
    return Plan(seed, 50, shape, (Fault(Kind.DAEMON_KILLED, 20, 1, 0.69),))


def test_a_daemon_whose_safe_state_no_scan_saw_is_in_step_again():
    assert [broken(restarted(seed)) for seed in range(20)] == [""] * 20


def test_without_the_two_seconds_it_was_not(monkeypatch):
    without(monkeypatch, BEHIND)
    assert any(broken(restarted(seed)) for seed in range(20))


def missed(seed: int) -> Plan:
    return Plan(seed, 90, LINE, (Fault(Kind.MISSES, 12, 1, 0.5),))


def test_a_missed_trigger_is_found_where_the_quickest_pass_was_seen_at_once():
    assert [broken(missed(seed)) for seed in range(10)] == [""] * 10


def test_with_a_quickest_pass_of_nothing_it_was_not(monkeypatch):
    without(monkeypatch, QUICKEST)
    assert any(broken(missed(seed)) for seed in range(10))


def flapping(seed: int) -> Plan:
    """The PLC's power goes, and then no connection lasts: of each part the daemon says 00, and its heartbeat is never alive."""
    shape = replace(LINE, takt=450 * MS, scan=5 * MS, deadline=400 * MS, answer=18 * MS, in_scan=True, gate=1_080 * MS)
    return Plan(seed, 56, shape, (Fault(Kind.POWER, 13, 1, 0.3), Fault(Kind.DELAY, 16, 14, 0.1)))


def test_parts_that_a_daemon_without_a_heartbeat_has_closed_are_owed_no_verdict():
    """Seed 626: they were counted, and before any part has passed only a pause clears that; one part off for 25 parts."""
    assert [broken(flapping(seed)) for seed in range(5)] == [""] * 5


def test_with_each_00_of_a_daemon_without_a_heartbeat_taken_for_a_start_they_were(monkeypatch):
    without(monkeypatch, " AND NOT (HEARD AND (AHEAD <= TRIGGERED))")
    assert any(broken(flapping(seed)) for seed in range(5))


def starved(seed: int) -> Plan:
    shape = replace(LINE, scan=2 * MS, deadline=48 * MS, answer=18 * MS, polled=True, gate=220 * MS)
    return Plan(seed, 60, shape, (Fault(Kind.STARVED, 14, 40, 0.3),))


def test_of_two_parts_that_are_due_in_one_turn_the_second_has_its_pass_and_ready_stays():
    """Seed 1441: READY was asked for the first of them alone, and was 0 for the second, and so for the part behind it."""
    assert [broken(starved(seed)) for seed in (2, 5)] == [""] * 2


def test_a_simulated_daemon_that_is_killed_while_its_plc_is_down_starts_again():
    """Seed 2103: nobody started it, and the rest of the run showed nothing."""
    shape = replace(LINE, takt=320 * MS, scan=20 * MS, deadline=268 * MS, answer=6 * MS, polled=True, gate=500 * MS)
    faults = (Fault(Kind.PLC_KILLED, 20, 1, 0.1), Fault(Kind.DAEMON_KILLED, 21, 1, 0.22))
    assert [broken(Plan(seed, 50, shape, faults)) for seed in range(3)] == [""] * 3


def test_a_simulated_inspection_that_hangs_as_it_is_told_to_leave_leaves_when_it_goes_on():
    """Seed 1487: it stayed, and judged no more."""
    faults = (Fault(Kind.CHANGEOVER, 20, 1, 0.6), Fault(Kind.HANGS, 21, 1, 0.7))
    assert [broken(Plan(seed, 160, LINE, faults)) for seed in range(3)] == [""] * 3


def test_changes_of_the_coils_do_not_keep_the_registers_heartbeat_from_a_slow_plc():
    """Seed 1876: four requests of the coils in a row, of 100 ms each, were more than the program's patience; and registers
    that were written again showed no other beat, where the coils had not shown the last one yet."""
    shape = replace(
        LINE, takt=450 * MS, scan=10 * MS, deadline=395 * MS, answer=110 * MS, late=9 * MS, variant=Variant.REGISTERS, polled=True,
        stamped=False, gate=1980 * MS,
    )  # fmt: skip
    assert [broken(Plan(seed, 60, shape, ())) for seed in (0, 1876)] == [""] * 2
