from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.engine.qualify import metrics
from aoi_daemon.engine.qualify.metrics import Rule


class Found(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


class Truth(NamedTuple):
    boxes: np.ndarray
    classes: np.ndarray


def found(*rows):
    """Rows of (x1, y1, x2, y2, score, class)."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Found(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))


def truth(*rows):
    """Rows of (x1, y1, x2, y2, class)."""
    table = np.array(rows, np.int32).reshape(-1, 5)
    return Truth(table[:, :4], table[:, 4])


A, B, FAR = (0, 0, 10, 10), (20, 20, 30, 30), (50, 50, 60, 60)


def curve_of(answers, labels):
    """A curve from right (True) and wrong answers in falling score."""
    rows = [(*((100 * i, 0, 100 * i + 10, 10) if right else (0, 500, 10, 510)), 1 - i / 100, 0)
            for i, right in enumerate(answers)]  # fmt: skip
    boxes = [(100 * i, 0, 100 * i + 10, 10, 0) for i, right in enumerate(answers) if right]
    boxes += [(0, 900 + 20 * i, 10, 910 + 20 * i, 0) for i in range(labels - len(boxes))]
    matches = metrics.match_all([found(*rows)], [truth(*boxes)], 0.33, 1)
    points = metrics.curve(matches, 0)
    assert points is not None
    return points


def test_iou_by_hand():
    # Two squares of side 10, shifted by 5: 50 shared, 150 together.
    overlap = metrics.iou_matrix(np.array([A]), np.array([(5, 0, 15, 10), A, FAR]))
    assert overlap.tolist() == [[pytest.approx(1 / 3), 1.0, 0.0]]


def test_boxes_without_area_overlap_nothing():
    assert metrics.iou_matrix(np.array([(5, 5, 5, 5)]), np.array([(5, 5, 5, 5)])).tolist() == [[0.0]]


def test_an_overlap_of_a_third_is_found_at_0_33_and_not_at_0_5():
    seen, there = found((5, 0, 15, 10, 0.9, 0)), truth((*A, 0))
    assert metrics.match(seen, there, 0.33).tolist() == [0]
    assert metrics.match(seen, there, 0.5).tolist() == [-1]


def test_another_class_is_wrong_however_well_it_lies():
    assert metrics.match(found((*A, 0.9, 1)), truth((*A, 0)), 0.33).tolist() == [-1]


def test_a_label_is_found_once_by_the_better_score():
    seen = found((0, 0, 10, 9, 0.5, 0), (0, 0, 9, 9, 0.8, 0))
    assert metrics.match(seen, truth((*A, 0)), 0.33).tolist() == [-1, 0]


def test_a_detection_takes_its_best_label_of_those_left():
    # Both lie best on the first label; the second in line takes the other.
    there = truth((0, 0, 10, 10, 0), (4, 0, 14, 10, 0))
    seen = found((0, 0, 10, 10, 0.9, 0), (1, 0, 11, 10, 0.8, 0))
    assert metrics.match(seen, there, 0.33).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("answers", "labels", "area", "voc", "coco"),
    [
        # precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1
        ((True, False, True), 2, (1 + 2 / 3) / 2, (1 + 2 / 3) / 2, (51 + 50 * 2 / 3) / 101),
        # precision 0, 1/2, 2/3 at recall 0, 1/2, 1: smoothing lifts the first half to 2/3
        ((False, True, True), 2, (1 / 2 + 2 / 3) / 2, 2 / 3, 2 / 3),
        ((True, True), 2, 1.0, 1.0, 1.0),
        # one of four found: 26 of 101 points (0 to 0.25)
        ((True,), 4, 0.25, 0.25, 26 / 101),
        ((False, False), 3, 0.0, 0.0, 0.0),
        # seven of ten: the point at 0.7 is reached, though 70 * 0.01 is 0.7000000000000001
        ((True,) * 7, 10, 0.7, 0.7, 71 / 101),
    ],
)
def test_average_precision_by_hand(answers, labels, area, voc, coco):
    points = curve_of(answers, labels)
    assert metrics.average_precision(points, Rule.AREA) == pytest.approx(area)
    assert metrics.average_precision(points, Rule.VOC) == pytest.approx(voc)
    assert metrics.average_precision(points, Rule.COCO) == pytest.approx(coco)


def test_a_class_without_labels_has_no_curve_and_no_part_in_the_mean():
    matches = metrics.match_all([found((*A, 0.9, 0), (*B, 0.8, 1))], [truth((*A, 0))], 0.33, 2)
    assert metrics.average_precisions(matches, Rule.AREA) == [1.0, None]
    assert metrics.mean_average_precision(matches, Rule.AREA) == 1.0


def test_no_detection_at_all_scores_nothing():
    matches = metrics.match_all([found()], [truth((*A, 0))], 0.33, 1)
    assert metrics.mean_average_precision(matches, Rule.COCO) == 0.0
    assert metrics.best_f_score(matches) == (0.0, 0.0, 0.0, 1.0)


def test_no_board_at_all_is_no_error():
    assert metrics.mean_average_precision(metrics.match_all([], [], 0.33, 2), Rule.AREA) == 0.0


def test_map_over_ious_by_hand():
    # The box overlaps by 0.8: right at 0.5, 0.55 ... 0.75 (six of ten; 0.8 itself must be exceeded).
    seen = [found((0, 0, 10, 8, 0.9, 0))]
    assert metrics.map_range(seen, [truth((*A, 0))], 1) == pytest.approx(0.6)


def test_f_score_at_thresholds_by_class_by_hand():
    # Class 0 counts from 0.5, class 1 from 0.9: right .6 (class 0), wrong .7 (class 0), class 1's .8 does not count.
    seen = [found((*A, 0.6, 0), (*FAR, 0.7, 0), (*B, 0.8, 1))]
    matches = metrics.match_all(seen, [truth((*A, 0), (*B, 1))], 0.33, 2)
    precision, recall, f_score, threshold = metrics.f_score_at(matches, np.array([0.5, 0.9]))
    assert (precision, recall, f_score, threshold) == (0.5, 0.5, 0.5, None)


def test_the_best_f_score_by_hand():
    # .9 right, .8 wrong, .7 right, .6 wrong; two labels: F is 2/3, 1/2, 4/5, 2/3.
    rows = [(*A, 0.9, 0), (*FAR, 0.8, 0), (*B, 0.7, 0), (100, 0, 110, 10, 0.6, 0)]
    best = metrics.best_f_score(metrics.match_all([found(*rows)], [truth((*A, 0), (*B, 0))], 0.33, 1))
    assert best.f_score == pytest.approx(0.8)
    assert best.threshold == pytest.approx(0.7)


def test_equal_scores_cannot_be_told_apart_by_a_threshold():
    rows = [(*A, 0.9, 0), (*FAR, 0.9, 0)]
    best = metrics.best_f_score(metrics.match_all([found(*rows)], [truth((*A, 0))], 0.33, 1))
    assert best.precision == 0.5


box = st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(5, 30)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
label = st.builds(lambda b, kind: (*b, kind), box, st.integers(0, 1))
detection = st.builds(lambda b, score, kind: (*b, score / 64, kind), box, st.integers(1, 64), st.integers(0, 1))
board = st.tuples(st.lists(detection, max_size=8), st.lists(label, max_size=5))
tests = st.lists(board, min_size=1, max_size=4)


def split(test):
    return [found(*d) for d, _ in test], [truth(*t) for _, t in test]


@given(tests, st.sampled_from([0.33, 0.5, 0.75]))
def test_each_label_is_taken_once_by_an_overlapping_detection_of_its_class(test, iou):
    for seen, there in zip(*split(test), strict=True):
        taken = metrics.match(seen, there, iou)
        hits = taken[taken >= 0]
        assert len(set(hits.tolist())) == len(hits)
        for row in np.flatnonzero(taken >= 0):
            assert seen.classes[row] == there.classes[taken[row]]
            assert metrics.iou_matrix(seen.boxes[[row]], there.boxes[[taken[row]]])[0, 0] > iou


@given(tests)
def test_no_detection_is_wrong_that_could_have_had_a_label_which_nobody_took(test):
    for seen, there in zip(*split(test), strict=True):
        taken = metrics.match(seen, there, 0.33)
        free = [i for i in range(len(there.boxes)) if i not in taken]
        for row in np.flatnonzero(taken < 0):
            for i in free:
                same = seen.classes[row] == there.classes[i]
                assert not same or metrics.iou_matrix(seen.boxes[[row]], there.boxes[[i]])[0, 0] <= 0.33


@given(tests)
def test_average_precision_is_a_fraction_and_smoothing_never_lowers_it(test):
    matches = metrics.match_all(*split(test), 0.33, 2)
    for kind in range(2):
        points = metrics.curve(matches, kind)
        if points is not None:
            area, voc = (metrics.average_precision(points, rule) for rule in (Rule.AREA, Rule.VOC))
            assert 0.0 <= area <= voc + 1e-12 <= 1.0 + 2e-12
            assert 0.0 <= metrics.average_precision(points, Rule.COCO) <= 1.0


@given(tests)
def test_coco_is_the_mean_of_the_best_precision_beyond_each_recall(test):
    matches = metrics.match_all(*split(test), 0.5, 2)
    for kind in range(2):
        points = metrics.curve(matches, kind)
        if points is not None:
            beyond = [points.precision[points.recall >= r / 100 - 1e-9] for r in range(101)]
            expected = np.mean([p.max() if len(p) else 0.0 for p in beyond])
            assert metrics.average_precision(points, Rule.COCO) == pytest.approx(expected)


@given(tests)
def test_the_truth_itself_scores_one(test):
    _, there = split(test)
    # Labels of one class that overlap could be swapped; one a board cannot.
    there = [Truth(t.boxes[:1], t.classes[:1]) for t in there]
    seen = [Found(t.boxes.astype(np.float32), np.ones(len(t.boxes), np.float32), t.classes) for t in there]
    if any(len(t.boxes) for t in there):
        for iou in (0.33, 0.5, 0.95):
            assert metrics.mean_average_precision(metrics.match_all(seen, there, iou, 2), Rule.COCO) == 1.0


@given(tests)
def test_a_wrong_detection_below_all_others_changes_no_average_precision(test):
    seen, there = split(test)
    before = metrics.average_precisions(metrics.match_all(seen, there, 0.33, 2), Rule.AREA)
    extra = found(*[(*row, s, k) for row, s, k in zip(*map(np.ndarray.tolist, seen[0]), strict=True)],
                  (500, 500, 510, 510, 0.001, 0))  # fmt: skip
    after = metrics.average_precisions(metrics.match_all([extra, *seen[1:]], there, 0.33, 2), Rule.AREA)
    assert before == after


@given(tests, st.floats(0.01, 1.0))
def test_f_is_the_harmonic_mean_and_the_best_is_never_beaten(test, threshold):
    matches = metrics.match_all(*split(test), 0.33, 2)
    point = metrics.f_score_at(matches, np.array([threshold, threshold]))
    if point.precision + point.recall:
        harmonic = 2 * point.precision * point.recall / (point.precision + point.recall)
        assert point.f_score == pytest.approx(harmonic)
    assert point.f_score <= metrics.best_f_score(matches).f_score + 1e-12
