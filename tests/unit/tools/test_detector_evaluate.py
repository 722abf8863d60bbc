"""The trainer's figures: average precision, suppression, thresholds and escapes, by values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aoi_daemon.kit.boards.labels import CLASS_NAMES
from tools.detector.evaluate import (
    Detections,
    Truth,
    best_threshold,
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


def test_average_precision_is_deeppcbs_by_hand():
    """Right, wrong, right over two labels: (1/1 + 2/3) / 2, the area under the curve as it is."""
    detections = [found((BOX, 0.9, 2), ((0, 0, 5, 5), 0.8, 2), (FAR, 0.7, 2))]
    labels = [truth((BOX, 2), (FAR, 2))]
    assert mean_average_precision(detections, labels, 0.33) == pytest.approx((1 + 2 / 3) / 2)
    figures = summary(detections, labels, 0.5)
    assert figures["map_iou33"] == figures["map_iou50_95"] == pytest.approx((1 + 2 / 3) / 2)
    assert figures["ap_iou33"] == {CLASS_NAMES[2]: pytest.approx((1 + 2 / 3) / 2)}


def test_operating_points_are_of_matches_at_deeppcbs_iou():
    """A half-covered label is found, though COCO's 0.5 would not have it; the same label twice is once wrong."""
    half = (10, 10, 30, 20)
    (point,) = operating_points([found((half, 0.9, 0), (BOX, 0.8, 0), (FAR, 0.7, 1))], [truth((BOX, 0))], [0.75])
    assert (point.precision, point.recall, point.f_score) == (0.5, 1.0, pytest.approx(2 / 3))
    assert summary([found((half, 0.9, 0))], [truth((BOX, 0))], 0.5)["map_iou50"] == 0.0


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
