"""Stop rules and process feedback."""

import math

import pytest

from aoi_daemon.config.recipe import StopRules
from aoi_daemon.decide.rules import ProcessFeedback, StopCause, StopWatch
from aoi_daemon.messages import Defect, Reason


def watch(px_per_unit=1.0, **rules):
    settings = {"same_place": 3, "same_place_radius": 20.0, "reject_percent": 0.0, "window": 100, **rules}
    return StopWatch(StopRules(**settings), px_per_unit)


def defect(x, y, label=0):
    return Defect(label, 0.9, x - 5.0, y - 5.0, x + 5.0, y + 5.0)


def saw(stop_watch, *defects, fov=0, camera=0):
    """A part of one view, judged."""
    stop = stop_watch.saw_part(Reason.DEFECT if defects else Reason.NONE)
    return stop_watch.saw_view(fov, camera, defects) or stop


def test_more_than_so_many_at_one_place_in_a_row_stop_the_line():
    """Three are allowed, the fourth stops; the stop says where and how often."""
    line = watch()
    assert [saw(line, defect(100, 100)) for _ in range(3)] == [None] * 3
    assert line.permitted
    stop = saw(line, defect(104, 100), fov=0)
    assert (stop.cause, stop.parts, stop.label, stop.x_px, stop.y_px) == (StopCause.SAME_PLACE, 4, 0, 104, 100)
    assert not line.permitted


def test_a_pass_ends_the_row():
    """Three, a good part, three: no stop."""
    line = watch()
    for _ in range(3):
        saw(line, defect(100, 100))
    saw(line)
    assert [saw(line, defect(100, 100)) for _ in range(3)] == [None] * 3
    assert line.permitted


def test_another_place_or_another_class_ends_the_row():
    """All of class, place and field of view must agree."""
    for other in (defect(121, 100), defect(100, 100, label=1)):
        line = watch()
        for _ in range(3):
            saw(line, defect(100, 100))
        assert saw(line, other) is None
        assert saw(line, defect(100, 100)) is None


def test_a_field_of_view_has_a_row_of_its_own():
    """Good views of other fields between do not end it, and bad ones do not lengthen it."""
    line = watch()
    for _ in range(3):
        assert saw(line, defect(100, 100), fov=1) is None
        assert saw(line, fov=2) is None
        assert saw(line, fov=1, camera=1) is None
    assert saw(line, defect(100, 100), fov=3) is None
    assert saw(line, defect(100, 100), fov=1).fov == 1


def test_a_part_that_was_not_judged_neither_ends_nor_lengthens_a_row():
    """LATE says nothing about the place."""
    line = watch()
    for _ in range(3):
        saw(line, defect(100, 100))
        line.saw_part(Reason.LATE)
    assert line.permitted
    assert saw(line, defect(100, 100)) is not None


def test_a_part_beside_its_place_was_not_looked_at():
    """REGISTRATION neither ends nor lengthens a row."""
    line = watch()
    for _ in range(3):
        saw(line, defect(100, 100))
    assert line.saw_part(Reason.REGISTRATION) is None
    assert saw(line, defect(100, 100)) is not None


def test_a_place_may_drift():
    """Each part is compared with the one before."""
    line = watch()
    stops = [saw(line, defect(100 + 15 * i, 100)) for i in range(4)]
    assert stops[3].x_px == 145


def test_one_of_several_defects_is_enough():
    """The row is that of the place, not of the worst defect."""
    line = watch()
    for i in range(3):
        assert saw(line, defect(300 + 50 * i, 20), defect(100, 100, label=2), defect(50, 300 - 50 * i)) is None
    assert saw(line, defect(10, 10), defect(100, 100, label=2)).label == 2


def test_the_radius_is_in_the_recipes_unit():
    """0.5 mm at 48 px/mm are 24 px."""
    near = watch(48.0, same_place_radius=0.5, same_place=1)
    saw(near, defect(100, 100))
    assert saw(near, defect(124, 100)) is not None
    far = watch(48.0, same_place_radius=0.5, same_place=1)
    saw(far, defect(100, 100))
    assert saw(far, defect(125, 100)) is None


def test_0_turns_a_rule_off():
    """Neither rule is left here."""
    line = watch(same_place=0, reject_percent=0.0)
    assert [saw(line, defect(100, 100)) for _ in range(500)] == [None] * 500


def test_more_than_so_many_bad_parts_in_the_window_stop_the_line():
    """3 % of 100: the fourth one, wherever the defects are."""
    line = watch(same_place=0, reject_percent=3.0)
    for i in range(3):
        assert saw(line, defect(i * 100, 0)) is None
        for _ in range(30):
            assert saw(line) is None
    stop = saw(line, defect(500, 0))
    assert (stop.cause, stop.parts) == (StopCause.REJECT_RATE, 4)


def test_bad_parts_leave_the_window():
    """The first of four is 100 parts ago when the last one comes."""
    line = watch(same_place=0, reject_percent=3.0)
    saw(line, defect(0, 0))
    for _ in range(2):
        saw(line, defect(0, 0))
        for _ in range(48):
            saw(line)
    saw(line)
    assert saw(line, defect(0, 0)) is None
    assert line.permitted


def test_the_first_bad_part_alone_is_no_rate():
    """Right after a reset the missing parts are taken as good."""
    line = watch(same_place=0, reject_percent=3.0)
    assert saw(line, defect(0, 0)) is None


def test_the_rate_is_met_as_soon_as_it_is_certain():
    """Four bad ones among the first ten: the first hundred will hold more than 3 %."""
    line = watch(same_place=0, reject_percent=3.0)
    stops = [saw(line, defect(0, 0)) for _ in range(4)]
    assert stops[3].cause is StopCause.REJECT_RATE


@pytest.mark.parametrize("reason", [r for r in Reason if r not in (Reason.NONE, Reason.DEFECT, Reason.REGISTRATION)])
def test_rejects_for_the_inspections_own_faults_stop_no_line(reason):
    """They have their alarms, and READY."""
    line = watch(reject_percent=3.0)
    assert [line.saw_part(reason) for _ in range(200)] == [None] * 200


def test_a_part_beside_its_place_counts_for_the_rate():
    """The process put it there."""
    line = watch(reject_percent=3.0)
    assert [line.saw_part(Reason.REGISTRATION) is None for _ in range(4)] == [True, True, True, False]


def test_only_a_reset_permits_the_run_again():
    """Good parts do not; the reset forgets what was seen, so the next bad part does not stop at once."""
    line = watch(reject_percent=3.0)
    for _ in range(4):
        saw(line, defect(100, 100))
    for _ in range(1000):
        assert saw(line) is None
    assert not line.permitted
    line.reset()
    assert line.permitted
    assert saw(line, defect(100, 100)) is None


def test_a_reset_forgets_the_places():
    """Another three at the same place are allowed."""
    line = watch()
    for _ in range(4):
        saw(line, defect(100, 100))
    line.reset()
    assert [saw(line, defect(100, 100)) for _ in range(3)] == [None] * 3


def test_a_camera_has_a_row_of_its_own():
    """Two cameras at one place in turn: the second one's fourth part stops the line."""
    line = watch()
    for _ in range(3):
        assert saw(line, defect(100, 100), camera=1) is None
        assert saw(line, camera=0) is None
    assert saw(line, defect(100, 100), camera=1).camera == 1


def test_the_stop_is_told_once_and_kept():
    """What comes after it does not replace its cause."""
    line = watch(reject_percent=3.0, same_place=1)
    saw(line, defect(100, 100))
    first = saw(line, defect(100, 100))
    assert first.cause is StopCause.SAME_PLACE
    assert [saw(line, defect(100, 100)) for _ in range(10)] == [None] * 10
    assert line.stop is first


def test_feedback_tells_the_rate_in_tenths_of_a_percent():
    """1 of 3 is 33.4 %, rounded up: a reject is never shown as 0."""
    feedback = ProcessFeedback(window=10, class_count=3)
    assert feedback.reject_per_mille == 0
    feedback.add(passed=False, worst_class=1)
    feedback.add(passed=True)
    feedback.add(passed=True)
    assert feedback.reject_per_mille == 334


def test_feedback_tells_the_most_frequent_class():
    """-1 where there is none; the lowest of equals."""
    feedback = ProcessFeedback(window=4, class_count=3)
    assert feedback.most_frequent_class == -1
    for label in (2, 1):
        feedback.add(passed=False, worst_class=label)
    assert feedback.most_frequent_class == 1
    feedback.add(passed=False, worst_class=2)
    assert feedback.most_frequent_class == 2


def test_feedback_forgets_what_leaves_the_window():
    """Rate and class alike."""
    feedback = ProcessFeedback(window=4, class_count=3)
    for _ in range(4):
        feedback.add(passed=False, worst_class=2)
    for _ in range(4):
        feedback.add(passed=True)
    assert (feedback.reject_per_mille, feedback.most_frequent_class, feedback.parts) == (0, -1, 4)


def test_feedback_takes_a_class_that_it_does_not_know():
    """After a reload with another bundle a late record may name one."""
    feedback = ProcessFeedback(window=4, class_count=3)
    feedback.add(passed=False, worst_class=7)
    assert (feedback.reject_per_mille, feedback.most_frequent_class) == (1000, -1)


def test_a_stop_by_the_rate_has_no_place():
    line = watch(same_place=0, reject_percent=39.8, window=10)
    assert [line.saw_part(Reason.DEFECT) for _ in range(3)] == [None] * 3
    stop = line.saw_part(Reason.DEFECT)
    assert (stop.cause, stop.parts, stop.camera, stop.fov, stop.label) == (StopCause.REJECT_RATE, 4, 0, 0, -1)
    assert math.isnan(stop.x_px) and math.isnan(stop.y_px)


def test_after_a_reset_the_rate_is_as_for_a_new_line():
    """What was bad before does not count for it, nor against what is bad now."""
    line = watch(same_place=0, reject_percent=30.0, window=10)
    for _ in range(2):
        assert [line.saw_part(Reason.DEFECT) is not None for _ in range(4)] == [False, False, False, True]
        line.reset()
    assert line.permitted


def test_a_class_that_is_not_known_leaves_the_window_as_it_came():
    """The first beyond the bundle's, too."""
    feedback = ProcessFeedback(window=2, class_count=3)
    feedback.add(passed=False, worst_class=3)
    feedback.add(passed=False, worst_class=99)
    feedback.add(passed=False, worst_class=2)
    assert feedback.most_frequent_class == 2
    feedback.add(passed=True)
    feedback.add(passed=True)
    assert (feedback.reject_per_mille, feedback.most_frequent_class) == (0, -1)
