"""The simulated PLC's tracking. Times are made up; one ms is 1,000,000 ns."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.kit.simulator.tracking import BAD, GOOD, Tracker
from aoi_daemon.plcmap.coils import SAFE, Coil, Result, pack, view

MS = 1_000_000
DEADLINE = 50 * MS
HEARTBEAT = 250 * MS


class Line:
    """A daemon that behaves, and the clock."""

    def __init__(self):
        self.plc = Tracker(DEADLINE, HEARTBEAT, keep=1000)
        self.now = 1_000 * MS
        self.sequence = 0
        self.coils = {"ready": True, "heartbeat": False, "result_toggle": False}
        self.beat()

    def wait(self, ms):
        self.now += int(ms * MS)
        self.plc.tick(self.now)

    def beat(self, **coils):
        self.coils["heartbeat"] = not self.coils["heartbeat"]
        self.plc.write(pack(sequence=self.sequence, **self.coils | coils), self.now)

    def part(self, number=1, truth=GOOD):
        self.plc.part(number, self.now, truth, self.now)

    def say(self, result, *, steps=1, **coils):
        self.sequence += steps
        self.coils["result_toggle"] = not self.coils["result_toggle"]
        self.plc.write(pack(result, sequence=self.sequence, **self.coils | coils), self.now)

    def end(self):
        """After the last window: what became of each part, by number."""
        self.now += 10 * DEADLINE
        self.plc.tick(self.now)
        return {part.number: part for part in self.plc.parts.since(0, 1000)[0]}


@pytest.fixture
def line():
    return Line()


def test_a_part_with_a_pass_in_its_window_goes_on(line):
    line.part()
    line.wait(20)
    line.say(Result.PASS)
    part = line.end()[1]
    assert not part.ejected
    assert (part.verdict, part.sequence, part.arrival_ns) == ("pass", 1, 1_020 * MS)
    assert line.plc.counters.good == 1


def test_a_part_without_a_verdict_is_ejected_and_missed(line):
    line.part()
    assert line.end()[1].ejected
    assert (line.plc.counters.ejected, line.plc.counters.missed) == (1, 1)


def test_a_rejected_part_is_ejected_and_counted_by_its_truth(line):
    for number, truth in enumerate((GOOD, BAD, 0)):
        line.part(number, truth)
        line.wait(20)
        line.say(Result.REJECT)
        line.wait(40)
    assert all(part.ejected for part in line.end().values())
    counters = line.plc.counters
    assert (counters.ejected, counters.reject, counters.false_call, counters.missed) == (3, 1, 1, 0)


def test_a_bad_part_that_is_passed_is_an_escape(line):
    line.part(truth=BAD)
    line.say(Result.PASS)
    assert not line.end()[1].ejected
    assert (line.plc.counters.escape, line.plc.counters.good) == (1, 0)


def test_the_window_ends_with_the_deadline(line):
    line.part(1)
    line.wait(49.9)
    line.say(Result.PASS)
    line.wait(10)
    line.part(2)
    line.wait(50)
    line.say(Result.PASS)
    parts = line.end()
    assert not parts[1].ejected
    assert parts[2].ejected


def test_a_verdict_outside_any_window_is_late_and_does_nothing(line):
    line.say(Result.PASS)
    line.wait(1)
    line.part()
    assert line.end()[1].ejected
    assert line.plc.counters.late == 1


@pytest.mark.parametrize("results", [(Result.PASS, Result.REJECT), (Result.REJECT, Result.PASS)])
def test_a_reject_wins_over_a_pass_in_the_same_window(line, results):
    line.part()
    for result in results:
        line.wait(5)
        line.say(result)
    part = line.end()[1]
    assert (part.ejected, part.verdict) == (True, "reject")


def test_a_second_pass_in_one_window_says_that_the_first_was_not_this_parts(line):
    line.part()
    line.say(Result.PASS)
    line.wait(5)
    line.say(Result.PASS)
    assert line.end()[1].ejected


def test_a_pass_without_ready_is_refused(line):
    line.part()
    line.plc.write(1 << Coil.PASS | 1 << Coil.SEQ, line.now)  # no daemon of ours packs that
    assert line.end()[1].ejected
    assert line.plc.counters.refused == 1


def test_ready_down_in_the_window_takes_a_pass_back(line):
    line.part()
    line.say(Result.PASS)
    line.wait(5)
    line.plc.write(SAFE, line.now)
    assert line.end()[1].ejected
    assert line.plc.counters.refused == 1


def test_both_verdict_coils_are_a_fault_and_reject(line):
    line.part()
    line.say(Result.PASS)
    line.plc.write(line.plc.word | 1 << Coil.REJECT, line.now)
    assert line.end()[1].ejected
    assert line.plc.counters.faults == 1


def test_a_pass_is_not_accepted_once_the_heartbeat_is_lost_until_it_toggles_again(line):
    line.wait(251)
    assert not line.plc.ready_effective
    line.part(1)
    line.say(Result.PASS)
    line.wait(60)
    line.beat()
    assert line.plc.ready_effective
    line.part(2)
    line.say(Result.PASS)
    parts = line.end()
    assert (parts[1].ejected, parts[2].ejected) == (True, False)


def test_a_write_that_revives_the_heartbeat_does_not_pass_a_part_itself(line):
    line.wait(251)
    line.part()
    line.say(Result.PASS, heartbeat=not line.coils["heartbeat"])
    assert line.end()[1].ejected


def test_the_loss_of_the_heartbeat_is_logged_when_it_was_due(line):
    line.wait(900)
    lost = [event for event in line.plc.events.since(0, 100)[0] if event.kind == "not_ready"]
    assert [event.at_ns for event in lost] == [1_250 * MS]
    assert line.plc.counters.ready_drops == 1


def test_a_stuck_heartbeat_is_lost_though_writes_go_on(line):
    for _ in range(30):
        line.wait(10)
        line.say(Result.REJECT)
    assert not line.plc.alive


def test_a_latched_verdict_is_not_a_new_one(line):
    line.part(1)
    line.say(Result.PASS)
    line.wait(60)
    line.part(2)
    line.plc.write(line.plc.word ^ 1 << Coil.HEARTBEAT, line.now)
    assert line.end()[2].ejected
    assert line.plc.counters.missed == 1


def test_an_old_sequence_does_not_pass_a_part(line):
    line.say(Result.REJECT, steps=10)
    line.part()
    line.say(Result.PASS, steps=-1)
    assert line.end()[1].ejected
    assert line.plc.counters.stale == 1


@pytest.mark.parametrize("sequence", [4, 5])
def test_an_old_pass_that_comes_after_a_reconnect_passes_nobody(line, sequence):
    line.say(Result.REJECT, steps=3)
    old = pack(Result.PASS, ready=True, heartbeat=True, result_toggle=True, sequence=sequence)
    line.plc.write(pack(sequence=5), line.now)
    line.plc.write(pack(ready=True, heartbeat=True, sequence=5), line.now)
    line.wait(100)
    line.part()
    line.plc.write(old, line.now)
    assert line.end()[1].ejected
    assert line.plc.counters.stale == (sequence == 4)


def test_after_the_safe_word_a_daemon_that_was_started_anew_counts_from_0(line):
    line.say(Result.REJECT, steps=100)
    line.sequence = 0
    line.plc.write(SAFE, line.now)
    line.beat()
    line.part()
    line.say(Result.PASS)
    assert not line.end()[1].ejected
    assert line.plc.counters.stale == 0


def test_sequences_run_through_255_to_0(line):
    for number in range(600):
        line.part(number)
        line.wait(10)
        line.say(Result.PASS)
        line.wait(41)
        line.beat()
    assert not any(part.ejected for part in line.end().values())
    counters = line.plc.counters
    assert (counters.good, counters.stale, counters.sequence_gaps) == (600, 0, 0)


def good_part(line, number):
    line.part(number)
    line.wait(10)
    line.say(Result.PASS)
    line.wait(41)
    line.beat()


def test_a_verdict_that_stands_for_several_parts_passes_none_and_the_next_is_in_step(line):
    good_part(line, 1)
    for number in (2, 3):  # undelivered: the deadline was over
        line.part(number)
        line.wait(51)
    line.part(4)
    line.say(Result.PASS, steps=3)
    line.wait(51)
    good_part(line, 5)
    parts = line.end()
    assert [parts[number].ejected for number in (1, 2, 3, 4, 5)] == [False, True, True, True, False]
    assert line.plc.counters.sequence_gaps == 1


@pytest.mark.parametrize("truth", [GOOD, BAD])
def test_a_pass_that_a_slow_plc_reads_in_the_next_parts_window_passes_nobody(line, truth):
    """Sent in time for part 2, it lay in the PLC's buffer until part 3 was in front of the camera."""
    good_part(line, 1)
    line.part(2)
    line.wait(51)
    line.part(3, truth)
    line.wait(1)
    line.say(Result.PASS)
    assert line.end()[3].ejected
    assert (line.plc.counters.escape, line.plc.counters.refused) == (0, 1)


def test_however_many_verdicts_are_late_none_passes_the_next_part(line):
    """Each is read in the window after its own; the daemon's READY=0 ends this at the third at the latest."""
    good_part(line, 1)
    line.part(2)
    for number in (3, 4):
        line.wait(51)
        line.beat()
        line.part(number, BAD)
        line.wait(1)
        line.say(Result.PASS)
    parts = line.end()
    assert parts[3].ejected and parts[4].ejected
    assert line.plc.counters.escape == 0


def test_the_part_after_a_late_verdict_is_lost_and_the_next_is_in_step_again(line):
    good_part(line, 1)
    line.part(2)
    line.wait(51)
    line.part(3)
    line.say(Result.PASS)  # of part 2
    line.say(Result.PASS)
    line.wait(51)
    good_part(line, 4)
    parts = line.end()
    assert [parts[number].ejected for number in (2, 3, 4)] == [True, True, False]


def test_a_trigger_that_the_camera_alone_missed_costs_three_parts_and_heals(line):
    good_part(line, 1)
    line.part(2)  # the camera saw nothing, and does not number its frames
    line.wait(51)
    for number in range(3, 9):
        good_part(line, number)
    parts = line.end()
    assert [number for number in range(1, 9) if parts[number].ejected] == [2, 3, 4, 5]


def test_a_part_that_the_plc_alone_missed_costs_the_next_one(line):
    good_part(line, 1)
    line.say(Result.PASS)
    good_part(line, 2)
    line.part(3)
    line.say(Result.PASS, steps=2)
    line.wait(51)
    good_part(line, 4)
    parts = line.end()
    assert [parts[number].ejected for number in (1, 2, 3, 4)] == [False, False, True, False]


def test_a_word_that_tells_of_parts_without_a_verdict_keeps_the_step(line):
    """Part 2's time was over: 00 with its sequence comes in part 3's window, and part 3's own PASS is in step."""
    good_part(line, 1)
    line.part(2)
    line.wait(51)
    line.part(3)
    line.sequence += 1
    line.beat()
    line.say(Result.PASS)
    parts = line.end()
    assert [parts[number].ejected for number in (1, 2, 3)] == [False, True, False]


def test_after_not_ready_the_first_part_that_is_triggered_and_judged_alone_goes_on(line):
    """Numbers went on while nobody could be told: the first word tells where they stand."""
    good_part(line, 1)
    line.part(2)
    line.sequence += 6
    line.plc.write(pack(sequence=line.sequence), line.now)
    line.wait(51)
    line.beat()
    good_part(line, 3)
    parts = line.end()
    assert [parts[number].ejected for number in (1, 2, 3)] == [False, True, False]


def test_a_pass_while_two_parts_wait_is_nobodys(line):
    line.part(1)
    line.wait(45)
    line.part(2)
    line.say(Result.PASS)
    assert all(part.ejected for part in line.end().values())
    assert line.plc.counters.ambiguous == 1


def test_verdicts_of_parts_whose_windows_overlap_go_to_the_oldest_first(line):
    line.part(1)
    line.wait(20)
    line.say(Result.REJECT)
    line.wait(25)
    line.part(2)
    line.wait(3)
    line.say(Result.PASS)
    parts = line.end()
    assert (parts[1].ejected, parts[2].ejected) == (True, False)


def test_a_part_that_is_announced_twice_is_one_part(line):
    line.part(1)
    line.part(1)
    line.say(Result.PASS)
    assert len(line.end()) == 1
    assert line.plc.counters.parts == 1


def test_coils_that_fall_when_the_link_is_lost_take_a_pass_back(line):
    line.part()
    line.say(Result.PASS)
    line.plc.clear(line.now)
    assert line.plc.word == SAFE
    assert line.end()[1].ejected


def test_the_heartbeats_period_is_measured_and_a_pause_is_not_part_of_it(line):
    for _ in range(10):
        line.wait(100)
        line.beat()
    line.wait(900)
    line.beat()
    line.wait(110)
    line.beat()
    figures = line.plc.heartbeat.figures()
    assert figures["count"] == 11
    assert figures["mean_ms"] == pytest.approx(100 + 10 / 11)
    assert figures["max_deviation_ms"] == pytest.approx(10 - 10 / 11)


def test_what_the_plc_acted_on_follows_the_parts_it_decided(line):
    line.part()
    line.say(Result.PASS)
    track = line.plc.program.track
    assert (track.RESULT_ACK, track.ACTED_ON) == (1, 0)
    line.end()
    assert track.ACTED_ON == 1


def test_the_logs_are_bounded_and_the_counters_are_not():
    plc = Tracker(DEADLINE, HEARTBEAT, keep=10)
    for number in range(100):
        plc.part(number, number * 100 * MS, GOOD, number * 100 * MS)
        plc.tick((number * 100 + 99) * MS)
    kept, after = plc.parts.since(0, 1000)
    assert [part.number for part in kept] == list(range(90, 100))
    assert (after, plc.parts.total, plc.counters.missed) == (100, 100, 100)


# Sequences never come round here (at most 60 steps of at most 3), so that their order is plain numbers below.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("part"), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.sampled_from([1, 1, 10, 10, 30, 50, 51, 251])),
        st.tuples(st.just("beat"), st.just(0)),
        st.tuples(st.just("good part"), st.integers(0, 2)),
        st.tuples(st.just("pass"), st.sampled_from([1, 1, 1, 0, 2, 3, -1])),
        st.tuples(st.just("reject"), st.sampled_from([1, 1, 0, 2, -1])),
        st.tuples(st.just("word"), st.integers(0, 0xFF)),
        st.tuples(st.just("safe"), st.just(0)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=60,
)


def word_after(word, step, value):
    """What a daemon, not always a good one, writes next."""
    sequence = max(0, (word >> Coil.SEQ) + value)
    flipped = not word >> Coil.RESULT_TOGGLE & 1
    beating = bool(word >> Coil.HEARTBEAT & 1)
    if step == "beat":
        return word ^ 1 << Coil.HEARTBEAT | 1 << Coil.READY
    if step == "word":
        return word & 0xFF00 | value
    if step == "safe":
        return SAFE
    result = Result.PASS if step == "pass" else Result.REJECT
    return pack(result, ready=True, heartbeat=beating, result_toggle=flipped, sequence=sequence)


def run(steps):
    """The tracker after `steps`, the words it saw: (time, word, word before, told by the daemon), and for each part how many until the next one came."""
    plc, now, seen, word = Tracker(DEADLINE, HEARTBEAT, keep=1000), 0, [], SAFE
    until, newest = {}, None

    def part(number, camera):
        nonlocal newest
        until[newest], newest = len(seen), number
        plc.part(number, now, camera, now)

    def write(step, value):
        nonlocal word
        after = word_after(word, step, value)
        plc.write(after, now)
        seen.append((now, after, word, True))
        word = after

    write("beat", 0)
    for number, (step, value) in enumerate(steps):
        if step == "wait":
            now += value * MS
            plc.tick(now)
        elif step == "part":
            part(number, value)
        elif step == "good part":
            now += 60 * MS
            write("beat", 0)
            part(number, value)
            write("pass", 1)
        elif step == "clear":
            plc.clear(now)
            seen.append((now, SAFE, word, False))
            word = SAFE
        else:
            write(step, value)
    plc.tick(now + 10 * DEADLINE)
    until[newest] = len(seen)
    return plc, seen, until


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_only_a_fresh_pass_in_its_window_and_nothing_against_it_lets_a_part_go_on(steps):
    plc, seen, until = run(steps)
    for part in plc.parts.since(0, 1000)[0]:
        if part.ejected:
            continue
        end_ns = part.trigger_ns + DEADLINE
        assert part.trigger_ns <= part.arrival_ns <= end_ns
        told = seen[: until[part.number]]  # what comes after the next trigger is about that part
        assert any(is_proof(told, index, end_ns) for index, item in enumerate(told) if item[0] == part.arrival_ns)


def is_proof(seen, index, end_ns):
    """The rule, said once more and in other words than the tracker's."""
    at_ns, word, _, told = seen[index]
    coils = view(word)
    if coils.result != Result.PASS or not coils.ready or not told:
        return False
    before, after = seen[:index], [view(w) for t, w, _, _ in seen[index + 1 :] if t <= end_ns]
    if any(later.result == Result.FAULT or not later.ready for later in after):
        return False
    beats = [t for t, w, old, _ in before if (w ^ old) >> Coil.HEARTBEAT & 1 and w != SAFE]
    if not beats or at_ns - beats[-1] > HEARTBEAT:
        return False
    since_resync = []
    for _, old, _, by_daemon in before:
        if not by_daemon:  # coils that fall to 0 say what SAFE says: counted from 0
            since_resync = []
        if not by_daemon or view(old).result == Result.FAULT:
            continue
        if view(old).result == Result.NONE:
            since_resync = []
        if old != SAFE:
            since_resync.append(view(old).sequence)
    return all(coils.sequence > sequence for sequence in since_resync)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_the_counters_agree_with_the_parts(steps):
    plc, _, _ = run(steps)
    counters, parts = plc.counters, plc.parts.since(0, 1000)[0]
    assert counters.parts == len(parts) == counters.good + counters.escape + counters.ejected
    assert counters.ejected == sum(part.ejected for part in parts)
    assert counters.escape == sum(not part.ejected and part.truth == BAD for part in parts)
    assert counters.missed == sum(part.verdict == "none" for part in parts)
    assert counters.reject <= counters.ejected
