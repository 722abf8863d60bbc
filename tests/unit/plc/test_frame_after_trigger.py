"""The photo-eye comes first, the frame later: exposure, readout and transfer lie between. The PLC knows the photo-eye alone.

The daemon's loop in scripted time; what it wrote is then run through the PLC's program, with the parts' triggers as the
photo-eye saw them.
"""

import pytest

from aoi_daemon.kit.simulator.program import Program
from aoi_daemon.messages import Announcement, Judgement, Reason
from aoi_daemon.plcmap.program import Variant

MS = 1_000_000
TAKT = 50 * MS
GATE = 165 * MS
SCAN = 2 * MS
PARTS = 40


def is_bad(part):
    return part % 3 == 0


def serve(plc, clock, late_ns, judge_ns, told_ns=0):
    """The daemon's part: PARTS parts, of which each frame comes `late_ns` after the photo-eye and is judged in `judge_ns`.

    Returns: when each part was at the photo-eye.
    """
    plc.link.answer_ns = 2 * MS
    plc._reconnect()
    start = clock.now + 1_000 * MS
    eyes = [start + part * TAKT for part in range(PARTS)]
    coming = []
    for part, eye in enumerate(eyes, 1):
        ready = eye + late_ns
        # A frame without a stamp, as acquire announces it (`sensor_to_frame_ms` is `told_ns`). A stamp tells no more: the
        # offset of the clocks is learned from frames that came as late as this one.
        deadline = ready + int(plc.stage.config.line.deadline_ms * MS) - told_ns
        seen = Announcement(0, 0, 0, part, part, 0, ready, deadline)
        reason = Reason.DEFECT if is_bad(part) else Reason.NONE
        judged = Judgement(not is_bad(part), reason, 0, 0, 0, 1, part, 0, 0, 0, 1, 2, 3, b"")
        coming += [(ready, seen), (ready + judge_ns, judged)]
    coming.sort(key=lambda one: one[0])
    while clock.now < eyes[-1] + 4 * TAKT:
        while coming and coming[0][0] <= clock.now:
            _, what = coming.pop(0)
            if isinstance(what, Announcement):
                plc.parts.announce(what, ready=True)
            else:
                plc.parts.judge(what)
        while (found := plc.parts.take(clock.now)) is not None:
            plc._deliver(found, line_ready=True)
        plc._spare()
        clock.now += MS
    return eyes


def let_go(plc, variant, eyes):
    """The parts that the program lets go by the words in the link's log."""
    program = Program(plc.section, plc.stage.config.line, variant, gate_ns=GATE)
    main = program._main
    words = [(ended, kind, what) for kind, _, ended, what in plc.link.log]
    gates = {eye + GATE: part for part, eye in enumerate(eyes, 1)}
    found = []
    for now in range(eyes[0] - 900 * MS, eyes[-1] + 4 * TAKT, SCAN):
        while words and words[0][0] <= now:
            _, kind, what = words.pop(0)
            program.put_coils(what) if kind == "coils" else program.put_registers(0, what)
        main.SENSOR_TRIGGER = any(eye <= now < eye + 10 * MS for eye in eyes)
        at_gate = [part for gate, part in gates.items() if gate <= now < gate + 10 * MS]
        main.SENSOR_GATE = bool(at_gate)
        program.tick(now)
        if main.EDGE_GATE.Q and not main.EJECTOR:
            found += at_gate
    return found


@pytest.mark.parametrize("variant", list(Variant), ids=lambda one: one.value)
def test_frames_that_come_at_once_are_judged_and_the_good_parts_pass(plc, clock, variant):
    eyes = serve(plc, clock, late_ns=1 * MS, judge_ns=25 * MS)
    assert let_go(plc, variant, eyes) == [part for part in range(1, PARTS + 1) if not is_bad(part)]


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("late_ms", [16, 20, 25, 30])
@pytest.mark.parametrize("variant", list(Variant), ids=lambda one: one.value)
def test_no_bad_part_is_let_go_where_the_frame_is_so_late_that_its_verdict_meets_the_next_part(
    plc, clock, variant, late_ms, told
):
    """Also where nobody has said how late it is: in time by the daemon's clock, each verdict meets the next part."""
    eyes = serve(plc, clock, late_ns=late_ms * MS, judge_ns=30 * MS, told_ns=late_ms * MS if told else 0)
    assert not [part for part in let_go(plc, variant, eyes) if is_bad(part)]
