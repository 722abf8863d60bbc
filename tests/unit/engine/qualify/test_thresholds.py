import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.engine.qualify.metrics import iou_matrix, match
from aoi_daemon.engine.qualify.thresholds import LEAST_SCORE, recommend
from tests.unit.engine.qualify.test_metrics import FAR, A, B, found, split, tests, truth


def one(rows, labels, least=LEAST_SCORE):
    return recommend([found(*rows)], [truth(*labels)], 1, least)[0]


def test_the_middle_of_the_gap_is_taken():
    row = one([(*A, 0.8, 0), (*FAR, 0.2, 0)], [(*A, 0)])
    assert row == (pytest.approx(0.5), 1, 0, 0)


def test_no_defect_is_given_up_for_fewer_false_calls():
    # The true defect scores below a false one: both count.
    row = one([(*A, 0.3, 0), (*FAR, 0.9, 0), (100, 100, 110, 110, 0.1, 0)], [(*A, 0)])
    assert 0.1 < row.threshold <= 0.3
    assert (row.missed, row.false_calls) == (0, 1)


def test_a_defect_that_nothing_reaches_does_not_drag_the_threshold_down():
    row = one([(*A, 0.8, 0), (*B, 0.01, 0)], [(*A, 0), (*B, 0)])
    assert row.threshold == pytest.approx((0.8 + LEAST_SCORE) / 2, abs=1e-3)
    assert row.missed == 1


def test_what_touches_a_label_is_no_false_call():
    # The wrong class on a defect still rejects a bad board.
    rows = recommend([found((*A, 0.9, 1), (*A, 0.6, 0))], [truth((*A, 0))], 2)
    assert rows[1].false_calls == 0


def test_a_class_without_labels_counts_from_above_its_false_calls():
    row = one([(*A, 0.7, 0)], [])
    assert 0.7 < row.threshold < 1
    assert row.false_calls == 0
    assert one([], []).threshold == 0.5


@given(tests, st.floats(LEAST_SCORE, 1.0))
def test_no_threshold_misses_fewer_and_none_that_misses_as_few_calls_falsely_less(test, threshold):
    seen, there = split(test)
    for kind, row in enumerate(recommend(seen, there, 2)):
        missed = false = 0
        for answer, labels in zip(seen, there, strict=True):
            taken = match(answer, labels, 0.33)
            counts = (answer.scores >= threshold) & (answer.classes == kind)
            missed += sum(not (counts & (taken == i)).any() for i in np.flatnonzero(labels.classes == kind))
            false += int((counts & ~iou_matrix(answer.boxes, labels.boxes).any(axis=1)).sum())
        assert (row.missed, row.false_calls if row.missed == missed else 0) <= (missed, false)


@given(tests, st.floats(0.0, 0.4))
def test_a_threshold_is_a_score(test, least):
    for row in recommend(*split(test), 2, least):
        assert 0 <= row.threshold <= 1
        assert row.threshold == round(row.threshold, 4)
