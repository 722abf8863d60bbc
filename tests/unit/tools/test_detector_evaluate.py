"""The figures: matching, average precision, suppression and escapes, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tools.detector.evaluate import (
    Detections,
    Truth,
    best_threshold,
    curves,
    iou_matrix,
    match,
    mean_average_precision,
    operating_points,
    summary,
    suppress,
)

BOX = (10, 10, 30, 30)
FAR = (50, 50, 70, 70)


def found(*rows):
    """Rows of (box, score, class)."""
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int32),
    )


def truth(*rows):
    """Rows of (box, class)."""
    return Truth(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4), np.array([row[1] for row in rows], np.int32)
    )


def test_iou_of_known_boxes():
    """A box with itself, with its half, with one elsewhere."""
    boxes = np.array([BOX, (10, 10, 30, 20), FAR], np.float32)
    assert iou_matrix(boxes[:1], boxes)[0].tolist() == pytest.approx([1.0, 0.5, 0.0])


def test_a_label_counts_once_and_for_the_best_score():
    """Of two detections on one label the surer one is right."""
    right = match(found((BOX, 0.5, 0), (BOX, 0.9, 0)), truth((BOX, 0)), 0.33)
    assert right.tolist() == [False, True]


def test_a_detection_of_another_class_is_wrong():
    """However well the box fits."""
    assert not match(found((BOX, 0.9, 1)), truth((BOX, 0)), 0.33).any()


def test_iou_must_exceed_the_threshold():
    """A half-covered label is found at 0.33 and not at 0.5."""
    half = (10, 10, 30, 20)
    assert match(found((half, 0.9, 0)), truth((BOX, 0)), 0.33).all()
    assert not match(found((half, 0.9, 0)), truth((BOX, 0)), 0.5).any()


def test_average_precision_by_hand():
    """Right, wrong, right over two labels: (1/1 + 2/3) / 2."""
    detections = [found((BOX, 0.9, 2), ((0, 0, 5, 5), 0.8, 2), (FAR, 0.7, 2))]
    labels = [truth((BOX, 2), (FAR, 2))]
    curve = curves(detections, labels, 0.33)[2]
    assert curve.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert curve.recall.tolist() == pytest.approx([0.5, 0.5, 1.0])
    assert mean_average_precision(detections, labels, 0.33) == pytest.approx((1 + 2 / 3) / 2)


def test_classes_without_labels_are_left_out_of_the_mean():
    """A false detection of an absent class costs no average precision, only precision."""
    detections = [found((BOX, 0.9, 0), (FAR, 0.9, 5))]
    assert mean_average_precision(detections, [truth((BOX, 0))], 0.33) == 1.0
    (point,) = operating_points(detections, [truth((BOX, 0))], [0.5])
    assert (point.precision, point.recall) == (0.5, 1.0)


def test_suppression_keeps_the_best_of_each_class():
    """Overlapping boxes of one class become one; another class stays."""
    kept = suppress(found((BOX, 0.9, 0), ((11, 11, 31, 31), 0.8, 0), (BOX, 0.7, 1), (FAR, 0.6, 0)))
    assert kept.scores.tolist() == pytest.approx([0.9, 0.7, 0.6])


def test_escapes_and_false_calls_are_counted_by_board():
    """A bad board with nothing found escapes; a good board with anything found is a false call."""
    detections = [found((BOX, 0.9, 0)), found((BOX, 0.3, 0)), found((FAR, 0.6, 1)), found()]
    labels = [truth((BOX, 0)), truth((BOX, 0), (FAR, 1)), truth(), truth()]
    (point,) = operating_points(detections, labels, [0.5])
    assert (point.escapes, point.bad_boards, point.escape_rate) == (1, 2, 0.5)
    assert (point.false_calls, point.good_boards) == (1, 2)


def test_the_best_threshold_separates_right_from_wrong():
    """Between the wrong detections below 0.3 and the right ones above 0.7."""
    detections = [found((BOX, 0.7, 0), (FAR, 0.3, 0))] * 3
    assert 0.3 < best_threshold(detections, [truth((BOX, 0))] * 3) <= 0.7


def test_no_detections_at_all_are_figures_and_no_crash():
    """An untrained network finds nothing."""
    figures = summary([found()], [truth((BOX, 0))], 0.5)
    assert figures["map_iou33"] == 0.0
    assert figures["at_threshold"]["escapes"] == 1
