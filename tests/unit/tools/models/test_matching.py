"""Two sides agree or they do not: held by an invariant for each kind of difference, on generated detections."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.models.matching import Boxes, iou, match_boxes, match_labels, match_maps, match_verdicts

THRESHOLD = 0.25


@st.composite
def detections(draw, *, least=1):
    """Boxes that are apart from each other, several classes and pictures, and duplicates of some."""
    count = draw(st.integers(least, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    corner = np.stack((np.arange(count) * 40.0, rng.uniform(0, 30, count)), axis=1)
    boxes = np.concatenate((corner, corner + rng.uniform(5, 30, (count, 2))), axis=1)
    found = Boxes(rng.integers(0, 3, count), boxes, rng.uniform(THRESHOLD + 0.01, 1, count), rng.integers(0, 3, count))
    return found, rng


def taken(of: Boxes, rows) -> Boxes:
    return Boxes(*(column[rows] for column in of))


def within_bounds(of: Boxes, rng) -> Boxes:
    """The same detections in another order, moved by less than the bounds allow."""
    rows = rng.permutation(len(of.scores))
    scores = of.scores + rng.uniform(-0.0009, 0.0009, len(of.scores))
    boxes = of.boxes + rng.uniform(-1e-3, 1e-3, of.boxes.shape)
    return taken(Boxes(of.picture, boxes, scores, of.labels), rows)


@given(detections())
def test_what_lies_within_the_bounds_agrees_in_any_order(given_):
    theirs, rng = given_
    found = match_boxes(theirs, within_bounds(theirs, rng), threshold=THRESHOLD)
    assert found.holds
    assert (found.n, found.missing, found.extra, found.near) == (len(theirs.scores), 0, 0, 0)
    assert found.score <= 0.001 and found.overlap >= 0.99


@given(detections(), st.data())
def test_each_box_that_one_side_lacks_is_counted_once(given_, data):
    theirs, rng = given_
    gone = data.draw(st.sets(st.integers(0, len(theirs.scores) - 1)))
    kept = [row for row in range(len(theirs.scores)) if row not in gone]
    ours = within_bounds(taken(theirs, kept), rng)
    found = match_boxes(theirs, ours, threshold=THRESHOLD)
    assert (found.n, found.missing, found.extra, found.near) == (len(kept), len(gone), 0, 0)
    assert found.holds is (not gone)
    other = match_boxes(ours, theirs, threshold=THRESHOLD)
    assert (other.n, other.missing, other.extra) == (len(kept), 0, len(gone))


@given(detections(), st.floats(0.002, 0.2))
def test_a_score_beyond_the_bound_differs_and_is_told(given_, by):
    theirs, _ = given_
    ours = theirs._replace(scores=np.concatenate(([theirs.scores[0] - by], theirs.scores[1:])))
    found = match_boxes(theirs, ours, threshold=0.0)
    assert (found.beyond, found.missing, found.extra) == (1, 0, 0)
    assert found.score == pytest.approx(by)
    assert not found.holds and "scores differ" in found.examples[0]


@given(detections(), st.floats(1.0, 2.0))
def test_a_box_that_is_moved_differs_and_is_told(given_, by):
    theirs, _ = given_
    boxes = theirs.boxes.copy()
    boxes[0] += by
    found = match_boxes(theirs, theirs._replace(boxes=boxes), threshold=THRESHOLD)
    assert not found.holds
    assert found.beyond + found.missing >= 1


@given(detections())
def test_another_class_is_missing_there_and_extra_here(given_):
    theirs, _ = given_
    labels = theirs.labels.copy()
    labels[0] += 10
    found = match_boxes(theirs, theirs._replace(labels=labels), threshold=THRESHOLD)
    assert (found.missing, found.extra) == (1, 1)


@given(detections(), st.floats(-0.0009, 0.0009), st.booleans())
def test_at_the_threshold_one_side_may_have_it_alone(given_, by, is_ours):
    """Rounding decides there: it is counted, and is no fault; a little further away it is one."""
    theirs, _ = given_
    for apart, near in ((by, 1), (0.0021, 0)):
        scores = theirs.scores.copy()
        scores[0] = THRESHOLD + apart
        more = theirs._replace(scores=scores)
        less = taken(more, np.arange(1, len(scores)))
        found = match_boxes(less, more, threshold=THRESHOLD) if is_ours else match_boxes(more, less, threshold=THRESHOLD)
        assert (found.near, found.missing + found.extra) == (near, 1 - near)


def test_at_the_overlap_by_which_duplicates_are_left_out_one_side_may_have_it_alone():
    box = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.02]])
    both = Boxes(np.zeros(2, np.int64), box, np.array([0.9, 0.8]), np.zeros(2, np.int64))
    one = taken(both, [0])
    assert match_boxes(one, both, threshold=THRESHOLD, overlap=0.5).near == 1
    assert match_boxes(one, both, threshold=THRESHOLD, overlap=0.6).extra == 1
    assert match_boxes(one, both, threshold=THRESHOLD).extra == 1


@given(detections())
def test_duplicates_are_told_apart_only_where_the_two_sides_leave_them_out_by_other_rules(given_):
    theirs, _ = given_
    twin = taken(theirs, [0])
    twin = twin._replace(boxes=twin.boxes + 0.9, scores=twin.scores - 0.005)
    ours = Boxes(*(np.concatenate(columns) for columns in zip(theirs, twin, strict=True)))
    assert match_boxes(theirs, ours, threshold=0.0).extra == 1
    found = match_boxes(theirs, ours, threshold=0.0, duplicates=True)
    assert (found.duplicates, found.extra, found.holds) == (1, 0, True)
    # A twin that scores more is what the verdict goes by, and one that is apart is another thing.
    for changed in (twin._replace(scores=twin.scores + 0.1), twin._replace(boxes=twin.boxes + 5000)):
        ours = Boxes(*(np.concatenate(columns) for columns in zip(theirs, changed, strict=True)))
        assert match_boxes(theirs, ours, threshold=0.0, duplicates=True).extra == 1


@given(st.integers(2, 8), st.integers(0, 2**32))
def test_boxes_of_one_place_are_paired_so_that_all_find_their_own(count, seed):
    """Greedy pairing by overlap alone would leave some over: they share one box, and scores lie a bound apart."""
    rng = np.random.default_rng(seed)

    def anywhere():
        return np.tile([[0.0, 0.0, 100.0, 100.0]], (count, 1)) + rng.uniform(-0.05, 0.05, (count, 4))

    scores, labels = 0.5 + np.arange(count) * 0.0009, np.zeros(count, np.int64)
    theirs = taken(Boxes(labels, anywhere(), scores, labels), rng.permutation(count))
    ours = taken(Boxes(labels, anywhere(), scores + 0.0005, labels), rng.permutation(count))
    found = match_boxes(theirs, ours, threshold=THRESHOLD)
    assert (found.n, found.holds) == (count, True)


def test_nothing_on_both_sides_agrees_and_counts_nothing():
    none = Boxes(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))
    found = match_boxes(none, none, threshold=THRESHOLD)
    assert (found.n, found.holds, found.overlap) == (0, True, None)


def test_a_score_that_is_no_number_never_agrees():
    boxes = np.array([[0.0, 0.0, 10.0, 10.0]])
    theirs = Boxes(np.zeros(1, np.int64), boxes, np.array([0.9]), np.zeros(1, np.int64))
    assert not match_boxes(theirs, theirs._replace(scores=np.array([np.nan])), threshold=THRESHOLD).holds
    assert not match_labels(np.array([[0.2, 0.8]]), np.array([[0.2, np.nan]])).holds
    assert not match_maps(np.zeros((1, 1, 2, 2)), np.full((1, 1, 2, 2), np.nan), threshold=0.5).holds


@given(st.integers(1, 20), st.integers(2, 5), st.integers(0, 2**32))
def test_labels_agree_by_every_class(count, classes, seed):
    rng = np.random.default_rng(seed)
    theirs = rng.dirichlet(np.ones(classes), count)
    found = match_labels(theirs, theirs + rng.uniform(-0.0004, 0.0004, theirs.shape))
    assert (found.n, found.holds) == (count, True)
    swapped = theirs[:, ::-1]
    if np.abs(theirs - swapped).max() > 0.002:
        assert not match_labels(theirs, swapped).holds


def test_a_class_that_wins_by_less_than_rounding_may_lose():
    found = match_labels(np.array([[0.5001, 0.4999]]), np.array([[0.4999, 0.5001]]))
    assert (found.holds, found.near) == (True, 1)
    found = match_labels(np.array([[0.502, 0.498]]), np.array([[0.498, 0.502]]))
    assert (found.holds, found.missing) == (False, 1)


@given(st.integers(0, 2**32))
def test_maps_agree_by_their_values_and_their_areas(seed):
    rng = np.random.default_rng(seed)
    theirs = rng.uniform(0, 1, (3, 2, 12, 12))
    found = match_maps(theirs, theirs + rng.uniform(-0.0009, 0.0009, theirs.shape), threshold=0.5)
    assert (found.n, found.holds) == (6, True)
    moved = np.roll(theirs, 1, axis=3)
    assert not match_maps(theirs, moved, threshold=0.5).holds


def test_an_area_that_one_side_lacks_differs_though_no_value_is_far():
    """Values on both sides of a threshold by more than rounding: the share is told."""
    theirs, ours = np.full((1, 1, 10, 10), 0.502), np.full((1, 1, 10, 10), 0.498)
    found = match_maps(theirs, ours, threshold=0.5, score_bound=0.0015)
    assert (found.overlap, found.holds) == (0.0, False)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-0.019, 0.019)), min_size=1, max_size=30))
def test_verdicts_agree_where_scores_lie_within_the_bound(pairs):
    theirs = [score for score, _ in pairs]
    ours = [score + by for score, by in pairs]
    found = match_verdicts(theirs, ours, threshold=0.5)
    assert (found.n, found.holds) == (len(pairs), True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.data())
def test_each_other_verdict_is_counted(theirs, data):
    flipped = data.draw(st.sets(st.integers(0, len(theirs) - 1)))
    ours = [(0.0 if score >= 0.5 else 1.0) if number in flipped else score for number, score in enumerate(theirs)]
    found = match_verdicts(theirs, ours, threshold=0.5)
    assert found.missing + found.extra == len(flipped)
    assert found.holds is (not flipped)
    assert found.missing == sum(theirs[number] >= 0.5 for number in flipped)


def test_below_the_threshold_scores_are_of_no_consequence():
    found = match_verdicts([0.0, 0.4], [0.3, 0.0], threshold=0.5)
    assert (found.holds, found.score) == (True, 0.0)


def test_a_box_without_area_shares_with_itself_alone():
    line = np.array([[5.0, 5.0, 5.0, 9.0]])
    assert iou(line, line)[0, 0] == 1.0
    assert iou(line, line + 1)[0, 0] == 0.0
