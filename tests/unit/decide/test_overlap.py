"""Overlap suppression."""

import numpy as np
import pytest

from aoi_daemon.decide.overlap import suppress_overlaps


def kept(rows, overlap=0.5):
    """Rows of (class, score, x1, y1, x2, y2)."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return suppress_overlaps(table[:, 2:], table[:, 1], table[:, 0].astype(np.int32), overlap).tolist()


def plain(rows, overlap):
    """The same, as a textbook has it."""
    left = sorted(range(len(rows)), key=lambda i: -np.float32(rows[i][1]))
    stays = []
    while left:
        best = left.pop(0)
        stays.append(best)
        left = [i for i in left if rows[i][0] != rows[best][0] or iou(rows[i], rows[best]) <= overlap]
    return stays


def iou(a, b):
    width = max(0.0, min(a[4], b[4]) - max(a[2], b[2]))
    height = max(0.0, min(a[5], b[5]) - max(a[3], b[3]))
    area = (a[4] - a[2]) * (a[5] - a[3]) + (b[4] - b[2]) * (b[5] - b[3]) - width * height
    return width * height / area if area else 0.0


def test_the_better_of_two_that_overlap_stays():
    """IoU 9/11 of two boxes of 10 x 10, one px apart."""
    rows = [(0, 0.5, 0, 0, 10, 10), (0, 0.6, 1, 0, 11, 10)]
    assert kept(rows) == [1]
    assert kept(rows, overlap=0.9) == [1, 0]


def test_boxes_of_two_classes_never_suppress_each_other():
    """Not even when they are equal."""
    assert kept([(0, 0.5, 0, 0, 10, 10), (1, 0.6, 0, 0, 10, 10)]) == [1, 0]


def test_a_box_that_is_left_out_suppresses_none():
    """A chain of three: the middle one goes, the last one stays."""
    chain = [(0, 0.9, 0, 0, 10, 10), (0, 0.8, 3, 0, 13, 10), (0, 0.7, 6, 0, 16, 10)]
    assert kept(chain, overlap=0.5) == [0, 2]


def test_boxes_without_area_stay():
    """There is no ratio to exceed."""
    assert kept([(0, 0.9, 5, 5, 5, 5), (0, 0.8, 5, 5, 5, 5)], overlap=0.0) == [0, 1]


@pytest.mark.parametrize("swapped", [(10, 0, 0, 10), (0, 10, 10, 0), (10, 10, 0, 0)], ids=["x", "y", "both"])
@pytest.mark.parametrize("other", [(100, 100, 105, 105), (2, 2, 8, 8)], ids=["far", "inside"])
@pytest.mark.parametrize("scores", [(0.9, 0.8), (0.8, 0.9)], ids=["better", "worse"])
def test_a_box_with_its_corners_swapped_overlaps_nothing(swapped, other, scores):
    """Below what counts nobody has refused it, and figures are measured there."""
    rows = [(0, scores[0], *swapped), (0, scores[1], *other)]
    assert sorted(kept(rows)) == [0, 1]


def test_an_overlap_of_1_leaves_all():
    """Equal boxes do not overlap by more than all."""
    assert kept([(0, 0.9, 0, 0, 4, 4)] * 3, overlap=1.0) == [0, 1, 2]


def test_none_and_one_are_left_alone():
    """Nothing to compare."""
    assert kept([]) == []
    assert kept([(0, 0.9, 0, 0, 4, 4)]) == [0]


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_the_textbook(seed):
    """Up to 400 boxes of three classes on whole pixels, where no rounding decides."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 401))
    corner, size = rng.integers(0, 30 * (1 + seed % 8), (count, 2)), rng.integers(1, 40, (count, 2))
    scores, classes = rng.permutation(count) / count, rng.integers(0, 3, count)
    rows = np.column_stack((classes, scores, corner, corner + size)).tolist()
    assert kept(rows, 0.3) == plain(rows, 0.3)


def test_each_row_is_looked_at_once_however_many_there_are():
    """Apart, of equal score: all of them, in their order; and each twice, of several blocks: one of each two."""
    boxes = np.array([(10 * i, 0, 10 * i + 5, 5) for i in range(300)], np.float32)
    scores, classes = np.full(300, 0.5, np.float32), np.zeros(300, np.int32)
    assert suppress_overlaps(boxes, scores, classes, 0.5).tolist() == list(range(300))
    twice = suppress_overlaps(np.concatenate((boxes, boxes)), np.repeat(scores, 2), np.repeat(classes, 2), 0.5)
    assert twice.tolist() == list(range(300))


def test_boxes_below_one_px_have_the_area_that_they_have():
    """0.4 px wide, and half of it shared: a third."""
    boxes = np.array([(0, 0, 0.4, 10), (0.2, 0, 0.6, 10)], np.float32)
    for overlap, stay in ((0.3, 1), (0.36, 2)):
        assert len(suppress_overlaps(boxes, np.array([0.9, 0.8], np.float32), np.zeros(2, np.int32), overlap)) == stay


def test_a_swapped_box_that_is_long_leaves_out_nothing_small():
    boxes = np.array([(10, 0, 5, 100), (300, 300, 301, 301), (0, 40, 100, 35)], np.float32)
    assert len(suppress_overlaps(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int32), 0.5)) == 3


def test_rows_of_equal_score_keep_their_order_among_many():
    rng = np.random.default_rng(2)
    scores = rng.choice(np.array([0.7, 0.8, 0.9], np.float32), 800)
    boxes = np.array([(10 * (i % 60), 10 * (i // 60), 10 * (i % 60) + 5, 10 * (i // 60) + 5) for i in range(800)], np.float32)
    stays = suppress_overlaps(boxes, scores, np.zeros(800, np.int32), 0.5)
    assert stays.tolist() == sorted(range(800), key=lambda i: -scores[i])


def test_boxes_without_area_stay_once_however_many():
    """They overlap nothing, themselves neither: no block may have one that is in the next block too."""
    boxes = np.zeros((300, 4), np.float32)
    assert suppress_overlaps(boxes, np.full(300, 0.5, np.float32), np.zeros(300, np.int32), 0.0).tolist() == list(range(300))
