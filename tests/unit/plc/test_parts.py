"""Which part gets which verdict, and when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.messages import Announcement, Arrival, Judgement, Reason
from aoi_daemon.plc.parts import Parts
from tests.unit.plc.pictures import any_of, named, of_each

VERDICT = 5
CUTOFF = 10
DEADLINE = 50


def view(
    sequence: int, at: int, *, camera: int = 0, arrival: Arrival = Arrival.FRAME, trigger_id: int = 0
) -> Announcement:
    return Announcement(arrival, camera, 0, sequence, sequence, at, at, at + DEADLINE, trigger_id)


def judged(sequence: int, *, passed: bool, camera: int = 0, reason: Reason | None = None) -> Judgement:
    reason = reason if reason is not None else (Reason.NONE if passed else Reason.DEFECT)
    return Judgement(passed, reason, camera, 0, 0, 1, sequence, 0, 0, 0, 1, 2, 3, b"")


def parts(cameras: int = 1) -> Parts:
    return Parts(of_each(cameras), VERDICT, CUTOFF, 3)


def test_a_judged_part_leaves_with_its_judgement():
    line = parts()
    line.announce(view(1, 0), ready=True)
    assert line.take(10) is None
    line.judge(judged(1, passed=True))
    part = line.take(10)
    assert part is not None and part.reason is Reason.NONE and part.judgement is not None
    assert line.take(10) is None


def test_a_part_that_was_not_judged_by_its_cutoff_is_late():
    line = parts()
    line.announce(view(1, 0), ready=True)
    assert line.take(DEADLINE - CUTOFF - 1) is None
    assert line.take(DEADLINE - CUTOFF).reason is Reason.LATE


@pytest.mark.parametrize(("at", "reason"), [(CUTOFF, Reason.NONE), (VERDICT, Reason.NONE), (VERDICT - 1, Reason.LATE), (0, Reason.LATE)])
def test_one_that_was_judged_in_time_may_wait_for_the_answer_to_another_request_and_no_longer(at, reason):
    line = parts()
    line.announce(view(1, 0), ready=True)
    line.judge(judged(1, passed=True))
    assert line.take(DEADLINE - at).reason is reason


def test_a_judgement_after_the_cutoff_changes_nothing():
    line = parts()
    line.announce(view(1, 0), ready=True)
    assert line.take(DEADLINE - CUTOFF).reason is Reason.LATE
    line.judge(judged(1, passed=True))
    assert line.take(DEADLINE) is None


def test_verdicts_leave_in_the_order_of_the_parts():
    line = parts()
    line.announce(view(1, 0), ready=True)
    line.announce(view(2, 5), ready=True)
    line.judge(judged(2, passed=True))
    assert line.take(6) is None
    line.judge(judged(1, passed=False))
    assert [line.take(6).number, line.take(6).number] == [1, 2]


@pytest.mark.parametrize("arrival", [Arrival.NO_IMAGE, Arrival.INCOMPLETE])
def test_a_part_without_an_image_is_rejected_for_that(arrival):
    line = parts()
    line.announce(view(1, 0, arrival=arrival), ready=True)
    line.judge(judged(1, passed=True))
    assert line.take(1).reason is arrival.reason


def test_an_overrun_takes_a_pass_back():
    line = parts()
    line.announce(view(1, 0), ready=True)
    line.judge(judged(1, passed=True))
    line.announce(view(1, 1, arrival=Arrival.OVERRUN), ready=True)
    assert line.take(2).reason is Reason.OVERRUN


def test_a_part_that_came_while_the_line_was_not_ready_is_rejected():
    line = parts()
    line.announce(view(1, 0), ready=False)
    line.judge(judged(1, passed=True))
    assert line.take(1).reason is Reason.NOT_READY


def test_a_judgement_that_contradicts_itself_is_a_reject():
    line = parts()
    line.announce(view(1, 0), ready=True)
    line.announce(view(2, 0), ready=True)
    line.judge(judged(1, passed=True, reason=Reason.DEFECT))
    line.judge(judged(2, passed=False, reason=Reason.NONE))
    assert line.take(1).reason is Reason.DEFECT
    assert line.take(1).reason is Reason.ENGINE_FAULT


def test_a_judgement_of_another_part_is_not_taken():
    line = parts()
    line.announce(view(1, 0), ready=True)
    line.judge(judged(2, passed=True))
    line.judge(judged(1, passed=True, camera=1))
    assert line.take(10) is None


def test_nobody_left_to_judge_rejects_what_waits():
    line = parts()
    line.announce(view(1, 0), ready=True)
    line.announce(view(2, 0), ready=True)
    line.judge(judged(1, passed=True))
    line.reject_all(Reason.ENGINE_FAULT)
    assert [line.take(1).reason, line.take(1).reason] == [Reason.NONE, Reason.ENGINE_FAULT]


def test_a_part_of_two_views_passes_only_with_both():
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=0), ready=True)
    line.judge(judged(1, passed=True, camera=0))
    assert line.take(1) is None
    line.announce(view(9, 2, camera=1), ready=True)
    assert line.take(3) is None
    line.judge(judged(9, passed=True, camera=1))
    part = line.take(3)
    assert part.reason is Reason.NONE and part.number == 1


def test_one_bad_view_rejects_the_part_at_once():
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=0), ready=True)
    line.announce(view(1, 0, camera=1), ready=True)
    line.judge(judged(1, passed=False, camera=1))
    part = line.take(1)
    assert part.reason is Reason.DEFECT and part.decided_by == any_of(1)


def test_a_view_that_never_came_is_a_part_without_an_image():
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=0), ready=True)
    line.judge(judged(1, passed=True, camera=0))
    assert line.take(DEADLINE - CUTOFF).reason is Reason.NO_IMAGE


def test_a_view_that_comes_after_its_part_has_left_is_not_a_part_of_its_own():
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=0), ready=True)
    line.judge(judged(1, passed=False, camera=0))
    assert line.take(1).number == 1
    line.announce(view(1, 2, camera=1), ready=True)
    line.judge(judged(1, passed=True, camera=1))
    assert line.take(100) is None
    line.announce(view(2, 50, camera=0), ready=True)
    line.announce(view(2, 51, camera=1), ready=True)
    line.judge(judged(2, passed=True, camera=0))
    line.judge(judged(2, passed=True, camera=1))
    part = line.take(52)
    assert part.number == 2 and part.reason is Reason.NONE


def test_views_of_different_parts_are_not_mixed():
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=0), ready=True)
    line.announce(view(1, 20, camera=1), ready=True)
    line.judge(judged(1, passed=True, camera=0))
    line.judge(judged(1, passed=True, camera=1))
    assert line.take(30) is None
    assert [line.take(100).reason, line.take(100).reason] == [Reason.NO_IMAGE, Reason.NO_IMAGE]


def test_views_of_one_trigger_are_one_part_however_far_apart_their_stamps_are():
    """The second camera is a slow one: 20 after the first where 3 are allowed."""
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=0, trigger_id=700), ready=True)
    line.announce(view(1, 20, camera=1, trigger_id=700), ready=True)
    assert [(part.number, len(part.views)) for part in line.waiting] == [(1, 2)]


def test_views_of_two_triggers_are_two_parts_however_close_their_stamps_are():
    line = parts(cameras=2)
    line.announce(view(1, 10, camera=0, trigger_id=700), ready=True)
    line.announce(view(1, 11, camera=1, trigger_id=701), ready=True)
    assert [(part.trigger_id, len(part.views)) for part in line.waiting] == [(700, 1), (701, 1)]
    line.announce(view(2, 12, camera=0, trigger_id=701), ready=True)
    assert [(part.trigger_id, len(part.views)) for part in line.waiting] == [(700, 1), (701, 2)]


@pytest.mark.parametrize(("first", "second"), [(0, 0), (700, 0), (0, 700)])
@pytest.mark.parametrize("apart", [3, 4])
def test_without_both_numbers_the_time_decides(first, second, apart):
    """A part has the number of whichever of its views has one."""
    line = parts(cameras=2)
    line.announce(view(1, 10, camera=0, trigger_id=first), ready=True)
    line.announce(view(1, 10 + apart, camera=1, trigger_id=second), ready=True)
    assert len(line.waiting) == (1 if apart == 3 else 2)
    if apart == 3:
        assert line.waiting[0].trigger_id == max(first, second)


def test_the_third_view_is_told_by_the_number_that_the_second_one_brought():
    line = parts(cameras=3)
    line.announce(view(1, 10, camera=0), ready=True)
    line.announce(view(1, 11, camera=1, trigger_id=700), ready=True)
    line.announce(view(1, 12, camera=2, trigger_id=701), ready=True)
    assert [(part.trigger_id, len(part.views)) for part in line.waiting] == [(700, 2), (701, 1)]


def test_a_late_view_finds_the_part_that_has_left_by_its_number():
    """Its stamp alone, 20 later, would make a part of its own of it."""
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=0, trigger_id=700), ready=True)
    line.judge(judged(1, passed=False, camera=0))
    assert line.take(1).number == 1
    line.announce(view(1, 20, camera=1, trigger_id=700), ready=True)
    assert not line.waiting


def test_a_number_that_comes_again_after_the_plc_began_anew_is_another_part():
    """The first one left long ago without the view of camera 1, which would be taken for that now."""
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=0, trigger_id=5), ready=True)
    assert line.take(DEADLINE).number == 1
    line.announce(view(1, 10_000, camera=1, trigger_id=5), ready=True)
    line.announce(view(2, 10_001, camera=0, trigger_id=5), ready=True)
    assert [(part.number, len(part.views)) for part in line.waiting] == [(2, 2)]


events = st.lists(
    st.one_of(
        st.tuples(st.just("part"), st.booleans()),
        st.tuples(st.just("judge"), st.integers(1, 8), st.booleans()),
        st.tuples(st.just("overrun"), st.integers(1, 8)),
        st.tuples(st.just("lost")),
        st.tuples(st.just("wait"), st.integers(0, 60)),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(events)
def test_every_part_leaves_once_in_order_and_no_pass_is_late_or_unproven(history):
    """Whatever happens: one verdict for each part, and PASS only by a passing judgement, with time for its verdict."""
    line = parts()
    now = 0
    announced: dict[int, tuple[int, bool]] = {}
    proven: set[int] = set()
    left = []

    def collect():
        while (part := line.take(now)) is not None:
            left.append(part.number)
            at, ready = announced[part.number]
            assert part.reason is not None
            if part.reason is Reason.NONE:
                assert ready and part.number in proven
                assert now <= at + DEADLINE - VERDICT
        for part in line.waiting:
            assert now < part.deadline_ns - CUTOFF or part is not line.waiting[0]

    for event in history:
        if event[0] == "part":
            number = len(announced) + 1
            announced[number] = (now, event[1])
            line.announce(view(number, now), ready=event[1])
        elif event[0] == "judge":
            if event[2]:
                proven.add(event[1])
            line.judge(judged(event[1], passed=event[2]))
        elif event[0] == "overrun":
            line.announce(view(event[1], now, arrival=Arrival.OVERRUN), ready=True)
        elif event[0] == "lost":
            line.reject_all(Reason.ENGINE_FAULT)
        else:
            now += event[1]
        collect()
    now += 10 * DEADLINE
    collect()
    assert left == sorted(announced)


def seen(camera: int, trigger: int, ready: int, trigger_id: int = 0) -> Announcement:
    """A view whose trigger and picture are not at one time; `trigger` 0: not known."""
    return view(ready, ready, camera=camera, trigger_id=trigger_id)._replace(trigger_ns=trigger)


def sizes(line: Parts) -> list[int]:
    """The number of views of each part that waits."""
    return [len(part.views) for part in line.waiting]


@pytest.mark.parametrize("first", [0, 1])
def test_views_are_told_by_their_triggers_however_long_their_pictures_took(first):
    line = parts(cameras=2)
    for camera in (first, 1 - first):
        line.announce(seen(camera, 100, (110, 130)[camera]), ready=True)
    assert sizes(line) == [2]


@pytest.mark.parametrize("unknown", [0, 1])
def test_a_view_whose_trigger_has_no_time_is_told_by_when_its_picture_came(unknown):
    line = parts(cameras=2)
    line.announce(seen(0, 100 * (unknown != 0), 100), ready=True)
    line.announce(seen(1, 101 * (unknown != 1), 101), ready=True)
    assert sizes(line) == [2]


@pytest.mark.parametrize("apart", [20, -20])
def test_a_view_of_long_before_is_of_another_part_as_one_of_long_after(apart):
    line = parts(cameras=2)
    line.announce(view(1, 100, camera=0), ready=True)
    line.announce(view(1, 100 + apart, camera=1), ready=True)
    assert sizes(line) == [1, 1]


def test_two_views_of_one_camera_are_two_parts_however_close_they_are():
    line = parts(cameras=2)
    line.announce(view(1, 10), ready=True)
    line.announce(view(2, 11), ready=True)
    assert sizes(line) == [1, 1]


def test_a_view_that_fits_two_parts_is_of_the_older_one_though_that_has_left():
    line = parts(cameras=2)
    line.announce(view(1, 0), ready=True)
    line.judge(judged(1, passed=False))
    assert line.take(1).number == 1
    line.announce(view(2, 3), ready=True)
    line.announce(view(1, 2, camera=1), ready=True)
    assert sizes(line) == [1]


def test_an_old_view_of_a_number_that_the_plc_has_given_again_is_not_of_the_new_part():
    line = parts(cameras=2)
    line.announce(view(2, 10_000, camera=0, trigger_id=5), ready=True)
    line.announce(view(1, 0, camera=1, trigger_id=5), ready=True)
    assert sizes(line) == [1, 1]


def test_a_part_has_the_earliest_deadline_of_its_views():
    line = parts(cameras=2)
    line.announce(view(1, 2, camera=0), ready=True)
    line.announce(view(1, 0, camera=1), ready=True)
    assert line.cutoff_ns() == DEADLINE - CUTOFF
    line.announce(view(2, 100, camera=0), ready=True)
    line.announce(view(2, 102, camera=1), ready=True)
    assert [part.deadline_ns for part in line.waiting] == [DEADLINE, 100 + DEADLINE]


def test_of_parts_and_views_that_have_left_nothing_is_kept_but_a_few():
    """A line that runs for a year."""
    line = parts(cameras=2)
    for number in range(1, 1_000):
        at = number * 100
        line.announce(view(number, at, camera=0), ready=True)
        line.judge(judged(number, passed=False))
        assert line.take(at) is not None
        line.announce(view(number, at, camera=1), ready=True)
    assert not line._by_view
    assert len(line._left) <= 64


def test_the_first_reason_of_a_reject_stands():
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=0), ready=True)
    line.announce(view(1, 0, camera=1), ready=True)
    line.judge(judged(1, passed=False, camera=1))
    line.announce(view(1, 1, camera=0, arrival=Arrival.OVERRUN), ready=True)
    line.reject_all(Reason.ENGINE_FAULT)
    part = line.take(2)
    assert (part.reason, part.decided_by) == (Reason.DEFECT, any_of(1))


def test_a_view_that_is_judged_twice_is_what_was_said_first():
    line = parts()
    line.announce(view(1, 0), ready=True)
    line.judge(judged(1, passed=True))
    line.judge(judged(1, passed=False))
    part = line.take(1)
    assert part.reason is Reason.NONE and part.judgement.passed


def test_a_part_that_nobody_judges_is_told_by_the_camera_that_saw_it_first():
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=1), ready=True)
    line.reject_all(Reason.ENGINE_FAULT)
    assert line.take(1).decided_by == any_of(1)


def test_the_cutoff_is_that_of_the_part_that_has_waited_longest():
    line = parts()
    line.announce(view(1, 0), ready=True)
    line.announce(view(2, 20), ready=True)
    assert line.cutoff_ns() == DEADLINE - CUTOFF


def test_without_a_part_nothing_is_due():
    line = parts()
    assert line.cutoff_ns() is None
    line.announce(view(1, 0), ready=False)
    assert line.take(1) is not None
    assert line.cutoff_ns() is None


def test_a_judgement_is_known_by_camera_and_view_as_long_as_its_part_waits():
    line = parts(cameras=2)
    line.announce(view(3, 0, camera=1), ready=True)
    assert line.knows(judged(3, passed=True, camera=1))
    assert not line.knows(judged(3, passed=True, camera=0))
    assert not line.knows(judged(4, passed=True, camera=1))
    line.take(DEADLINE)
    assert not line.knows(judged(3, passed=True, camera=1))


@pytest.mark.parametrize(("apart", "found"), [(DEADLINE, [2]), (DEADLINE + 1, [1, 1]), (-DEADLINE, [2]), (-DEADLINE - 1, [1, 1])])
def test_a_number_is_of_one_trigger_until_the_deadline_of_the_part_and_not_after_it(apart, found):
    line = parts(cameras=2)
    line.announce(view(1, 1_000, camera=0, trigger_id=5), ready=True)
    line.announce(view(1, 1_000 + apart, camera=1, trigger_id=5), ready=True)
    assert sizes(line) == found


@pytest.mark.parametrize(("others", "complete", "found"), [(63, False, True), (64, False, False), (500, True, True)])
def test_a_late_view_finds_its_part_behind_63_others_that_left_without_one_and_any_number_that_left_complete(others, complete, found):
    line = parts(cameras=2)
    for number in range(1, 2 + others):
        line.announce(view(number, 0, camera=0, trigger_id=number), ready=True)
        if complete and number > 1:
            line.announce(view(number, 0, camera=1, trigger_id=number), ready=True)
        line.judge(judged(number, passed=False))
        assert line.take(1).number == number
    line.announce(view(9_999, 2, camera=1, trigger_id=1), ready=True)
    assert (not line.waiting) is found


def test_the_judgement_of_another_view_than_the_one_that_decided_is_kept_and_decides_nothing():
    """For the stop rules: each camera has a row of its own."""
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=0), ready=True)
    line.announce(view(1, 0, camera=1), ready=True)
    first, second = judged(1, passed=False, camera=1), judged(1, passed=True, camera=0)
    line.judge(first)
    line.judge(second)
    line.judge(judged(1, passed=True, camera=1))
    part = line.take(1)
    assert (part.reason, part.judgement, part.judged) == (Reason.DEFECT, first, {any_of(1): first, any_of(0): second})


def test_a_late_part_is_told_by_the_view_that_nobody_judged_in_time():
    line = parts(cameras=2)
    line.announce(view(1, 0, camera=1), ready=True)
    line.announce(view(1, 0, camera=0), ready=True)
    line.judge(judged(1, passed=True, camera=0))
    part = line.take(DEADLINE - CUTOFF)
    assert (part.reason, part.decided_by, part.judgement) == (Reason.LATE, any_of(1), None)


# -- named views ------------------------------------------------------------------------------------


def picture(key, sequence: int, at: int, *, trigger: int | None = None, trigger_id: int = 0) -> Announcement:
    """A picture of camera and field of view `key`; `trigger` 0: no stamp."""
    return Announcement(0, *key, sequence, sequence, at if trigger is None else trigger, at, at + DEADLINE, trigger_id)


def good(key, sequence: int, *, fov: int | None = None, picked_ns: int = 1) -> Judgement:
    return Judgement(True, 0, key[0], -1, 0, 1, sequence, 0, 0, 0, picked_ns, 2, 3, b"", key[1] if fov is None else fov)


TOP, TURNED, SIDE = (0, 0), (0, 1), (1, 0)


def viewed(*keys) -> Parts:
    return Parts(named(*(keys or (TOP, TURNED, SIDE))), VERDICT, CUTOFF, 20, again_ns=10)


def test_two_fields_of_view_of_one_camera_are_of_one_part():
    line = viewed()
    for sequence, key in ((1, TOP), (2, TURNED), (1, SIDE)):
        line.announce(picture(key, sequence, 4 * sequence), ready=True)
        assert line.take(10) is None
        line.judge(good(key, sequence))
    assert (line.take(10).reason, line.number) == (Reason.NONE, 1)


@pytest.mark.parametrize("missing", [TOP, TURNED, SIDE])
def test_a_view_that_is_missing_is_named(missing):
    line = viewed()
    for sequence, key in ((1, TOP), (2, TURNED), (1, SIDE)):
        if key != missing:
            line.announce(picture(key, sequence, 4), ready=True)
            line.judge(good(key, sequence))
    part = line.take(DEADLINE - CUTOFF + 4)
    assert (part.reason, part.decided_by) == (Reason.NO_IMAGE, missing)


@pytest.mark.parametrize("unnamed", [(0, 2), (3, 0)])
@pytest.mark.parametrize("when", ["first", "last"])
def test_a_picture_that_no_view_names_rejects_its_part_and_is_named(unnamed, when):
    line = viewed(TOP, SIDE)
    pictures = [(TOP, 1), (SIDE, 1)]
    pictures.insert(0 if when == "first" else 2, (unnamed, 5))
    for key, sequence in pictures:
        line.announce(picture(key, sequence, 4), ready=True)
        line.judge(good(key, sequence))
    part = line.take(5)
    assert (part.reason, part.decided_by) == (Reason.NO_RECIPE, unnamed)
    assert line.take(5) is None, "one part"


@pytest.mark.parametrize(("trigger", "number"), [(None, 0), (None, 7), (0, 7)])
@pytest.mark.parametrize("when", ["before the others", "after a pass"])
def test_a_view_that_comes_twice_rejects_its_part_and_begins_none(trigger, number, when):
    line = viewed(TOP, SIDE)
    order = [(TOP, 1), (SIDE, 1)]
    order.insert(1 if when == "before the others" else 2, (TOP, 2))
    for key, sequence in order:
        line.announce(picture(key, sequence, 4, trigger=trigger, trigger_id=number), ready=True)
        line.judge(good(key, sequence))
    part = line.take(5)
    assert (part.reason, part.decided_by) == (Reason.DOUBLED, TOP)
    assert line.take(DEADLINE) is None, "a verdict too many would be the next part's"


def test_a_view_that_comes_again_once_its_part_has_left_begins_none():
    line = viewed(TOP, SIDE)
    for key in (TOP, SIDE):
        line.announce(picture(key, 1, 4), ready=True)
        line.judge(good(key, 1))
    assert line.take(5).reason is Reason.NONE
    line.announce(picture(TOP, 2, 6), ready=True)
    assert line.take(DEADLINE) is None
    line.announce(picture(TOP, 3, 30), ready=True)
    assert line.take(DEADLINE + 30).number == 2


def test_without_stamp_and_number_a_second_picture_is_the_next_parts():
    """It may have waited for this process: then both have come at once."""
    line = viewed(TOP, SIDE)
    for sequence in (1, 2):
        line.announce(picture(TOP, sequence, 4, trigger=0), ready=True)
    for sequence in (1, 2):
        line.announce(picture(SIDE, sequence, 5, trigger=0), ready=True)
    assert sizes(line) == [2, 2]


def test_a_view_that_was_judged_as_another_is_a_fault_and_no_pass():
    line = viewed(TOP)
    line.announce(picture(TOP, 1, 4), ready=True)
    line.judge(good(TOP, 1, fov=1))
    assert line.take(5).reason is Reason.ENGINE_FAULT


def test_a_view_that_is_late_is_named():
    line = viewed(TOP, SIDE)
    for key in (TOP, SIDE):
        line.announce(picture(key, 1, 4), ready=True)
    line.judge(good(TOP, 1))
    part = line.take(4 + DEADLINE - CUTOFF)
    assert (part.reason, part.decided_by) == (Reason.LATE, SIDE)


def test_parts_that_wait_keep_their_views_when_the_recipe_changes():
    """And those that come from then on have the new ones: neither passes with the other's."""
    line = viewed(TOP, SIDE)
    line.announce(picture(TOP, 1, 4), ready=True)
    line.judge(good(TOP, 1))
    line.use(named(TOP))
    line.announce(picture(TOP, 2, 40), ready=True)
    line.judge(good(TOP, 2))
    assert line.take(41) is None, "verdicts leave in the order of their parts"
    first, second = line.take(4 + DEADLINE - CUTOFF), line.take(45)
    assert (first.reason, first.decided_by, second.reason) == (Reason.NO_IMAGE, SIDE, Reason.NONE)


@pytest.mark.parametrize("first_judged", [True, False])
def test_a_part_of_which_two_inspections_judged_a_view_each_does_not_pass(first_judged):
    """The new one judges by its own recipe: the two together are no judgement of the part."""
    line = viewed(TOP, SIDE)
    line.announce(picture(TOP, 1, 4), ready=True)
    if first_judged:
        line.judge(good(TOP, 1, picked_ns=5))
    line.live_ns = 8
    line.announce(picture(SIDE, 1, 9), ready=True)
    line.judge(good(SIDE, 1, picked_ns=10))
    assert line.take(11).reason is Reason.NOT_READY


def test_a_part_of_before_passes_by_the_judgements_of_before():
    line = viewed(TOP, SIDE)
    for key in (TOP, SIDE):
        line.announce(picture(key, 1, 4), ready=True)
    line.live_ns = 8
    for key in (TOP, SIDE):
        line.judge(good(key, 1, picked_ns=5))
    assert line.take(9).reason is Reason.NONE


def test_a_picture_that_was_judged_by_the_inspection_that_came_after_its_part_is_no_pass():
    """The announcement may be read before the board says that another one has the line."""
    line = viewed(TOP)
    line.announce(picture(TOP, 1, 4), ready=True)
    line.live_ns = 5
    line.judge(good(TOP, 1, picked_ns=6))
    assert line.take(7).reason is Reason.NOT_READY
