"""A defect on a seam is found once, with the box of all of it, and none is lost."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aoi_daemon.config.fit import Fit
from aoi_daemon.config.recipe import ClassLimit, Recipe
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.infer.executor import NO_DEADLINE, Detections
from aoi_daemon.infer.fit.cutting import Cutting
from aoi_daemon.infer.fit.executor import FittedExecutor
from aoi_daemon.infer.fit.geometry import Takes, plan_fit
from aoi_daemon.infer.fit.seams import Seams
from tests.unit.infer.fit.seeing import Seeing

HEIGHT, WIDTH, TILE, OVERLAP = 96, 112, 48, 16
FIT = Fit(kind="tiles", width_px=TILE, height_px=TILE, overlap_px=OVERLAP)
PLAN = plan_fit(FIT, (HEIGHT, WIDTH, 1), Takes(None, None))


def tiled(duplicates=1):
    """A perfect model behind 3 x 3 tiles."""
    model = Seeing(PLAN.model, duplicates=duplicates)
    manifest = SimpleNamespace(task="top100", classes=("d",))
    return FittedExecutor(model, PLAN, manifest, Cutting(PLAN), least_score=0.5)


def frame_of(*boxes):
    """A frame with a filled rectangle for each box, which may not touch."""
    frame = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    for number, (x1, y1, x2, y2) in enumerate(boxes, 201):
        frame[y1:y2, x1:x2] = number
    return frame


def boxes_of(found):
    return sorted(tuple(map(int, box)) for box in found.boxes)


@pytest.mark.parametrize("height", [1, 9, OVERLAP, 40])
@pytest.mark.parametrize("width", [1, 2, 7, OVERLAP - 1, OVERLAP, OVERLAP + 1, 31, TILE, 75, WIDTH])
def test_a_defect_of_any_size_is_found_once_wherever_a_seam_runs_through_it(width, height):
    """Across each column of the frame; rows go with them, so that corners where four tiles meet are met, too."""
    executor = tiled()
    for x in range(WIDTH - width + 1):
        y = (x * 5) % (HEIGHT - height + 1)
        found = executor.infer(frame_of((x, y, x + width, y + height)), None, NO_DEADLINE)
        assert boxes_of(found) == [(x, y, x + width, y + height)]


@pytest.mark.parametrize("turned", [False, True], ids=["across", "down"])
def test_a_speck_is_found_once_at_each_place_of_the_frame(turned):
    executor = tiled()
    for at in range((HEIGHT if turned else WIDTH) - 2):
        for other in (15, 16, 31, 32, 47, 48, 63):
            x, y = (other, at) if turned else (at, other)
            assert boxes_of(executor.infer(frame_of((x, y, x + 2, y + 2)), None, NO_DEADLINE)) == [(x, y, x + 2, y + 2)]


def holds_for(*strategies, examples=50):
    return lambda test: settings(deadline=None, max_examples=examples)(given(*strategies)(test))


@st.composite
def apart(draw):
    """Rectangles that do not touch."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        width, height = draw(st.integers(1, 60)), draw(st.integers(1, 60))
        x, y = draw(st.integers(0, WIDTH - width)), draw(st.integers(0, HEIGHT - height))
        box = (x, y, x + width, y + height)
        if all(box[2] < b[0] or b[2] < box[0] or box[3] < b[1] or b[3] < box[1] for b in found):
            found.append(box)
    return found


@holds_for(apart())
def test_of_several_each_is_found_once_so_that_what_is_tolerated_is_counted_right(defects):
    found = tiled().infer(frame_of(*defects), None, NO_DEADLINE)
    assert boxes_of(found) == sorted(defects)
    for allowed in (len(defects), len(defects) - 1):
        verdict = judge(found, criteria(max_count=allowed), 0, slack_ns=0)
        assert verdict.passed is (allowed == len(defects))
        assert verdict.defect_count == (0 if allowed == len(defects) else len(defects))


@holds_for(apart())
def test_a_model_that_sees_each_defect_several_times_finds_as_many(defects):
    """As heads do that nobody has suppressed: the judgement does, after sizes and places were looked at."""
    large = [box for box in defects if min(box[2] - box[0], box[3] - box[1]) >= 4]
    found = tiled(duplicates=5).infer(frame_of(*large), None, NO_DEADLINE)
    verdict = judge(found, criteria(), 0, slack_ns=0)
    assert verdict.defect_count == len(large)
    for defect in verdict.defects:
        near = [box for box in large if np.abs(np.array(box) - (defect.x1, defect.y1, defect.x2, defect.y2)).max() <= 6.5]
        assert len(near) == 1


def criteria(**limit):
    recipe = Recipe(
        id=1, name="r", bundle="b", width_px=WIDTH, height_px=HEIGHT, limits=(ClassLimit(name="*", **limit),)
    )  # fmt: skip
    return Criteria.compile(recipe, ("d",))


@example((108, 51), (19, 14))  # cut off on both sides of a seam
@example((88, 1), (42, 86))  # its end lies within what the tile before sees of it
@example((59, 71), (49, 81))
@holds_for(
    st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1)),
    st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1)),
)
def test_a_scratch_of_any_length_and_slant_is_one(start, end):
    """The box of what a tile sees of it says nothing of where in the box it runs."""
    frame = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    cv2.line(frame, start, end, 201, 1)
    y, x = np.nonzero(frame[..., 0])
    box = (x.min(), y.min(), x.max() + 1, y.max() + 1)
    assert boxes_of(tiled().infer(frame, None, NO_DEADLINE)) == [box]


@st.composite
def rows(draw):
    """By tile, whatever a model may say: boxes of three classes in px of the frame, within their tile."""
    pieces = []
    for piece in PLAN.pieces:
        count = draw(st.integers(0, 4))
        table = np.zeros((count, 4), np.float32)
        for row in table:
            x1, x2 = sorted(draw(st.tuples(st.integers(0, piece.width), st.integers(0, piece.width))))
            y1, y2 = sorted(draw(st.tuples(st.integers(0, piece.height), st.integers(0, piece.height))))
            row[:] = piece.x + x1, piece.y + y1, piece.x + x2, piece.y + y2
        scores = np.array([draw(st.integers(0, 20)) / 20 for _ in range(count)], np.float32)
        classes = np.array([draw(st.integers(0, 2)) for _ in range(count)], np.int32)
        pieces.append(Detections(table, scores, classes))
    return pieces


@holds_for(rows())
def test_no_defect_is_lost_whatever_a_model_says(pieces):
    """Each row lies in one of its class that scores no less; so sizes and scores can only become more."""
    joined = Seams(PLAN).join(pieces, 0.3)
    for piece in pieces:
        for box, score, label in zip(*piece, strict=True):
            holds = (joined.boxes[:, :2] <= box[:2]).all(axis=1) & (joined.boxes[:, 2:] >= box[2:]).all(axis=1)
            assert (holds & (joined.scores >= score) & (joined.classes == label)).any()


def two_that_one_row_of_the_neighbour_holds():
    pieces = [Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))] * 9
    for tile, boxes in ((0, [[20, 4, 48, 9], [20, 20, 48, 25]]), (1, [[32, 2, 70, 30]])):
        pieces[tile] = Detections(np.array(boxes, np.float32), np.full(len(boxes), 0.9, np.float32), np.zeros(len(boxes), np.int32))
    return pieces


@example(two_that_one_row_of_the_neighbour_holds())
@holds_for(rows())
def test_what_one_tile_tells_apart_stays_apart(pieces):
    """So of a class no fewer count than lie apart in any tile, and `max_count` tolerates no more than it says."""
    joined = Seams(PLAN).join(pieces, 0.3)
    for piece in pieces:
        for label in range(3):
            counts = (piece.classes == label) & (piece.scores >= 0.3)
            apart = []
            for box in piece.boxes[counts]:
                if not any((box[:2] - 2 < other[2:] + 2).all() and (other[:2] - 2 < box[2:] + 2).all() for other in apart):
                    apart.append(box)
            assert np.count_nonzero((joined.classes == label) & (joined.scores >= 0.3)) >= len(apart)


@holds_for(rows())
def test_nothing_is_found_that_no_tile_has_seen(pieces):
    joined = Seams(PLAN).join(pieces, 0.3)
    edges = np.concatenate([piece.boxes for piece in pieces])
    for box in joined.boxes:
        assert all(box[side] in edges[:, side] for side in range(4))
    assert len(joined.scores) <= sum(len(piece.scores) for piece in pieces)


def test_rows_that_do_not_count_are_not_joined():
    """A row below the least score must not make one that counts larger than it is."""
    pieces = [Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))] * 9
    left = Detections(np.array([[20, 4, 48, 9]], np.float32), np.array([0.9], np.float32), np.zeros(1, np.int32))
    right = Detections(np.array([[32, 4, 70, 9]], np.float32), np.array([0.2], np.float32), np.zeros(1, np.int32))
    pieces[:2] = left, right
    assert len(Seams(PLAN).join(pieces, 0.3).scores) == 2
    assert boxes_of(Seams(PLAN).join(pieces, 0.2)) == [(20, 4, 70, 9)]


def test_other_classes_are_other_defects():
    pieces = [Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))] * 9
    box = np.array([[34, 4, 44, 9]], np.float32)
    pieces[:2] = (Detections(box, np.array([0.9], np.float32), np.array([label], np.int32)) for label in (0, 1))
    assert len(Seams(PLAN).join(pieces, 0.3).scores) == 2


def test_what_is_not_finite_is_handed_on_to_the_judgement():
    pieces = [Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))] * 9
    boxes = np.array([[34, 4, np.nan, 9], [1, 1, 5, 5]], np.float32)
    pieces[0] = Detections(boxes, np.array([0.9, 0.8], np.float32), np.zeros(2, np.int32))
    assert np.isnan(Seams(PLAN).join(pieces, 0.3).boxes).any()


@given(st.floats(33, 47), st.floats(2, 46), st.floats(0, 4), st.floats(0.5, 1))
@settings(max_examples=50, deadline=None)
def test_a_speck_keeps_its_size_whatever_lies_beside_it(x, y, side, score):
    """It may stand for all that a model left out: in the box of another it would be tolerated as that is."""
    speck = Detections(np.array([[x, y, x, y]], np.float32), np.array([score], np.float32), np.zeros(1, np.int32))
    corners = np.array([[x - side / 2, y - side / 2, x + side / 2, y + side / 2]], np.float32)
    beside = Detections(corners, np.array([0.9], np.float32), np.zeros(1, np.int32))
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    found = Seams(PLAN).join([speck, beside, *[nothing] * (len(PLAN.pieces) - 2)], 0.5)
    assert speck.boxes.tolist()[0] in found.boxes.tolist()
