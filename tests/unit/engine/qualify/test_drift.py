import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.engine.qualify.drift import drift
from aoi_daemon.infer.executor import Detections

HALF = np.array([0.5, 0.5])


def boxes(*rows):
    """Detections from (x, score, class): squares of 20 px at x, 0."""
    table = np.array(rows, np.float64).reshape(-1, 3)
    left, zero = table[:, 0], np.zeros(len(table))
    corners = np.stack([left, zero, left + 20, zero + 20], axis=1).astype(np.float32)
    return Detections(corners, table[:, 1].astype(np.float32), table[:, 2].astype(np.int32))


def test_the_same_boxes_have_not_moved():
    found = [boxes((0, 0.9, 0), (100, 0.3, 1)), boxes()]
    seen = drift(found, found, HALF, flips=0)
    assert (seen.boxes, seen.lost, seen.extra, seen.least_iou, seen.score_rms, seen.share) == (1, 0, 0, 1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("here", "lost", "extra"),
    [
        (boxes((0, 0.49, 0)), 1, 0),  # below its threshold
        (boxes((0, 0.9, 1)), 1, 1),  # of another class
        (boxes((7, 0.9, 0)), 1, 1),  # an IoU of 0.48
        (boxes((6, 0.9, 0)), 0, 0),  # an IoU of 0.54
        (boxes((0, 0.9, 0), (100, 0.5, 0)), 0, 1),
        (boxes(), 1, 0),
    ],
)
def test_a_box_is_lost_or_extra_by_its_class_place_and_score(here, lost, extra):
    seen = drift([here], [boxes((0, 0.9, 0))], HALF, flips=0)
    assert (seen.boxes, seen.lost, seen.extra, seen.wrong) == (1, lost, extra, lost + extra)


def test_how_far_scores_moved_is_seen_where_no_box_is_lost_and_below_the_threshold_too():
    seen = drift([boxes((0, 0.8, 0), (100, 0.3, 0))], [boxes((0, 0.9, 0), (100, 0.6, 0))], HALF, flips=0)
    assert seen.score_rms == pytest.approx(np.sqrt((0.1**2 + 0.3**2) / 2), abs=1e-6)
    assert drift([boxes()], [boxes((0, 0.9, 0))], HALF, flips=0).score_rms == pytest.approx(0.9)


def test_the_least_overlap_is_of_the_boxes_that_are_there_in_both():
    seen = drift([boxes((2, 0.9, 0), (104, 0.9, 0))], [boxes((0, 0.9, 0), (100, 0.9, 0))], HALF, flips=0)
    assert seen.least_iou == pytest.approx(16 / 24)


def test_a_verdict_counts_before_a_box_and_a_box_before_scores():
    reference = [boxes((0, 0.9, 0), (100, 0.9, 0))]
    scores = drift([boxes((0, 0.6, 0), (100, 0.6, 0))], reference, HALF, flips=0)
    lost = drift([boxes((0, 0.9, 0))], reference, HALF, flips=0)
    flipped = drift(reference, reference, HALF, flips=1)
    assert scores.rank < lost.rank < flipped.rank
    assert str(lost) == "1 of 2 boxes lost, 0 extra, 0 flips"


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10), st.integers(0, 1)), max_size=8),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10), st.integers(0, 1)), max_size=8),
)
def test_what_is_lost_one_way_is_extra_the_other(one, other):
    """Also of no box at all: nothing divides by zero."""
    here, there = (boxes(*[(50 * x, score / 10, kind) for x, score, kind in rows]) for rows in (one, other))
    forth, back = drift([here], [there], HALF, flips=0), drift([there], [here], HALF, flips=0)
    assert (forth.lost, forth.extra) == (back.extra, back.lost)
    assert forth.lost <= forth.boxes and 0 <= forth.score_rms <= 1 and forth.least_iou > 0.5
