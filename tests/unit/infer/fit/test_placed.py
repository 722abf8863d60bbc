"""Rows of a piece in pixels of the frame."""

from __future__ import annotations

import numpy as np
import pytest

from aoi_daemon.config.fit import Fit
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.executor import Detections
from aoi_daemon.infer.fit.geometry import Takes, plan_fit
from aoi_daemon.infer.fit.placed import Placing, worst

MODEL = Takes(640, 640)


def rows(*boxes, scores=None, classes=None):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([0.9] * count if scores is None else scores, np.float32),
        np.array([0] * count if classes is None else classes, np.int32),
    )


def placed(fit, frame, *boxes, piece=0, **columns):
    plan = plan_fit(fit, frame, MODEL)
    return Placing(plan, plan.pieces[piece]).place(rows(*boxes, **columns), 0.5)


@pytest.mark.parametrize(
    ("fit", "frame", "box", "expected"),
    [
        (Fit(kind="pad"), (600, 500, 1), (10, 20, 30, 40), (10, 20, 30, 40)),
        (Fit(kind="crop", x_px=100, y_px=50), (800, 800, 1), (10, 20, 30, 40), (110, 70, 130, 90)),
        # A third of the size, 120 rows of gray above.
        (Fit(kind="resize"), (1200, 1920, 1), (10, 120, 30, 140), (30, 0, 90, 60)),
        # Twice the size, 80 columns of gray on the left.
        (Fit(kind="resize"), (320, 240, 1), (100, 20, 140, 60), (10, 10, 30, 30)),
    ],
)
def test_boxes_come_back_in_px_of_the_frame(fit, frame, box, expected):
    assert placed(fit, frame, box).boxes.tolist() == [list(expected)]


@pytest.mark.parametrize("frame", [(1200, 1920, 1), (317, 211, 1), (453, 768, 3), (3072, 4096, 1)])
def test_what_fills_the_picture_fills_the_frame(frame):
    plan = plan_fit(Fit(kind="resize"), frame, MODEL)
    piece = plan.pieces[0]
    box = (piece.left, piece.top, piece.left + piece.shown_width, piece.top + piece.shown_height)
    assert placed(Fit(kind="resize"), frame, box).boxes[0] == pytest.approx((0, 0, frame[1], frame[0]), abs=1e-3)


def test_a_row_in_the_gray_alone_is_none_of_the_parts_and_one_that_reaches_into_it_ends_at_the_frame():
    found = placed(Fit(kind="resize"), (1200, 1920, 1), (10, 10, 60, 100), (10, 100, 60, 150), (5, 530, 9, 560))
    assert found.boxes.tolist() == [[30, 0, 180, 90]]


@pytest.mark.parametrize("box", [(10, 10, 10, 10), (10, 10, 10.9, 10.5), (5, 530, 5, 530), (639.5, 639.5, 640, 640)])
def test_a_speck_in_the_gray_is_kept_and_stays_one(box):
    """The judgement rejects for it, whatever a recipe tolerates: it may stand for what a model has left out."""
    found = placed(Fit(kind="resize"), (1200, 1920, 1), box)
    assert found.scores == pytest.approx([0.9])
    assert found.boxes[0, 2:].tolist() == found.boxes[0, :2].tolist()
    assert (found.boxes[0] >= 0).all() and (found.boxes[0] <= (1920, 1200) * 2).all()


def test_a_box_may_stick_out_of_the_frame_where_nothing_is_beside_it_and_not_into_a_neighbours_tile():
    fit, frame = Fit(kind="tiles", overlap_px=0), (640, 1280, 1)
    assert placed(fit, frame, (-5, -6, 30, 650)).boxes.tolist() == [[-5, -6, 30, 650]]
    assert placed(fit, frame, (600, 10, 655, 20)).boxes.tolist() == [[600, 10, 640, 20]]
    assert placed(fit, frame, (-5, 10, 645, 20), piece=1).boxes.tolist() == [[640, 10, 1285, 20]]


@pytest.mark.parametrize("box", [(10, 10, 970, 20), (-330, 10, 5, 20), (2000, 2000, 2010, 2010)])
def test_a_box_far_outside_of_what_the_model_saw_is_refused_though_it_would_lie_in_the_frame(box):
    fit, frame = Fit(kind="tiles"), (640, 4096, 1)
    with pytest.raises(InferenceError, match="far outside"):
        placed(fit, frame, box, piece=3)
    assert len(placed(fit, frame, box, piece=3, scores=[0.4]).scores) == 1


def test_what_the_judgement_refuses_comes_to_it_as_it_was():
    found = placed(Fit(kind="resize"), (1200, 1920, 1), (60, 200, 10, 210), (np.nan, 200, 10, 210), scores=[0.9, 0.1])
    assert found.boxes[0].tolist() == [180, 240, 30, 270]
    assert np.isnan(found.boxes[1, 0])
    found = placed(Fit(kind="pad"), (600, 600, 1), (1, 1, 2, 2), (0, 0, 0, 0), scores=[7.0, 0.0], classes=[-3, 0])
    assert (found.scores.tolist(), found.classes.tolist()) == ([7.0, 0.0], [-3, 0])


def test_a_part_in_tiles_is_the_worst_of_them_for_each_class():
    pieces = [
        rows((0, 0, 9, 9), (0, 0, 9, 9), scores=[0.2, 0.7], classes=[1, 4]),
        rows((5, 0, 14, 9), (5, 0, 14, 9), scores=[0.6, 0.1], classes=[1, 4]),
        rows((9, 0, 18, 9), (9, 0, 18, 9), scores=[0.3, 0.65], classes=[1, 4]),
    ]
    found = worst(pieces)
    assert found.classes.tolist() == [1, 4]
    assert found.scores.tolist() == pytest.approx([0.6, 0.7])
    assert found.boxes.tolist() == [[5, 0, 14, 9], [0, 0, 9, 9]]
